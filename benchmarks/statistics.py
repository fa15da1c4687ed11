"""What a table of regrets (tasks x repetitions, for each arm) says, with intervals and paired tests over tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]

_N_BOOTSTRAP = 10_000


@dataclass(frozen=True)
class Contrast:
    """One arm against another, paired on tasks; a negative difference means that the first has less regret."""

    difference: float
    low: float
    high: float
    wins: int
    ties: int
    losses: int
    p_value: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval does."""
        return self.high < 0 or self.low > 0


def contrast(ours: Sequence[Array], other: Sequence[Array], *, is_paired: bool = False) -> Contrast:
    """Compare two arms; one array of regrets for each task, of any number of repetitions.

    The interval (95 %) resamples tasks, and the repetitions within each. A task is won where the means differ by more
    than two standard errors. The p-value is Wilcoxon's signed-rank test on the tasks' mean differences.

    Args:
        ours: Regrets of the first arm.
        other: Regrets of the second one.
        is_paired: Whether repetitions of the same number belong together; those that only one arm has are left out.
    """
    if is_paired:
        pairs = [differences(a, b) for a, b in zip(ours, other, strict=True)]
        ours, other = pairs, [np.zeros_like(each) for each in pairs]
    rng = np.random.default_rng(0)
    means = np.array([a.mean() - b.mean() for a, b in zip(ours, other, strict=True)])
    errors = np.array([np.hypot(stderr(a), stderr(b)) for a, b in zip(ours, other, strict=True)])
    resampled = np.array([[_resampled(a, rng) - _resampled(b, rng)] for a, b in zip(ours, other, strict=True)])
    picks = rng.integers(len(means), size=(_N_BOOTSTRAP, len(means)))
    draws = rng.integers(resampled.shape[2], size=picks.shape)
    low, high = np.quantile(resampled[picks, 0, draws].mean(axis=1), [0.025, 0.975])
    p_value = 1.0 if np.allclose(means, 0) else float(stats.wilcoxon(means).pvalue)
    is_clear = np.abs(means) > 2 * errors
    wins, losses = int((is_clear & (means < 0)).sum()), int((is_clear & (means > 0)).sum())
    ties = len(means) - wins - losses
    return Contrast(float(means.mean()), float(low), float(high), wins, ties, losses, p_value)


def differences(ours: Array, other: Array) -> Array:
    """Of the repetitions that both have: the first ones."""
    n = min(len(ours), len(other))
    return ours[:n] - other[:n]


def holm(p_values: Mapping[int, float]) -> dict[int, float]:
    """Holm's correction of a family of tests, by key."""
    ordered = sorted(p_values, key=lambda key: p_values[key])
    corrected, largest = {}, 0.0
    for i, key in enumerate(ordered):
        largest = max(largest, min(1.0, p_values[key] * (len(ordered) - i)))
        corrected[key] = largest
    return corrected


def mean_ranks(tasks: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean rank of each arm over tasks, 1 for the least regret; equal regrets share their rank."""
    names = sorted(tasks[0])
    ranks = np.array([stats.rankdata([task[name] for name in names]) for task in tasks]).mean(axis=0)
    return dict(zip(names, ranks.tolist(), strict=True))


def stderr(values: Array) -> float:
    """Of the mean; 0 where there is one value only."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def _resampled(values: Array, rng: np.random.Generator) -> Array:
    """1,000 bootstrap means of one task."""
    picks = rng.integers(len(values), size=(1000, len(values)))
    return np.asarray(values[picks].mean(axis=1))
