"""What every trial measures at its best epoch, measured on a compared model too, so that both stand in one table."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from numpy.typing import NDArray

from tuning.engine.metrics import EpochMetrics, Predictions, value_stderr
from tuning.evaluation.by_task import Scoring
from tuning.task import Task

Scores = NDArray[Any]
Labels = NDArray[Any]


def fit_metrics(
    train: tuple[Scores, Labels], val: tuple[Scores, Labels], metric: str, scoring: Scoring, task: Task
) -> dict[str, float]:
    """The metrics of a model's fit, under the names that trials log.

    Args:
        train: Scores and labels of the train examples on which trials are measured.
        val: Scores and labels of the validation examples.
        metric: The field of `EpochMetrics` that the search minimised, for `value_stderr`.
        scoring: Of the task.
        task: What the model learned.
    """
    on_train, on_val = (Predictions(each[0], scoring.losses(*each), scoring.errors(*each)) for each in (train, val))
    found = EpochMetrics(
        train_loss=on_train.loss,
        train_error=on_train.error,
        val_loss=on_val.loss,
        val_error=on_val.error,
        val_calibrated_loss=scoring.calibrated_loss(*val),
        val_loss_sd=on_val.loss_sd,
        val_error_sd=on_val.error_sd,
    )
    return {
        **{f"best_{name}": value for name, value in asdict(found).items() if not name.endswith("_sd")},
        f"best_val_{task.score}": 1.0 - found.val_error,
        "generalization_gap": found.val_loss - found.train_loss,
        "value_stderr": value_stderr(found, metric, len(on_val.losses)),
    }
