"""The metrics of one epoch, from clean logits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuning.evaluation.calibration import fit_temperature
from tuning.evaluation.metrics import error_rate, nll_per_example


@dataclass(frozen=True)
class EpochMetrics:
    """Clean metrics at the end of an epoch; losses in nats an example, errors as fractions.

    `val_calibrated_loss` is the validation loss at its best temperature: what the network's decisions are worth once
    their confidence is put right. Raw loss turns up long before the decisions get worse (Guo et al. 2017).
    """

    train_loss: float
    train_error: float
    val_loss: float
    val_error: float
    val_calibrated_loss: float
    val_loss_sd: float  # standard deviation of the per-example validation loss


def epoch_metrics(
    train_logits: NDArray[np.float32],
    train_labels: NDArray[np.int64],
    val_logits: NDArray[np.float32],
    val_labels: NDArray[np.int64],
) -> EpochMetrics:
    """Measure clean logits, shapes (n, n_classes); NaN where the network diverged."""
    if not (np.isfinite(train_logits).all() and np.isfinite(val_logits).all()):
        return EpochMetrics(*[float("nan")] * 6)
    val_losses = nll_per_example(val_logits, val_labels)
    temperature = fit_temperature(val_logits, val_labels)
    return EpochMetrics(
        train_loss=float(nll_per_example(train_logits, train_labels).mean()),
        train_error=error_rate(train_logits, train_labels),
        val_loss=float(val_losses.mean()),
        val_error=error_rate(val_logits, val_labels),
        val_calibrated_loss=float(nll_per_example(val_logits / temperature, val_labels).mean()),
        val_loss_sd=float(val_losses.std()),
    )


def paired_stderr(
    first_logits: NDArray[np.float32], second_logits: NDArray[np.float32], labels: NDArray[np.int64]
) -> float:
    """Standard error of the difference of two mean losses on the same examples; NaN if a network diverged.

    Paired, because most of what makes examples differ in loss is the same for both networks and cancels.
    """
    if not (np.isfinite(first_logits).all() and np.isfinite(second_logits).all()):
        return float("nan")
    differences = nll_per_example(second_logits, labels) - nll_per_example(first_logits, labels)
    return float(differences.std() / np.sqrt(len(labels)))
