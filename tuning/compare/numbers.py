"""What the studies of a comparison say together: means with intervals over repeats, and differences in pairs. Pure.

A repeat has the same split and seeds under every engine, so two engines are compared in pairs. Intervals are Student's,
95 %, beside a test that asks for no normal distribution; both need two repeats.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tuning.compare.record import Moment, Scores, StudyRecord

Array = NDArray[np.float64]

_SAME = 1e-12  # differences that differ by less are one
_CONFIDENCE = 0.95
_N_FLIPS = 2**16


@dataclass(frozen=True)
class Mean:
    """A mean over repeats.

    Args:
        value: The mean.
        half: Half the width of its 95 % interval; NaN for a single repeat.
        n: Repeats.
    """

    value: float
    half: float
    n: int

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval does."""
        return math.isfinite(self.half) and abs(self.value) > self.half

    def times(self, factor: float) -> Mean:
        """In another unit, > 0."""
        return Mean(factor * self.value, factor * self.half, self.n)

    def text(self, decimals: int, *, signed: bool = False) -> str:
        """The mean and its interval; a star where a difference's excludes zero."""
        sign, star = ("+", "*" if self.excludes_zero else "") if signed else ("", "")
        half = f" ± {self.half:.{decimals}f}" if math.isfinite(self.half) else ""
        return f"{self.value:{sign}.{decimals}f}{half}{star}"


def mean_of(values: Sequence[float]) -> Mean:
    """Mean and Student's interval of one value a repeat; at least one."""
    found, n = np.asarray(values, np.float64), len(values)
    if n < 2:
        return Mean(float(found.mean()), math.nan, n)
    stderr = float(found.std(ddof=1)) / math.sqrt(n)
    return Mean(float(found.mean()), float(stats.t.ppf((1 + _CONFIDENCE) / 2, n - 1)) * stderr, n)


@dataclass(frozen=True)
class Difference:
    """The reference minus another engine, in pairs: negative where the reference is better.

    Args:
        loss: Of the test losses.
        error: Of the test errors, fractions.
        loss_p, error_p: Of the sign-flip test of the same differences; NaN for a single repeat.
        n_better, n_equal, n_worse: Repeats in which the reference's test error is lower, the same, higher.
    """

    loss: Mean
    error: Mean
    loss_p: float
    error_p: float
    n_better: int
    n_equal: int
    n_worse: int


def difference(reference: Sequence[StudyRecord], other: Sequence[StudyRecord]) -> Difference | None:
    """Compare two engines on the repeats that both have; None where there is none."""
    by_repeat = {record.repeat: record for record in other}
    pairs = [(record, by_repeat[record.repeat]) for record in reference if record.repeat in by_repeat]
    if not pairs:
        return None
    losses = np.array([test_of(a).loss - test_of(b).loss for a, b in pairs])
    errors = np.array([test_of(a).error - test_of(b).error for a, b in pairs])
    better, worse = int((errors < -_SAME).sum()), int((errors > _SAME).sum())
    return Difference(
        mean_of(losses.tolist()),
        mean_of(errors.tolist()),
        sign_flip_p(losses),
        sign_flip_p(errors),
        better,
        len(pairs) - better - worse,
        worse,
    )


def sign_flip_p(differences: Array) -> float:
    """Could paired differences be as far from zero by chance? Two-sided; assumes no normal distribution.

    If the engines were alike, each difference could as well have had the other sign: p is the share of all ways to flip
    signs whose sum is at least as far from zero; beyond 16 repeats, of 65,536 ways drawn at random.

    Args:
        differences: One a repeat.

    Returns:
        The p-value; NaN for a single repeat, which nothing can be said of.

    Source: Fisher 1935, "The Design of Experiments", section 21; Phipson and Smyth 2010 for ways that are drawn.
    """
    if len(differences) < 2:
        return math.nan
    whole = np.round(differences / _SAME)  # sums of whole numbers are exact, so that ties are ties
    flipped = stats.permutation_test((whole,), np.sum, permutation_type="samples", n_resamples=_N_FLIPS, rng=0)
    return float(flipped.pvalue)


def test_of(record: StudyRecord) -> Scores:
    """The shipped model on the test set."""
    return record.test[record.shipped]


def by_engine(records: Sequence[StudyRecord]) -> dict[str, list[StudyRecord]]:
    """The records of each engine, in the order in which they come."""
    found: dict[str, list[StudyRecord]] = {}
    for record in records:
        found.setdefault(record.sampler, []).append(record)
    return found


@dataclass(frozen=True, eq=False)
class Course:
    """One engine over its budget: the mean over repeats of what it would have shipped, and its interval.

    Args:
        x: Trials or seconds, ascending.
        mean: At each of them; NaN as long as some repeat has no model.
        half: Half the width of the interval; NaN for a single repeat.
    """

    x: Array
    mean: Array
    half: Array


AXES: Mapping[str, Callable[[Moment], float]] = {
    "trials": lambda moment: moment.n_trials,
    "seconds": lambda moment: moment.secs,
}


def course(
    records: Sequence[StudyRecord], axis: str, score: Callable[[StudyRecord, int], float], n: int = 200
) -> Course:
    """An engine over trials or seconds.

    Args:
        records: Its studies, at least one.
        axis: A key of `AXES`.
        score: Of a study's trial.
        n: Points on the axis of seconds.
    """
    place = AXES[axis]
    end = max(place(record.moments[-1]) for record in records)
    x = np.arange(1, math.floor(end) + 1, dtype=np.float64) if axis == "trials" else np.linspace(0, end, n)
    rows = np.array([_steps(record, place, score, x) for record in records])
    means = [mean_of(column.tolist()) for column in rows.T]
    return Course(x, np.array([mean.value for mean in means]), np.array([mean.half for mean in means]))


def _steps(
    record: StudyRecord, place: Callable[[Moment], float], score: Callable[[StudyRecord, int], float], x: Array
) -> Array:
    """What the study would have shipped at each place; what it ships holds on after its end."""
    places = [place(moment) for moment in record.moments]
    values = [math.nan if each.shipped is None else score(record, each.shipped) for each in record.moments]
    positions = np.searchsorted(places, x + 1e-9, side="right") - 1
    return np.array([values[i] if i >= 0 else math.nan for i in positions])
