"""How good is a trained model, and is it better than another one? Arrays in, frozen results out.

The package knows numpy and scipy only: whatever framework computed the logits, the numbers are the same.

    evaluation = evaluate_model(
        test_logits, test_labels, validation_logits=val_logits, validation_labels=val_labels
    )
    paired = compare_paired(
        test_logits, baseline_logits, test_labels,
        model_temperature=evaluation.temperature, baseline_temperature=baseline.temperature, seed=0,
    )
    print(paired.sentence("tuned", "TF-GAN"))
    print(loss_report(test_logits, test_labels, fitted_on=(val_logits, val_labels)).sentence)
"""

from tuning.evaluation.by_task import (
    AnyEvaluation,
    AnyOptimism,
    AnyPaired,
    AnyReport,
    Scoring,
    scoring_of,
)
from tuning.evaluation.calibration import fit_temperature
from tuning.evaluation.causes import Cause
from tuning.evaluation.comparison import PairedTest, compare_paired
from tuning.evaluation.latency import Latency, measure_latency
from tuning.evaluation.loss import LossReport, loss_report
from tuning.evaluation.metrics import Interval
from tuning.evaluation.optimism import SelectionOptimism, selection_optimism
from tuning.evaluation.parts import OwnImagesReport, PartsReport, compare_parts, compare_with_training
from tuning.evaluation.report import Evaluation, evaluate_model

__all__ = [
    "AnyEvaluation",
    "AnyOptimism",
    "AnyPaired",
    "AnyReport",
    "Cause",
    "Evaluation",
    "Interval",
    "Latency",
    "LossReport",
    "OwnImagesReport",
    "PairedTest",
    "PartsReport",
    "Scoring",
    "SelectionOptimism",
    "compare_paired",
    "compare_parts",
    "compare_with_training",
    "evaluate_model",
    "fit_temperature",
    "loss_report",
    "measure_latency",
    "scoring_of",
    "selection_optimism",
]
