"""What the trials say of each configuration: its runs on the study's seeds, its mean, and the noise between seeds.

A trial is one training with one seed. A *declared repeat* is another trial of the same configuration with the next
seed of the study's list; two configurations are compared on the seeds that both have, because what a seed does to one
it does in part to the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from search_spaces import Point
from tuning.strategy.diagnosis import FitState
from tuning.strategy.history import Outcome, TrialRecord


@dataclass(frozen=True)
class Configuration:
    """One point of the space with its finished runs, in the order of their numbers; the first one found it."""

    runs: tuple[TrialRecord, ...]

    @property
    def first(self) -> TrialRecord:
        """The run that found the configuration: its fit speaks for all."""
        return self.runs[0]

    @property
    def number(self) -> int:
        """Number of the first run."""
        return self.first.number

    @property
    def point(self) -> Point:
        """Natural coordinates."""
        return self.first.point

    @property
    def base(self) -> int | None:
        """Number of the trial from which the configuration was an experiment."""
        return self.first.base

    @property
    def state(self) -> FitState | None:
        """Fit state of the first run."""
        return self.first.state

    @property
    def crossed_border(self) -> bool:
        """Whether the first run crossed the border."""
        return self.first.crossed_border

    @property
    def outcome(self) -> Outcome:
        """Complete if any run gave a value, else how the first one ended."""
        return Outcome.COMPLETE if self.has_value else self.runs[0].outcome

    @property
    def has_value(self) -> bool:
        """Whether any run gave a value."""
        if len(self.runs) == 1:  # nearly all of a long history
            return self.runs[0].outcome is Outcome.COMPLETE
        return any(run.outcome is Outcome.COMPLETE for run in self.runs)

    @property
    def first_complete(self) -> int:
        """Number of the first run that gave a value, whose weights stand for the configuration.

        Raises:
            ValueError: If none did.
        """
        return min(run.number for run in self.runs if run.outcome is Outcome.COMPLETE)

    @cached_property
    def losses(self) -> Mapping[int, float]:
        """Seed index to loss, complete runs only; the mean where a seed ran more than once."""
        by_seed: dict[int, list[float]] = {}
        for run in self.runs:
            if run.outcome is Outcome.COMPLETE:
                by_seed.setdefault(run.seed_index, []).append(run.loss)
        return {seed: math.fsum(losses) / len(losses) for seed, losses in by_seed.items()}

    @property
    def loss(self) -> float:
        """Mean loss over the seeds; infinite where there is none."""
        if len(self.runs) == 1:  # nearly all of a long history
            return self.first.loss
        return math.fsum(self.losses.values()) / len(self.losses) if self.losses else math.inf

    @cached_property
    def seeds(self) -> frozenset[int]:
        """Seeds that ran, whether they gave a value or not."""
        return frozenset(run.seed_index for run in self.runs)

    @cached_property
    def stderr(self) -> float | None:
        """Mean standard error of a run's value on the validation examples, where runs give one."""
        given = [run.stderr for run in self.runs if run.stderr is not None and run.loss < math.inf]
        return math.fsum(given) / len(given) if given else None


def configurations_of(trials: Iterable[TrialRecord]) -> tuple[Configuration, ...]:
    """Group finished trials by their points, in the order in which the points were found."""
    runs: dict[Point, list[TrialRecord]] = {}
    for trial in trials:
        runs.setdefault(trial.point, []).append(trial)
    return tuple(Configuration(tuple(each)) for each in runs.values())


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
    seeds = sorted({seed for each in repeated for seed in each.losses})
    rows = [(i, seeds.index(s), scale(loss)) for i, each in enumerate(repeated) for s, loss in each.losses.items()]
    effects = np.zeros(len(seeds))
    for _ in range(50):  # alternating means converge within a few rounds on such small tables
        levels = _means([(i, loss - effects[s]) for i, s, loss in rows], len(repeated))
        effects = _means([(s, loss - levels[i]) for i, s, loss in rows], len(seeds))
        effects -= effects[0]
    residuals = [loss - levels[i] - effects[s] for i, s, loss in rows]
    freedoms = len(rows) - len(repeated) - len(seeds) + 1
    by_seed = dict(zip(seeds, (float(effect) for effect in effects), strict=True))
    if freedoms <= 0:  # a lone repeated configuration: seeds and noise cannot be told apart
        spread = float(np.var(list(by_seed.values()), ddof=1))
        return Noise(spread, len(seeds) - 1, n_repeats=len(seeds) - 1)
    return Noise(float(np.square(residuals).sum()) / freedoms, freedoms, by_seed, len(rows) - len(repeated))


def _means(pairs: list[tuple[int, float]], n: int) -> NDArray[np.float64]:
    sums, counts = np.zeros(n), np.zeros(n)
    for at, value in pairs:
        sums[at] += value
        counts[at] += 1
    return sums / np.maximum(counts, 1)
