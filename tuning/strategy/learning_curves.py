"""The learning curves of one training, checked; and the numbers on which a diagnosis rests.

Differences count in units of their own standard error, so that the same rules hold for 300 validation examples and for
10,000. Sources beside `tuning.strategy.diagnosis`.
"""

import math
from dataclasses import dataclass

import numpy as np

# Shares of ln(classes), the loss of a model that guesses.
DIVERGED_LOSS_SHARE = 0.9
PERFECT_FIT_LOSS_SHARE = 0.01

# Of a regression: shares of the training targets' variance that are not explained; 1 is a model that gives the mean.
DIVERGED_REGRESSION_ERROR = 0.99
PERFECT_FIT_REGRESSION_ERROR = 0.01

PERFECT_FIT_ERROR = 0.001
UNDERFIT_ERROR_RATIO = 0.5
UNDERTRAINED_BEST_EPOCH_SHARE = 0.75
OVERFIT_GENERALIZATION_LOSS_PERCENT = 5.0

# Prechelt's strip: the trend at the end of a curve is the slope over this many epochs.
SLOPE_EPOCHS = 5

# A validation loss below this many nats is zero: it keeps ratios finite.
_SMALLEST_LOSS = 1e-12


@dataclass(frozen=True, slots=True)
class LearningCurves:
    """Clean curves of one training: model in evaluation mode, no penalty in the loss, one entry an epoch.

    NaN and infinity are accepted in the curves: they are what a diverged training measures.

    Attributes:
        train_loss: Mean cross-entropy of the train examples, nats; of a regression any loss that is not negative.
        train_error: Share of wrong answers on the train examples, a fraction; of a regression the mean squared error
            as a share of the training targets' variance.
        val_loss: The same loss of the validation examples.
        val_error: The same error of the validation examples.
        n_classes: Classes, at least 2; 2 where each label is yes or no; 0 for a regression.
        n_train: Examples behind the train metrics (often a sub-sample), at least 1.
        n_val: Validation examples, at least 1.
        val_loss_sd: Standard deviation of the per-example validation loss at the best epoch, nats.
        val_loss_rise_stderr: Standard error of the change of the validation loss from the best epoch to the last,
            nats, paired on the examples; None takes the unpaired one, which is several times larger.

    Raises:
        ValueError: If the curves differ in length or are empty, or a value is out of its range.
    """

    train_loss: tuple[float, ...]
    train_error: tuple[float, ...]
    val_loss: tuple[float, ...]
    val_error: tuple[float, ...]
    n_classes: int
    n_train: int
    n_val: int
    val_loss_sd: float
    val_loss_rise_stderr: float | None = None

    def __post_init__(self) -> None:
        lengths = [len(curve) for curve in (self.train_loss, self.train_error, self.val_loss, self.val_error)]
        if min(lengths) < 1 or min(lengths) != max(lengths):
            raise ValueError(f"Curves must have one length of at least one epoch, but got {lengths}.")
        highest_error = 1.0 if self.n_classes else math.inf
        if not all(0 <= error <= highest_error for error in _finite(*self.train_error, *self.val_error)):
            raise ValueError(
                f"Errors must lie within [0, {highest_error:g}], but got {self.train_error} and {self.val_error}."
            )
        if not all(loss >= 0 for loss in _finite(*self.train_loss, *self.val_loss, self.val_loss_sd)):
            raise ValueError(f"Losses and `val_loss_sd` must not be negative, but got {self}.")
        if self.n_classes < 2 and self.n_classes != 0 or self.n_train < 1 or self.n_val < 1:
            raise ValueError(
                "`n_classes >= 2` (0 for a regression), `n_train >= 1` and `n_val >= 1` must hold, "
                f"but got ({self.n_classes}, {self.n_train}, {self.n_val})."
            )


