"""How noisy the trials are: what two runs of one configuration differ by, estimated from the repeats."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tuning.strategy.configuration import Configuration


@dataclass(frozen=True)
class Noise:
    """How much two runs of one configuration differ beyond what their seeds do to every configuration.

    Args:
        variance: Of one run's loss around configuration + seed, estimated from repeats.
        n_freedoms: Degrees of freedom behind it; 0 where nothing was repeated.
        seed_effects: What each seed adds to every configuration, where repeats show it.
        n_repeats: Runs beyond the first of their configuration.
    """

    variance: float = 0.0
    n_freedoms: int = 0
    seed_effects: Mapping[int, float] = field(default_factory=dict)
    n_repeats: int = 0

    @property
    def is_deterministic(self) -> bool:
        """Whether every repeat, two at least, gave the very same value: on such an objective they are wasted."""
        return self.n_repeats > 1 and self.variance == 0.0 and not any(self.seed_effects.values())

    @property
    def shrunk_seed_effects(self) -> dict[int, float]:
        """What each seed adds to all, shrunk: a few pairs tell it only roughly."""
        share = self.n_freedoms / (self.n_freedoms + 2)
        return {seed: share * effect for seed, effect in self.seed_effects.items()}


def scale_of(configurations: Iterable[Configuration]) -> Callable[[float], float]:
    """How losses are compared: by their logarithm where all are positive, since their luck and gains multiply there."""
    return math.log if all(loss > 0 for each in configurations for loss in each.losses.values()) else float


def noise_of(configurations: Iterable[Configuration], scale: Callable[[float], float] = float) -> Noise:
    """Two-way least squares, configuration + seed, on the configurations that ran with two seeds or more.

    Of `scale(loss)`: a logarithm, say, where luck multiplies rather than adds.
    """
    repeated = [each for each in configurations if len(each.runs) > 1 and len(each.losses) > 1]
    if not repeated:
        return Noise()
    with np.errstate(over="ignore", invalid="ignore"):  # losses may be as large as floats go
        noise = _least_squares(repeated, scale)
    return noise if math.isfinite(noise.variance) else Noise()


def _least_squares(repeated: list[Configuration], scale: Callable[[float], float]) -> Noise:
    seeds = {seed: s for s, seed in enumerate(sorted({seed for each in repeated for seed in each.losses}))}
    rows = [(i, seeds[seed], scale(loss)) for i, each in enumerate(repeated) for seed, loss in each.losses.items()]
    at, of_seed, losses = (np.array(column) for column in zip(*rows, strict=True))
    effects = np.zeros(len(seeds))
    for _ in range(50):  # alternating means converge within a few rounds on such small tables
        levels = _means(at, losses - effects[of_seed], len(repeated))
        effects = _means(of_seed, losses - levels[at], len(seeds))
        effects -= effects[0]
    residuals = losses - levels[at] - effects[of_seed]
    freedoms = len(rows) - len(repeated) - len(seeds) + 1
    by_seed = dict(zip(seeds, (float(effect) for effect in effects), strict=True))
    if freedoms <= 0:  # a lone repeated configuration: seeds and noise cannot be told apart
        spread = float(np.var(list(by_seed.values()), ddof=1))
        return Noise(spread, len(seeds) - 1, n_repeats=len(seeds) - 1)
    return Noise(float(np.square(residuals).sum()) / freedoms, freedoms, by_seed, len(rows) - len(repeated))


def _means(at: NDArray[np.int64], values: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """The mean of the values at each of `n` places."""
    return np.bincount(at, values, n) / np.maximum(np.bincount(at, minlength=n), 1)
