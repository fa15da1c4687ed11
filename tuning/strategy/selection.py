"""Which configuration is shipped: the one with the lowest expected loss, not the one with the luckiest runs.

The start was chosen before any value was seen, so its mean says what it is worth. Every other configuration is one of
many, and the best of many owes a part of its lead to luck. So its mean is drawn towards the middle of all that were
tried: the further, the fewer its runs are and the more of the spread between configurations is luck. Where what was
tried is worse than the start on the whole, only a clear lead survives this, and the start is shipped otherwise
("overtuning", Schneider et al. 2025); where moves help on the whole, so does the best of them.

Source: Efron and Morris 1975, "Data Analysis Using Stein's Estimator and its Generalizations" (the posterior mean in a
normal population whose variance is estimated).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tuning.strategy.configuration import Configuration
from tuning.strategy.evidence import noise_of, scale_of
from tuning.strategy.racing import Race
from tuning.strategy.reaction import PAIRED_VARIANCE_RATIO

# Until repeats say more: half of the spread is luck, which weighs as much as two degrees of freedom; a standard error
# on the validation examples, where runs give one, as much as four. Rules of thumb.
_ASSUMED_SHARE, _ASSUMED_FREEDOMS, _FREEDOMS_OF_STDERR = 0.5, 2, 4

_FEWEST = 3  # with fewer configurations there is no population


@dataclass(frozen=True)
class Leader:
    """The configuration to ship, and why."""

    configuration: Configuration
    why: str


@dataclass(frozen=True)
class Population:
    """What was tried beside the start, as draws from one normal distribution.

    Args:
        middle: Median of their first runs; nothing was chosen by these.
        variance: Between configurations, beyond luck; >= 0.
        noise: Variance of one run's luck, >= 0.
    """

    middle: float
    variance: float
    noise: float

    def expected(self, mean: float, n_runs: int) -> float:
        """The loss to be expected of a configuration with this mean over so many runs."""
        share = self.variance / (self.variance + self.noise / n_runs) if self.variance else 0.0
        return self.middle + share * (mean - self.middle)


def best_expected(found: Sequence[Configuration], race: Race, n_confirm_seeds: int | None = None) -> Leader | None:
    """The configuration with the lowest expected loss; None if none gave a value.

    Args:
        found: All configurations in the order in which they were found, the start first.
        race: How two configurations are compared, for the words.
        n_confirm_seeds: Runs of what a confirmation has confirmed, which nothing else is preferred to; None where there
            is no confirmation.
    """
    valued = [each for each in found if each.has_value]
    if len(valued) < _FEWEST:
        lowest = min(valued, key=lambda each: each.loss, default=None)
        return None if lowest is None else Leader(lowest, "the lowest loss so far")
    start = found[0] if found[0].has_value else None
    others = [each for each in valued if each is not start]
    seen = _Seen.of(valued)
    population = _population(others, seen)

    def expected(each: Configuration) -> tuple[float, float]:
        """And of equals, where luck explains the whole spread, the surest to be below the middle."""
        mean, n_runs = seen.mean(each), len(each.losses)
        return population.expected(mean, n_runs), n_runs * (mean - population.middle)

    confirmed = [each for each in others if n_confirm_seeds and len(each.losses) >= n_confirm_seeds]
    best = min(confirmed or others, key=expected)
    if start is None:
        return Leader(best, f"the best of {len(valued)} after taking off what luck explains")
    before, after = seen.mean(start) - seen.mean(best), seen.mean(start) - expected(best)[0]
    if not after > 0:
        return Leader(start, _why_start(before, len(others)))
    return Leader(best, _why_best(race.measure(start, best).z, before, after, len(valued)))


def _why_start(lead: float, n_others: int) -> str:
    if lead <= 0:
        return "the start: nothing that was tried has a better mean"
    return f"the start: the lead of the best of {n_others} others over it is no more than what luck explains"


def _why_best(z: float, before: float, after: float, n: int) -> str:
    beyond = f"{'' if z >= 1 else 'not '}beyond the noise (z = {z:+.2f})"
    left = f"{100 * min(after / before, 1.0):.0f} % of its lead over the start is left" if before > 0 else "by little"
    return f"the best of {n} after taking off what luck explains: {left}, {beyond}"


@dataclass(frozen=True)
class _Seen:
    """Losses as they are compared: scaled, without what a seed does to every configuration."""

    scale: Callable[[float], float]
    seed_effects: dict[int, float]
    run_variance: float
    n_freedoms: int

    @classmethod
    def of(cls, valued: Sequence[Configuration]) -> _Seen:
        scale = scale_of(valued)
        noise = noise_of(valued, scale)
        return cls(scale, noise.shrunk_seed_effects, noise.variance, noise.n_freedoms)

    def losses(self, each: Configuration) -> list[float]:
        return [self.scale(loss) - self.seed_effects.get(seed, 0.0) for seed, loss in each.losses.items()]

    def mean(self, each: Configuration) -> float:
        return statistics.fmean(self.losses(each))

    def stderr_variance(self, each: Configuration) -> float | None:
        if each.stderr is None:
            return None
        relative = each.stderr / (each.loss if self.scale is math.log else 1.0)
        return relative * relative


def _population(others: Sequence[Configuration], seen: _Seen) -> Population:
    """Middle and spread of the first runs; the half that is worse says nothing: a hopeless run may be anywhere."""
    firsts = np.array([seen.losses(each)[0] for each in others])
    middle = float(np.median(firsts))
    with np.errstate(over="ignore"):  # losses may be as large as floats go
        spread = float(np.mean(np.square(firsts[firsts <= middle] - middle)))
    given = [variance for each in others if (variance := seen.stderr_variance(each)) is not None]
    if given:
        assumed, weight = PAIRED_VARIANCE_RATIO * statistics.median(given), _FREEDOMS_OF_STDERR
    else:
        assumed, weight = _ASSUMED_SHARE * spread, _ASSUMED_FREEDOMS
    noise = (weight * assumed + seen.n_freedoms * seen.run_variance) / (weight + seen.n_freedoms)
    return Population(middle, max(0.0, spread - noise), noise)
