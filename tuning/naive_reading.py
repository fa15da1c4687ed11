"""A baseline as somebody scores it who does not ask how it was trained: pixels and outputs taken as they come."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tuning.baseline_reading import BaselineReading
from tuning.data import Examples, TrainingData
from tuning.evaluation import compare_paired, evaluate_model, loss_report
from tuning.result import NaiveReading


def naive_reading(
    reading: BaselineReading,
    data: TrainingData,
    test: Examples,
    logits: NDArray[np.floating],
    temperature: float,
    seed: int,
) -> NaiveReading | None:
    """Score the naive reading of a baseline beside the one that the comparison uses; None where it is not finite.

    Args:
        reading: Of the baseline.
        data: Train and validation part.
        test: The opened test part.
        logits: Of the reading that the comparison uses, for the test images.
        temperature: Of the same, fitted on validation.
        seed: Of the bootstrap.
    """
    if reading.naive_logits is None:
        return None
    outputs, val_outputs = reading.naive_logits(test.inputs), reading.naive_logits(data.validation.inputs)
    if not (np.isfinite(outputs).all() and np.isfinite(val_outputs).all()):
        return None
    val_labels = data.validation.labels
    evaluation = evaluate_model(outputs, test.labels, validation_logits=val_outputs, validation_labels=val_labels)
    paired = compare_paired(
        outputs,
        logits,
        test.labels,
        model_temperature=evaluation.temperature,
        baseline_temperature=temperature,
        seed=seed,
    )
    chosen = reading.sweep.chosen
    report = loss_report(outputs, test.labels, fitted_on=(val_outputs, val_labels), trained_for=chosen, seed=seed)
    return NaiveReading(reading.sweep.naive, evaluation, report, paired)
