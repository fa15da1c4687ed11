"""Does a quantity stay as it is while trials go by, or grow with them? A line through what was seen of it, judged.

Flat is what grows by less than a tenth of what it was, over all that was seen; also what grows by more on the line, if
the line may as well be level (its 95 % interval includes that). Linear is what a line explains to 99 %, and whose
second half is no steeper than its first by a quarter. The intervals take the points as independent; memory's are not,
so its intervals are too narrow, which makes the verdict the stricter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

MIN_POINTS = 6

_TENTH = 0.1
_EXPLAINED = 0.99
_STEEPER = 1.25


@dataclass(frozen=True)
class Growth:
    """A line through points, over the whole of their range; 95 % interval.

    Args:
        level: Of the line at the first point.
        growth: From the first point to the last one.
        low, high: The interval of `growth`.
        n_steps: From the first point to the last one.
        explained: Share of the variance that the line explains, 0 to 1.
        steeper: Slope of the second half of the points, in slopes of the first half.
    """

    level: float
    growth: float
    low: float
    high: float
    n_steps: float
    explained: float
    steeper: float

    @classmethod
    def of(cls, at: Sequence[float], values: Sequence[float]) -> Growth:
        """Fit it.

        Raises:
            ValueError: If there are fewer than `MIN_POINTS`, or all at the same place.
        """
        if len(at) < MIN_POINTS or min(at) == max(at):
            raise ValueError(f"a line takes {MIN_POINTS} points or more, at several places, got {len(at)}.")
        x, y = np.asarray(at, float), np.asarray(values, float)
        line, n_steps = stats.linregress(x, y), float(x.max() - x.min())
        is_constant = bool(np.ptp(y) == 0)  # then SciPy knows neither error nor correlation
        half = 0.0 if is_constant else float(stats.t.ppf(0.975, len(x) - 2) * line.stderr * n_steps)
        growth = float(line.slope * n_steps)
        first, second = x <= np.median(x), x >= np.median(x)
        slopes = [float(np.polyfit(x[part], y[part], 1)[0]) for part in (first, second)]
        steeper = slopes[1] / slopes[0] if slopes[0] > 0 else np.inf
        level = float(line.intercept + line.slope * x.min())
        return cls(
            level, growth, growth - half, growth + half, n_steps, 1.0 if is_constant else float(line.rvalue**2), steeper
        )


def flat(growth: Growth) -> bool:
    """Whether a quantity stays as it is."""
    return growth.growth < _TENTH * abs(growth.level) or growth.low <= 0


def linear(growth: Growth) -> bool:
    """Whether a quantity grows in proportion."""
    return growth.explained >= _EXPLAINED and growth.steeper <= _STEEPER


@dataclass(frozen=True)
class Quantity:
    """What was seen of something, and how it should behave."""

    name: str
    at: Sequence[float]
    values: Sequence[float]
    rule: Callable[[Growth], bool]

    @property
    def row(self) -> str:
        """Of the table."""
        found = Growth.of(self.at, self.values)
        per = 100 / found.n_steps
        slope = f"{per * found.growth:+.3g} ({per * found.low:+.3g} to {per * found.high:+.3g})"
        verdict = f"{'' if self.is_right else 'NOT '}{self.rule.__name__}"
        return f"{self.name} | {found.level:.4g} | {slope} | {found.explained:.3f} | {verdict}"

    @property
    def is_right(self) -> bool:
        """Whether it behaves so."""
        return self.rule(Growth.of(self.at, self.values))


def table(quantities: Sequence[Quantity]) -> str:
    """A row each."""
    head = "what | at first | growth in 100 trials (95 %) | explained | verdict"
    return "\n".join([f"| {head} |", "|---" * 5 + "|", *(f"| {each.row} |" for each in quantities)])
