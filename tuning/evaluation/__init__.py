"""How good is a trained classifier, and is it better than another one? Arrays in, frozen results out.

The package knows numpy and scipy only: whatever framework computed the logits, the numbers are the same.

    evaluation = evaluate_model(
        test_logits, test_labels, validation_logits=val_logits, validation_labels=val_labels
    )
    paired = compare_paired(
        test_logits, baseline_logits, test_labels,
        model_temperature=evaluation.temperature, baseline_temperature=baseline.temperature, seed=0,
    )
    print(paired.sentence("tuned", "TF-GAN"))
"""

from tuning.evaluation.comparison import PairedTest, compare_paired
from tuning.evaluation.latency import Latency, measure_latency
from tuning.evaluation.metrics import Interval
from tuning.evaluation.report import Evaluation, evaluate_model

__all__ = [
    "Evaluation",
    "Interval",
    "Latency",
    "PairedTest",
    "compare_paired",
    "evaluate_model",
    "measure_latency",
]