@dataclass(frozen=True, slots=True)
class Measures:
    """The numbers that decide, and the rules on them: two standard errors are taken for a real difference."""

    n_classes: int
    n_epochs: int
    best_epoch: int
    guessing_loss: float
    train_loss_last: float
    train_error_last: float
    val_loss_best: float
    val_loss_last: float
    val_loss_rise: float
    val_loss_slope: float
    val_error_best: float
    val_error_last: float
    generalization_loss_percent: float
    error_ratio: float
    gap_loss: float
    gap_error: float
    val_loss_stderr: float
    val_loss_rise_stderr: float
    val_error_stderr: float
    train_error_stderr: float

    @property
    def is_regression(self) -> bool:
        """Whether there are no classes, and so no decisions that could overfit by themselves."""
        return self.n_classes == 0

    @property
    def has_diverged(self) -> bool:
        """Whether the train loss is about that of a guess, or of the mean, and not on its way to something better."""
        if self.is_regression:
            return self.train_error_last > DIVERGED_REGRESSION_ERROR
        is_on_its_way = self.train_loss_last < self.guessing_loss and self.is_undertrained
        return self.train_loss_last > DIVERGED_LOSS_SHARE * self.guessing_loss and not is_on_its_way

    @property
    def has_reached_capacity(self) -> bool:
        """Whether the train examples are fitted perfectly."""
        if self.is_regression:
            return self.train_error_last <= PERFECT_FIT_REGRESSION_ERROR
        return (
            self.train_error_last <= PERFECT_FIT_ERROR
            or self.train_loss_last <= PERFECT_FIT_LOSS_SHARE * self.guessing_loss
        )

    @property
    def has_clear_gap(self) -> bool:
        """Whether the validation error is surely above the train error."""
        return self.gap_error > 2 * math.hypot(self.train_error_stderr, self.val_error_stderr)

    @property
    def overfits_confidence(self) -> bool:
        """Whether the validation loss has surely turned, where the capacity is there to overfit."""
        has_turned = (
            self.generalization_loss_percent > OVERFIT_GENERALIZATION_LOSS_PERCENT
            and self.val_loss_rise > 2 * self.val_loss_rise_stderr
        )
        return has_turned and (self.has_reached_capacity or self.has_clear_gap)

    @property
    def overfits_decisions(self) -> bool:
        """Whether the validation error has turned as well."""
        if self.is_regression:
            return self.overfits_confidence
        error_rise = self.val_error_last - self.val_error_best
        return self.overfits_confidence and error_rise > 2 * self.val_error_stderr

    @property
    def is_undertrained(self) -> bool:
        """Whether the validation loss still falls at the end, and the best epoch is a late one."""
        still_falls = self.val_loss_slope * min(SLOPE_EPOCHS, self.n_epochs) < -2 * self.val_loss_stderr
        return still_falls and self.best_epoch > UNDERTRAINED_BEST_EPOCH_SHARE * self.n_epochs

    @property
    def underfits(self) -> bool:
        """Whether the train error is about as high as the validation error."""
        return self.error_ratio > UNDERFIT_ERROR_RATIO and not self.has_clear_gap


def measure(curves: LearningCurves) -> Measures:
    """Return the numbers of finite curves."""
    val_loss_stderr, rise_stderr = curves.val_loss_sd / math.sqrt(curves.n_val), curves.val_loss_rise_stderr
    best = int(np.argmin(curves.val_loss))
    val_loss_best, val_loss_last = curves.val_loss[best], curves.val_loss[-1]
    return Measures(
        n_classes=curves.n_classes,
        n_epochs=len(curves.val_loss),
        best_epoch=best + 1,
        guessing_loss=math.log(curves.n_classes) if curves.n_classes else 1.0,
        train_loss_last=curves.train_loss[-1],
        train_error_last=curves.train_error[-1],
        val_loss_best=val_loss_best,
        val_loss_last=val_loss_last,
        val_loss_rise=val_loss_last - min(_smoothed(curves.val_loss)),
        val_loss_slope=_slope(curves.val_loss[-SLOPE_EPOCHS:]),
        val_error_best=min(curves.val_error),
        val_error_last=curves.val_error[-1],
        generalization_loss_percent=100 * (val_loss_last - val_loss_best) / max(val_loss_best, _SMALLEST_LOSS),
        error_ratio=curves.train_error[-1] / max(curves.val_error[-1], 1 / curves.n_val),
        gap_loss=val_loss_last - curves.train_loss[-1],
        gap_error=curves.val_error[-1] - curves.train_error[-1],
        val_loss_stderr=val_loss_stderr,
        val_loss_rise_stderr=val_loss_stderr if rise_stderr is None else rise_stderr,
        val_error_stderr=_error_stderr(curves, curves.val_error[-1], curves.n_val),
        train_error_stderr=_error_stderr(curves, curves.train_error[-1], curves.n_train),
    )


def _error_stderr(curves: LearningCurves, error: float, n_examples: int) -> float:
    """Of a share of wrong answers by its size; of a regression by the spread of its losses, which grows with them."""
    if curves.n_classes:
        return _share_stderr(error, n_examples)
    relative_sd = curves.val_loss_sd / max(min(curves.val_loss), _SMALLEST_LOSS)
    return relative_sd * error / math.sqrt(n_examples)


def _smoothed(curve: tuple[float, ...]) -> list[float]:
    """Centered means of three epochs, of two at the ends: one lucky epoch is not the level of a curve."""
    return [float(np.mean(curve[max(0, i - 1) : i + 2])) for i in range(len(curve))]


def _slope(curve: tuple[float, ...]) -> float:
    """Least-squares change an epoch; one epoch shows none."""
    return float(np.polyfit(range(len(curve)), curve, deg=1)[0]) if len(curve) > 1 else 0.0


def _share_stderr(share: float, n_examples: int) -> float:
    """Standard error of a share; one of 0 or 1 is as uncertain as if one example had decided otherwise."""
    inside = min(max(share, 1 / n_examples), 1 - 1 / n_examples)
    return math.sqrt(inside * (1 - inside) / n_examples)


def _finite(*values: float) -> list[float]:
    return [value for value in values if math.isfinite(value)]
