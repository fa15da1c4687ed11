"""The fit diagnosis of a plain Keras `History`: for whoever trains without this project.

>>> record = {"loss": [0.9, 0.3, 0.05, 0.01, 0.002], "accuracy": [0.7, 0.9, 0.99, 1.0, 1.0],
...           "val_loss": [0.8, 0.5, 0.5, 0.7, 0.9], "val_accuracy": [0.7, 0.85, 0.85, 0.85, 0.84]}
>>> diagnose_history(record, n_train=3_000, n_val=1_000, n_classes=10).state.value
'overfit_confidence'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuning.strategy.diagnosis import FitDiagnosis, diagnose
from tuning.strategy.learning_curves import LearningCurves

# Standard deviation of an example's cross-entropy over its mean, at the best epoch: 3.9 to 4.3 for four networks on
# 6,000 images of MNIST, 5.2 to 6.0 for six on scikit-learn's breast_cancer.
_SD_OF_MEAN = 4.0

_ACCURACIES = ("accuracy", "acc", "sparse_categorical_accuracy", "categorical_accuracy", "binary_accuracy")


def diagnose_history(
    history: Any,  # noqa: ANN401 - a keras.callbacks.History, or its `history`
    *,
    n_train: int,
    n_val: int,
    n_classes: int,
    val_loss_sd: float | None = None,
) -> FitDiagnosis:
    """Say whether a training overfits, underfits, or was too short, from what `model.fit` returned.

    Keras measures the train metrics with dropout on, over an epoch in which the weights move, and with the L2 penalty
    in the loss: after strong regularization read the states with care.

    Args:
        history: What `model.fit` returned, or a mapping with `loss` and `val_loss` and an accuracy and its `val_` twin,
            a value an epoch.
        n_train: Training examples, >= 1.
        n_val: Validation examples, >= 1.
        n_classes: Classes, >= 2.
        val_loss_sd: Standard deviation of an example's validation loss, nats; None for four times the lowest mean.

    Raises:
        ValueError: If a curve is missing, the curves differ in length, or a number is out of its range.
    """
    record: Mapping[str, Sequence[float]] = getattr(history, "history", history)
    accuracy = next((name for name in _ACCURACIES if name in record), None)
    wanted = ["loss", "val_loss", *([accuracy, f"val_{accuracy}"] if accuracy else ["accuracy"])]
    if missing := [name for name in wanted if name not in record]:
        known = ", ".join(record) or "nothing"
        raise ValueError(f"The history must have {', '.join(wanted)}, but {missing[0]!r} is missing; it has {known}.")
    val_loss = tuple(map(float, record["val_loss"]))
    curves = LearningCurves(
        train_loss=tuple(map(float, record["loss"])),
        train_error=_errors(record[wanted[2]]),
        val_loss=val_loss,
        val_error=_errors(record[wanted[3]]),
        n_classes=n_classes,
        n_train=n_train,
        n_val=n_val,
        val_loss_sd=_SD_OF_MEAN * min(val_loss) if val_loss_sd is None else val_loss_sd,
    )
    return diagnose(curves)


def _errors(accuracy: Sequence[float]) -> tuple[float, ...]:
    return tuple(1.0 - float(value) for value in accuracy)
