"""A configuration with its runs, and trials grouped into configurations.

A trial is one training with one seed. A *declared repeat* is another trial of the same configuration with the next
seed of the study's list; two configurations are compared on the seeds that both have, because what a seed does to one
it does in part to the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from search_spaces import Point
from tuning.strategy.diagnosis import FitState
from tuning.strategy.example_losses import ExampleLosses
from tuning.strategy.records import Outcome, TrialRecord


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

    @cached_property
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

    @cached_property
    def outcome(self) -> Outcome:
        """Complete if any run gave a value, else how the first one ended."""
        return Outcome.COMPLETE if self.has_value else self.runs[0].outcome

    @cached_property
    def has_value(self) -> bool:
        """Whether any run gave a value."""
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

    @cached_property
    def loss(self) -> float:
        """Mean loss over the seeds; infinite where there is none."""
        if len(self.runs) == 1:  # the expected one of a pruned run, too, which is no loss of a seed
            return self.first.loss
        return math.fsum(self.losses.values()) / len(self.losses) if self.losses else math.inf

    @cached_property
    def examples(self) -> Mapping[int, ExampleLosses]:
        """Seed index to the losses on the validation examples, of the first complete run that has them."""
        known = [run for run in self.runs if run.outcome is Outcome.COMPLETE and run.examples is not None]
        return {run.seed_index: run.examples for run in reversed(known) if run.examples is not None}

    @cached_property
    def seeds(self) -> frozenset[int]:
        """Seeds that ran, whether they gave a value or not."""
        return frozenset(run.seed_index for run in self.runs)

    @cached_property
    def stderr(self) -> float | None:
        """Mean standard error of a run's value on the validation examples, where runs give one."""
        given = [run.stderr for run in self.runs if run.stderr is not None and run.loss < math.inf]
        return math.fsum(given) / len(given) if given else None


@dataclass(frozen=True)
class Groups:
    """Trials grouped into configurations.

    Args:
        trials: All of them, in order, running ones too.
        finished: Those that used up budget.
        by_point: Point to configuration, in the order in which the points were found.
    """

    trials: tuple[TrialRecord, ...] = ()
    finished: tuple[TrialRecord, ...] = ()
    by_point: Mapping[Point, Configuration] = field(default_factory=dict)

    def extended(self, trials: Sequence[TrialRecord]) -> Groups:
        """These and the trials after them. What was grouped is shared, so the work is that of the new ones."""
        finished = tuple(trial for trial in trials if trial.outcome.counts)
        by_point = dict(self.by_point)
        for trial in finished:
            known = by_point.get(trial.point)
            by_point[trial.point] = Configuration((*known.runs, trial) if known else (trial,))
        return Groups((*self.trials, *trials), (*self.finished, *finished), by_point)

    @cached_property
    def configurations(self) -> tuple[Configuration, ...]:
        """In the order in which the points were found."""
        return tuple(self.by_point.values())


def configurations_of(trials: Iterable[TrialRecord]) -> tuple[Configuration, ...]:
    """Group finished trials by their points, in the order in which the points were found."""
    return Groups().extended(tuple(trials)).configurations
