"""What one study of a comparison gave, as plain data: which model it would have shipped after each of its trials.

Kept as `comparison.json` in the study's folder once the study's test set was opened: a study that has it is not run
again, and its test set stays closed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from tuning.compare.sampler import cost_of, is_confirmation
from tuning.result import write_json
from tuning.strategy.records import Outcome
from tuning.task import Task
from tuning.trial_attrs import outcome_of

RECORD_FILE = "comparison.json"

Rank = Callable[[Sequence[FrozenTrial]], int | None]
"""Which trial would be shipped after these; None if none gave a value."""


@dataclass(frozen=True)
class Moment:
    """After one trial of a study.

    Args:
        n_trials: Trials used so far.
        secs: Seconds used so far.
        shipped: Number of the trial that would be shipped now; None as long as none gave a value.
    """

    n_trials: float
    secs: float
    shipped: int | None


@dataclass(frozen=True)
class Scores:
    """Loss, in the unit of the task, and error, a fraction, of one trial's model."""

    loss: float
    error: float


@dataclass(frozen=True)
class StudyRecord:
    """One study.

    Args:
        sampler: Name of the engine.
        repeat: From 0.
        seed: Of split, weights and sampler.
        stop_reason: Why it stopped.
        moments: After each trial that counts, in their order.
        shipped: Number of the trial whose model is shipped in the end.
        params: Its configuration.
        validation: Scores on the validation set by the number of the trial, of all that were ever to be shipped.
        test: The same on the test set, which was opened once.
        n_confirm: Trials that confirmed.
        task: What the labels mean.
    """

    sampler: str
    repeat: int
    seed: int
    stop_reason: str
    moments: tuple[Moment, ...]
    shipped: int
    params: Mapping[str, Any]
    validation: Mapping[int, Scores]
    test: Mapping[int, Scores] = field(default_factory=dict)
    n_confirm: int = 0
    task: str = "multiclass"

    @property
    def n_trials(self) -> float:
        """Trials used."""
        return self.moments[-1].n_trials

    @property
    def secs(self) -> float:
        """Seconds used."""
        return self.moments[-1].secs

    @property
    def result(self) -> str:
        """The shipped model on the test set, in words."""
        scores = self.test[self.shipped]
        is_regression = Task(self.task) is Task.REGRESSION
        error = f"R2 {1 - scores.error:.4f}" if is_regression else f"error {100 * scores.error:.2f} %"
        return f"test loss {scores.loss:.4f}, {error}"

    def write(self, folder: Path) -> None:
        """Keep it in a study's folder."""
        write_json(folder / RECORD_FILE, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> StudyRecord | None:
        """The record in a study's folder; None if there is none."""
        try:
            data = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        scores = {part: {int(n): Scores(**each) for n, each in data[part].items()} for part in ("validation", "test")}
        return cls(**{**data, **scores, "moments": tuple(Moment(**each) for each in data["moments"])})


def moments_of(trials: Sequence[FrozenTrial], rank: Rank, shipped: int) -> Iterator[Moment]:
    """What would be shipped after each trial that counts; after the last one, what the confirmation chose.

    Args:
        trials: Of the study, in the order of their numbers, all ended.
        rank: As the engine itself judges its search.
        shipped: In the end.
    """
    counted = [trial for trial in trials if outcome_of(trial).counts]
    n_trials = secs = 0.0
    best: int | None = None
    for i, trial in enumerate(counted):
        cost = cost_of(trial)
        n_trials, secs = n_trials + cost.n_trials, secs + cost.secs
        if not is_confirmation(trial):
            best = rank(counted[: i + 1])
        yield Moment(round(n_trials, 4), round(secs, 3), shipped if i + 1 == len(counted) else best)


def validation_of(trial: FrozenTrial) -> Scores:
    """The scores of a complete trial at its best epoch."""
    curves, epoch = trial.user_attrs["curves"], trial.user_attrs["best_epoch"]
    return Scores(curves["val_loss"][epoch - 1], curves["val_error"][epoch - 1])


def is_scored(trial: FrozenTrial) -> bool:
    """Whether a trial has a model that can be scored."""
    return outcome_of(trial) is Outcome.COMPLETE and math.isfinite(float(trial.value or 0.0))
