"""When to stop a training: the validation curve has turned, or patience has run out. Pure; tested on scripted curves.

Prechelt (1998, "Early stopping - but when?") measures a turn by the generalization loss

    GL(t) = 100 * (V(t) / min_{s <= t} V(s) - 1)   per cent,

here on the curve smoothed over three epochs, because a single epoch's validation error jumps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_SMOOTHED_EPOCHS = 3


@dataclass(frozen=True)
class StopRule:
    """Early stopping of one training.

    Args:
        patience: Epochs without a new minimum after which training stops, >= 1 (Keras' `EarlyStopping`).
        generalization_loss_percent: GL of the smoothed curve above which training stops.
        min_epochs: No stop before this many epochs.

    Raises:
        ValueError: If an argument is out of its range.
    """

    patience: int = 6
    generalization_loss_percent: float = 10.0
    min_epochs: int = 5

    def __post_init__(self) -> None:
        if self.patience < 1 or self.min_epochs < 1:
            raise ValueError(f"`patience` and `min_epochs` must be >= 1, got {self.patience} and {self.min_epochs}.")
        if not self.generalization_loss_percent > 0:
            raise ValueError(f"`generalization_loss_percent` must be > 0, got {self.generalization_loss_percent}.")

    def reason_to_stop(self, values: Sequence[float]) -> str | None:
        """Why training should stop after these epochs (values to be minimised, one an epoch); None to go on."""
        if not math.isfinite(values[-1]):
            return f"diverged at epoch {len(values)}"
        if len(values) < self.min_epochs:
            return None
        best_epoch = min(range(len(values)), key=values.__getitem__) + 1
        loss = generalization_loss_percent(values)
        if loss > self.generalization_loss_percent:
            return f"the validation curve has turned: {loss:.0f} % above its best (epoch {best_epoch})"
        if len(values) - best_epoch >= self.patience:
            return f"no improvement for {len(values) - best_epoch} epochs (best: epoch {best_epoch})"
        return None


def generalization_loss_percent(values: Sequence[float]) -> float:
    """Prechelt's GL at the last epoch, of the curve smoothed over three epochs."""
    smoothed = [_mean(values[max(0, t - _SMOOTHED_EPOCHS + 1) : t + 1]) for t in range(len(values))]
    lowest = min(smoothed)
    return 100.0 * (smoothed[-1] / lowest - 1.0) if lowest > 0 else 0.0


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
