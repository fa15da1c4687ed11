"""Can a learning curve still catch up with the incumbent's? Pure; tested on scripted curves.

Learning curves fall by less and less with every doubling of the epochs (a power law a + b * t^-c is convex in log t),
so the straight line through the last epochs over *log* epochs is more than a curve will do. A curve cannot catch up if
even the lower end of that line's prediction interval at the last epoch misses what the incumbent reached by more than
the noise between two networks. That is a rejection only: whatever wins has been trained to the end.

Not every model learns so: with batch normalization in short epochs the validation curve may lie flat for many epochs
and fall then. Such a curve belies the line, and the incumbent's own one shows it: at an epoch at which the rule would
have cut the incumbent, nothing is cut.

    verdict = judge([1.0, 0.8, 0.75, 0.73, 0.72], Incumbent((0.9, 0.5, 0.4), 0.4), max_epochs=30)
    verdict.can_catch_up   # False
    verdict.reason         # 'at epoch 5 of 30 its best is 0.72, the incumbent's at that epoch was 0.4; ...'

Source: the 95 % prediction interval of simple linear regression (Student's t). What the rule saves, and that it cut no
winner of the recorded studies, is measured by `benchmarks/cutting.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from tuning.strategy.reaction import PAIRED_VARIANCE_RATIO

MIN_EPOCHS = 5
_LINE_SHARE = 0.6  # of the curve that the line is fitted to: the first epochs are another regime
_CONFIDENCE = 0.95  # of the prediction interval, two-sided

# A full training that misses by so many standard errors of the difference is a strong loss (`reaction.py`), and so is
# a trial that was cut: cutting tells the strategy nothing else than training to the end would have.
_STRONG_LOSS_Z = 2.0


@dataclass(frozen=True)
class Incumbent:
    """What has to be beaten, to be minimised.

    Args:
        values: Its learning curve, one value an epoch; may be empty.
        value: What it reached.
        stderr: Standard error of `value` on the validation examples, >= 0; 0 if unknown.

    Raises:
        ValueError: If the standard error is negative or not a number.
    """

    values: tuple[float, ...]
    value: float
    stderr: float = 0.0

    def __post_init__(self) -> None:
        if not self.stderr >= 0:
            raise ValueError(f"`stderr` must be >= 0, got {self.stderr}.")

    @property
    def target(self) -> float:
        """What a curve has to reach to be as good within the noise: no strong loss."""
        return self.value + _STRONG_LOSS_Z * math.sqrt(2 * PAIRED_VARIANCE_RATIO) * self.stderr

    def would_be_cut(self, epoch: int, max_epochs: int) -> bool:
        """Whether what it reached in the end was out of its own curve's reach at that epoch (1-based)."""
        values = np.asarray(self.values[:epoch], float)
        if len(values) < MIN_EPOCHS or not np.isfinite(values).all():
            return False
        expected, margin = forecast(values, max_epochs)
        return expected - margin > self.target

    def best_until(self, epoch: int) -> float:
        """Its lowest value in its first epochs (1-based, inclusive)."""
        return min(self.values[:epoch], default=self.value)


@dataclass(frozen=True)
class Verdict:
    """Whether a curve can still catch up, and the numbers that say so.

    Args:
        epoch: The epoch after which it was judged, 1-based.
        max_epochs: The last epoch it could reach.
        best: Its lowest value so far.
        expected: What it would have reached by `max_epochs` on the line alone: an estimate of its value.
        could_reach: The lowest value it could reach by `max_epochs`.
        target: What it has to reach.
        incumbent_best: The incumbent's lowest value until the same epoch.
        maximize: Whether the objective is maximized, so that all these are its negative.
    """

    epoch: int
    max_epochs: int
    best: float
    expected: float
    could_reach: float
    target: float
    incumbent_best: float
    maximize: bool = False

    @property
    def can_catch_up(self) -> bool:
        """Whether training on may pay."""
        return self.could_reach <= self.target

    @property
    def expected_value(self) -> float:
        """What the trial would have reached, in the objective's own terms."""
        return -self.expected if self.maximize else self.expected

    @property
    def reason(self) -> str:
        """The verdict in one sentence, in the objective's own terms."""
        losses = (self.best, self.incumbent_best, self.could_reach, self.target)
        best, incumbent, reach, target = (f"{-loss if self.maximize else loss:.4g}" for loss in losses)
        until = f"at epoch {self.epoch} of {self.max_epochs} its best is {best}, the incumbent's until then {incumbent}"
        can = "can" if self.can_catch_up else "cannot"
        return f"{can} catch up: {until}; it could reach {reach} at best and needs {target}"


def judge(values: Sequence[float], incumbent: Incumbent, max_epochs: int, *, maximize: bool = False) -> Verdict | None:
    """Judge a curve after its last epoch so far; None where it is too early or too late for a verdict, or the incumbent
    would have been cut at the same epoch.

    Args:
        values: To be minimised, one an epoch. A curve that is not finite has no verdict: that is the stop rule's case.
        incumbent: What has to be beaten.
        max_epochs: The last epoch the curve could reach.
        maximize: Whether the objective is maximized and its values come here negated; only `reason` shows it.
    """
    n_epochs = len(values)
    if not MIN_EPOCHS <= n_epochs < max_epochs or not np.isfinite(values).all():
        return None
    if incumbent.would_be_cut(n_epochs, max_epochs):
        return None
    expected, margin = forecast(np.asarray(values, float), max_epochs)
    return Verdict(
        epoch=n_epochs,
        max_epochs=max_epochs,
        best=min(values),
        expected=expected,
        could_reach=expected - margin,
        target=incumbent.target,
        incumbent_best=incumbent.best_until(n_epochs),
        maximize=maximize,
    )


def forecast(values: NDArray[np.float64], max_epochs: int) -> tuple[float, float]:
    """What a curve of at least five finite epochs would reach by `max_epochs`, and how much lower it could get.

    The first is the line through the curve's last epochs over log epochs, at the last one, and no higher than what
    the curve has reached already; the second half the width of the prediction interval there.
    """
    n_epochs = len(values)
    first = math.ceil((1 - _LINE_SHARE) * n_epochs) - 1
    x, y = np.log(np.arange(first + 1, n_epochs + 1)), values[first:]
    offsets = x - x.mean()
    spread = float(offsets @ offsets)
    slope = float(offsets @ y) / spread
    residuals = y - y.mean() - slope * offsets
    sd = max(math.sqrt(float(residuals @ residuals) / (len(y) - 2)), jitter(values))
    ahead = math.log(max_epochs) - float(x.mean())
    on_line = float(y.mean()) + min(slope, 0.0) * ahead
    quantile = float(stdtrit(len(y) - 2, (1 + _CONFIDENCE) / 2))  # Student's: a few points know their spread badly
    width = quantile * sd * math.sqrt(1 + 1 / len(y) + ahead**2 / spread)
    return min(on_line, float(values.min())), width


def jitter(values: NDArray[np.float64]) -> float:
    """Standard deviation of a curve around its smooth course, from its second differences.

    Of independent noise those have six times its variance. The first epoch, which falls steeply, is left out.
    """
    bends = np.diff(values[1:], n=2)
    return math.sqrt(float(bends @ bends) / len(bends) / 6)
