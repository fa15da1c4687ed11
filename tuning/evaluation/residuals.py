"""Why a regression's error is what it is: shifted, wrongly spread, a few far off, or plain scatter.

    report = residual_report(test_values, test_targets, deviation, seed=0)
    report.sentence   # 'nothing wrong: 97 % of the squared error is scatter ...'

The mean squared error splits into three parts: the shift of the mean; what a straight line through true over predicted
values would still gain; and scatter, which no rescaling takes away (Murphy 1988, Mon. Weather Rev. 116:2417).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuning.evaluation.comparison import bootstrap_mean_interval
from tuning.evaluation.metrics import Interval
from tuning.evaluation.values import squared_errors

_MUCH = 0.1  # share of the squared error that a repairable part must have to be named
_LARGEST = 0.05  # share of the examples that are called the largest errors
_OUTLYING = 0.5  # share of the squared error that they must hold to be named


class ResidualCause(StrEnum):
    """What the error of a regression is due to."""

    SCATTER = "scatter"
    SHIFT = "shifted"
    SPREAD = "wrong_spread"
    FEW = "few_large_errors"
    USELESS = "worse_than_the_mean"


@dataclass(frozen=True, slots=True)
class ResidualReport:
    """The squared error of one model on one set of examples, and what it is made of.

    Attributes:
        n_examples: Examples behind every number.
        loss: Mean squared error in variances of the training targets.
        loss_interval: Its 95 % interval, bootstrap.
        shift_share: Share of the squared error that is a shift of all values, a fraction.
        spread_share: Share that a straight line would take away, a fraction.
        scatter_share: The rest, a fraction.
        slope: True change for a predicted change of 1: below 1 the values are too far apart. Mean over the numbers.
        largest_share: Share of the squared error in the 5 % largest errors, a fraction.
        cause: What the error is due to.
        sentence: The cause with its evidence, without a full stop.
    """

    n_examples: int
    loss: float
    loss_interval: Interval
    shift_share: float
    spread_share: float
    scatter_share: float
    slope: float
    largest_share: float
    cause: ResidualCause
    sentence: str

    def as_dict(self) -> dict[str, float]:
        """Return the numbers flat, under names that JSON and MLflow accept; the words are in `sentence`."""
        names = ("shift_share", "spread_share", "scatter_share", "slope", "largest_share")
        limits = {"loss_low": self.loss_interval.low, "loss_high": self.loss_interval.high}
        return {**limits, **{f"residual_{name}": getattr(self, name) for name in names}}


def residual_report(values: ArrayLike, targets: ArrayLike, deviation: ArrayLike, *, seed: int) -> ResidualReport:
    """Return why a model's squared error is what it is.

    Args:
        values: Predicted, shape (examples,) or (examples, numbers).
        targets: True, same shape.
        deviation: Standard deviation of each training target, shape (numbers,).
        seed: Of the bootstrap, at least 0.

    Raises:
        ValueError: If the arrays do not belong together or are not finite.
    """
    losses = squared_errors(values, targets, deviation)
    predicted, true = (_standardized(each, deviation) for each in (values, targets))
    shift, spread, slope = _parts(predicted, true)
    mse = max(float(losses.mean()), np.finfo(np.float64).tiny)
    n_largest = max(1, round(_LARGEST * len(losses)))
    largest = float(np.sort(losses)[-n_largest:].sum() / (mse * len(losses)))
    numbers = (shift / mse, spread / mse, largest)
    cause = _cause(*numbers, is_useless=bool(mse > true.var(axis=0).mean()))
    return ResidualReport(
        n_examples=len(losses),
        loss=float(losses.mean()),
        loss_interval=bootstrap_mean_interval(losses, seed),
        shift_share=numbers[0],
        spread_share=numbers[1],
        scatter_share=max(0.0, 1 - numbers[0] - numbers[1]),
        slope=slope,
        largest_share=largest,
        cause=cause,
        sentence=_sentence(cause, numbers, slope, float((predicted - true).mean())),
    )


def _standardized(values: ArrayLike, deviation: ArrayLike) -> NDArray[np.float64]:
    columns = np.asarray(values, np.float64)
    return columns.reshape(len(columns), -1) / np.asarray(deviation, np.float64)


def _parts(predicted: NDArray[np.float64], true: NDArray[np.float64]) -> tuple[float, float, float]:
    """Squared error of shift and of spread, means over the numbers, and the mean slope of true over predicted."""
    shift = np.square((predicted - true).mean(axis=0))
    centered, aim = predicted - predicted.mean(axis=0), true - true.mean(axis=0)
    variance = np.square(centered).mean(axis=0)
    slope = (centered * aim).mean(axis=0) / np.maximum(variance, np.finfo(np.float64).tiny)
    return float(shift.mean()), float((np.square(1 - slope) * variance).mean()), float(slope.mean())


def _cause(shift: float, spread: float, largest: float, *, is_useless: bool) -> ResidualCause:
    in_order = (
        (max(shift, spread) > _MUCH and shift >= spread, ResidualCause.SHIFT),
        (spread > _MUCH, ResidualCause.SPREAD),
        (is_useless, ResidualCause.USELESS),
        (largest > _OUTLYING, ResidualCause.FEW),
    )
    return next((cause for holds, cause in in_order if holds), ResidualCause.SCATTER)


def _sentence(cause: ResidualCause, numbers: tuple[float, float, float], slope: float, shift: float) -> str:
    shift_share, spread_share, largest = (f"{100 * each:.0f} %" for each in numbers)
    parts = (
        f"of the squared error {shift_share} is a shift, {spread_share} a wrong spread, the rest scatter; "
        f"the largest 5 % of the errors hold {largest} of it"
    )
    match cause:
        case ResidualCause.SHIFT:
            way = "high" if shift > 0 else "low"
            return f"shifted: the values are {abs(shift):.2g} standard deviations too {way} on average; {parts}"
        case ResidualCause.SPREAD:
            way = "far apart" if slope < 1 else "close together"
            return f"wrong spread: the values are too {way}, a predicted 1 is a true {slope:.2g}; {parts}"
        case ResidualCause.USELESS:
            return f"worse than the mean: always giving the mean of these targets would be better; {parts}"
        case ResidualCause.FEW:
            return f"a few large errors: {parts}"
        case ResidualCause.SCATTER:
            return f"nothing wrong: {parts}"
