"""The numbers of a model that gives several labels at once, each yes or no; in the words of a classifier.

The error is the share of wrong labels, what Keras calls binary accuracy and scikit-learn Hamming loss; how often all
labels of an example are right (exact match, scikit-learn's accuracy) stands beside it. The labels of an example are no
independent evidence: every interval resamples examples.

    evaluation = evaluate_labels(test_logits, test_labels, validation_logits=val_logits, validation_labels=val_labels)
    evaluation.accuracy, evaluation.exact_match
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuning.evaluation.comparison import PairedTest, bootstrap_mean_interval, check_temperatures
from tuning.evaluation.metrics import (
    Interval,
    correct_per_example,
    nll_per_example,
    wilson_interval,
    yes_or_no,
)
from tuning.evaluation.optimism import SelectionOptimism, difference_interval
from tuning.evaluation.report import Evaluation, evaluate_model

_SEED = 0  # of the interval of the accuracy, which belongs to the examples and not to a comparison


def label_losses(logits: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Return each example's mean cross-entropy over its labels, in nats.

    Args:
        logits: Raw scores of yes, shape (examples, labels).
        labels: 0 and 1, same shape.

    Raises:
        ValueError: If the arrays do not belong together.
    """
    scores, answers = _checked(logits, labels)
    return np.asarray(nll_per_example(yes_or_no(scores), answers.ravel()).reshape(answers.shape).mean(axis=1))


def label_errors(logits: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Return each example's share of wrong labels; shapes as in `label_losses`."""
    scores, answers = _checked(logits, labels)
    return np.asarray(((scores > 0) != (answers > 0)).mean(axis=1))


def evaluate_labels(
    test_logits: ArrayLike, test_labels: ArrayLike, *, validation_logits: ArrayLike, validation_labels: ArrayLike
) -> Evaluation:
    """Return one model's numbers on the test examples, its one temperature fitted on the validation examples.

    Args:
        test_logits: Raw scores of yes, shape (test examples, labels).
        test_labels: 0 and 1, same shape.
        validation_logits: Raw scores of the same model, shape (validation examples, labels).
        validation_labels: 0 and 1, same shape.

    Raises:
        ValueError: If two arrays do not belong together.
    """
    errors = label_errors(test_logits, test_labels)
    decisions = evaluate_model(
        yes_or_no(test_logits),
        np.ravel(test_labels),
        validation_logits=yes_or_no(validation_logits),
        validation_labels=np.ravel(validation_labels),
        n_labels=np.shape(validation_labels)[1],
    )
    share = bootstrap_mean_interval(1.0 - errors, _SEED)
    n_all_right = int((errors == 0).sum())
    # Rounding must not push a limit past the share itself when all or none are right.
    return replace(
        decisions,
        n_examples=len(errors),
        accuracy_interval=Interval(min(share.low, decisions.accuracy), max(share.high, decisions.accuracy)),
        exact_match=n_all_right / len(errors),
        exact_match_interval=wilson_interval(n_all_right, len(errors)),
    )


def compare_labels(
    model_logits: ArrayLike,
    baseline_logits: ArrayLike,
    labels: ArrayLike,
    *,
    model_temperature: float,
    baseline_temperature: float,
    seed: int,
) -> PairedTest:
    """Return how the model compares with the baseline on the same examples; arguments as in `compare_paired`.

    McNemar's test counts whole examples, all of whose labels one model alone has right; the difference of the
    accuracies is that of the shares of right labels.
    """
    check_temperatures(model_temperature, baseline_temperature)
    scores, baseline_scores = np.asarray(model_logits, np.float64), np.asarray(baseline_logits, np.float64)
    errors, baseline_errors = label_errors(scores, labels), label_errors(baseline_scores, labels)
    gains = baseline_errors - errors
    raw = label_losses(scores, labels) - label_losses(baseline_scores, labels)
    calibrated = label_losses(scores / model_temperature, labels) - label_losses(
        baseline_scores / baseline_temperature, labels
    )
    right = errors == 0, baseline_errors == 0
    accuracy = float(gains.mean()), bootstrap_mean_interval(gains, seed)
    return PairedTest.of(right, accuracy, calibrated, raw, seed=seed, of_labels=True)


def label_optimism(
    validation_logits: ArrayLike,
    validation_labels: ArrayLike,
    test_logits: ArrayLike,
    test_labels: ArrayLike,
    *,
    seed: int,
) -> SelectionOptimism:
    """Return how a model's validation numbers compare with its test numbers; arguments as in `selection_optimism`."""
    parts = (validation_logits, validation_labels), (test_logits, test_labels)
    val_errors, test_errors = (label_errors(*part) for part in parts)
    val_losses, test_losses = (label_losses(*part) for part in parts)
    return SelectionOptimism(
        accuracy_drop=float(test_errors.mean() - val_errors.mean()),
        accuracy_drop_interval=difference_interval(val_errors, test_errors, seed),
        nll_rise=float(test_losses.mean() - val_losses.mean()),
        nll_rise_interval=difference_interval(val_losses, test_losses, seed),
    )


def _checked(logits: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.integer]]:
    scores, answers = np.asarray(logits, np.float64), np.asarray(labels)
    if scores.ndim != 2 or answers.shape != scores.shape:
        raise ValueError(
            f"Logits and labels must have one shape (examples, labels), got {scores.shape}, {answers.shape}."
        )
    correct_per_example(yes_or_no(scores), answers.ravel())  # says what else is wrong
    return scores, answers
