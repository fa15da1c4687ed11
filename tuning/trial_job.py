"""What passes between a study and the process that trains for it: a job there, epochs and the trial's end back.

The study (sampler, pruner, storage, MLflow) stays in one process; a worker process knows nothing but its job. All of
it is plain data that can be pickled without TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from search_spaces import Params
from tuning.engine.metrics import EpochMetrics
from tuning.strategy.records import Outcome


@dataclass(frozen=True)
class TrialJob:
    """A trial to train.

    Args:
        number: Its number in the study.
        params: Its configuration.
        seed_index: Which seed of the study's list to train with, >= 0.
        is_unproven: Whether no trial of the study could be trained yet: if it fails, it has to be found out whether
            all will.
    """

    number: int
    params: Params
    seed_index: int = 0
    is_unproven: bool = False


@dataclass(frozen=True)
class EpochReport:
    """One epoch (1-based) of a trial is over; the worker waits for the answer, a reason to prune or nothing."""

    number: int
    epoch: int
    metrics: EpochMetrics


@dataclass(frozen=True)
class TrialEnd:
    """How a trial ended.

    Args:
        number: The trial's number in the study.
        outcome: How it ended.
        reason: Why, in one sentence; empty for a complete trial.
        value: The study's value of a complete trial.
        attrs: What was found, as user attributes of the trial.
        why_hopeless: Why every other configuration will fail too, with the user's own traceback; empty if one may not.
    """

    number: int
    outcome: Outcome
    reason: str = ""
    value: float | None = None
    attrs: Mapping[str, Any] = field(default_factory=dict)
    why_hopeless: str = ""


@dataclass(frozen=True)
class WorkerDied:
    """A worker process ended by itself; the trial that it trained, if any, has no end."""

    number: int | None
    how: str  # a clause


Event = EpochReport | TrialEnd | WorkerDied

READY = "ready"  # what a worker says first: it can begin
