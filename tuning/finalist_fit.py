"""What every trial measures at its best epoch, measured on a compared model too, so that both stand in one table."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from tuning.engine.metrics import EpochMetrics, value_stderr
from tuning.evaluation.calibration import calibrated_nll
from tuning.evaluation.metrics import correct_per_example, nll_per_example

Logits = NDArray[np.float32]
Labels = NDArray[np.int64]


def fit_metrics(train: tuple[Logits, Labels], val: tuple[Logits, Labels], metric: str) -> dict[str, float]:
    """The metrics of a model's fit, under the names that trials log.

    Args:
        train: Logits and labels of the train examples on which trials are measured.
        val: Logits and labels of the validation examples.
        metric: The field of `EpochMetrics` that the search minimised, for `value_stderr`.
    """
    val_losses = nll_per_example(*val)
    found = EpochMetrics(
        train_loss=float(nll_per_example(*train).mean()),
        train_error=_error(*train),
        val_loss=float(val_losses.mean()),
        val_error=_error(*val),
        val_calibrated_loss=calibrated_nll(*val),
        val_loss_sd=float(val_losses.std()),
    )
    return {
        **{f"best_{name}": value for name, value in asdict(found).items() if name != "val_loss_sd"},
        "best_val_accuracy": 1.0 - found.val_error,
        "generalization_gap": found.val_loss - found.train_loss,
        "value_stderr": value_stderr(found, metric, len(val_losses)),
    }


def _error(logits: Logits, labels: Labels) -> float:
    return 1.0 - float(correct_per_example(logits, labels).mean())
