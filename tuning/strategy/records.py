"""One trial, as the strategy sees it: its point, how it ended, the value to be minimised, its noise and its fit.

Nothing here knows where a trial comes from: `tuning/sampler.py` fills these records from an Optuna study, the tests
from scripted values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from search_spaces import Point
from tuning.strategy.diagnosis import FitState
from tuning.strategy.example_losses import ExampleLosses


class Outcome(StrEnum):
    """How a trial ended; seven ways to end without a result are seven different things."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    DIVERGED = "diverged"
    OUT_OF_MEMORY = "out_of_memory"
    INFEASIBLE = "infeasible"  # refused before it was built: more weights or memory than allowed
    TIMED_OUT = "timed_out"
    FAILED = "failed"
    KILLED = "killed"
    RUNNING = "running"

    @property
    def counts(self) -> bool:
        """Whether the trial used up budget: a killed trial is tried again and leaves no trace in the decisions."""
        return self is not Outcome.KILLED and self is not Outcome.RUNNING

    @property
    def is_too_large(self) -> bool:
        """Whether the network was more than memory, time or the user allow: no larger one can do better."""
        return self in (Outcome.OUT_OF_MEMORY, Outcome.INFEASIBLE, Outcome.TIMED_OUT)


@dataclass(frozen=True)
class TrialRecord:
    """One trial.

    Args:
        number: Optuna's trial number.
        point: Configuration in natural coordinates, on the grid.
        outcome: How the trial ended, or that it runs.
        value: Objective to be minimised; needed for `Outcome.COMPLETE`. Of a pruned trial what its curve would have
            reached, if known: it steers, but cannot win. Otherwise ignored.
        stderr: Standard error of `value` on the validation examples, if the objective gives one.
        examples: What the network lost on each of the validation examples, if that is known.
        state: Fit state by the diagnosis, if there is one.
        crossed_border: Whether the trial fits its training set perfectly or overfits.
        base: Number of the trial from which this one was an experiment, as the decision recorded it.
        seed_index: Which seed of the study's list the trial was trained with, >= 0.
        secs: Duration of the trial, if known.

    Raises:
        ValueError: If a complete trial has no finite value, a standard error is negative or not finite, or the seed
            index is negative.
    """

    number: int
    point: Point
    outcome: Outcome = Outcome.COMPLETE
    value: float | None = None
    stderr: float | None = None
    examples: ExampleLosses | None = None
    state: FitState | None = None
    crossed_border: bool = False
    base: int | None = None
    seed_index: int = 0
    secs: float | None = None

    def __post_init__(self) -> None:
        if self.outcome is Outcome.COMPLETE and (self.value is None or not math.isfinite(self.value)):
            raise ValueError(f"A complete trial needs a finite value, got {self.value} for trial {self.number}.")
        if self.stderr is not None and not 0 <= self.stderr < math.inf:
            raise ValueError(f"`stderr` must be >= 0 and finite, got {self.stderr} for trial {self.number}.")
        if self.seed_index < 0:
            raise ValueError(f"`seed_index` must be >= 0, got {self.seed_index} for trial {self.number}.")

    @property
    def loss(self) -> float:
        """The value to be minimised, for a pruned trial the expected one; infinite where the trial gave none."""
        has_loss = self.outcome in (Outcome.COMPLETE, Outcome.PRUNED)
        return self.value if has_loss and self.value is not None else math.inf
