"""The trials that run, in Optuna's words: ask, report, prune, tell. What the study's process does for its workers.

A trial that loses its worker is recorded as killed and uses up no budget, so its configuration is tried again; one
that loses its worker again and again is recorded as out of memory where the system killed it (it does so with what
takes too much memory), else as failed. Under a memory limit of its own a worker that aborts is out of memory at once:
that is how native code ends when it is refused memory.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from search_spaces import SearchSpace
from tuning.engine.metrics import EpochMetrics, value_stderr
from tuning.pruner import CatchUpPruner
from tuning.settings import Objective
from tuning.strategy.records import Outcome
from tuning.study_store import n_before
from tuning.trial_attrs import (
    EXPECTED_VALUE,
    OUTCOME,
    OUTCOME_REASON,
    REASON,
    VALUE_STDERR,
    decision_of,
    outcome_of,
    seed_index,
)
from tuning.trial_job import EpochReport, TrialEnd, TrialJob
from tuning.workers import BEAT, WORKER, Worker

_MAX_DEATHS = 3
_REFUSED_MEMORY = ("SIGABRT", "SIGSEGV", "SIGBUS")  # how native code ends then
_KILLED_BY_SYSTEM = "SIGKILL"

_GIVEN_UP = "another process took it for lost"

_STATE = {Outcome.COMPLETE: TrialState.COMPLETE, Outcome.PRUNED: TrialState.PRUNED}
_TRAINED = frozenset(_STATE)


@dataclass
class RunningTrials:
    """The trials that this process has asked for and not yet told.

    Args:
        study: The study.
        space: Its levers.
        goal: Its objective.
        worker: This process.
        n_val: Validation examples behind a value.
        memory_limit_mb: Of each worker process, if there is one.
    """

    study: Study
    space: SearchSpace
    goal: Objective
    worker: Worker
    n_val: int
    memory_limit_mb: int | None = None
    _n_beats: int = 0
    _trials: dict[int, Trial] = field(default_factory=dict)
    _deaths: Counter[tuple[tuple[str, float], ...]] = field(default_factory=Counter)

    def ask(self) -> TrialJob:
        """Ask the study for a configuration; the trial runs from now on."""
        trial = self.study.ask(self.space.distributions())
        self._trials[trial.number] = trial
        if WORKER not in trial.user_attrs:  # enqueued by somebody else, or a storage that signs nothing
            trial.set_user_attr(WORKER, self.worker.as_attr())
        if reason := self.decision(trial.number).get("reason"):
            trial.set_user_attr(REASON, reason)  # dashboards show what users set, and nothing of a sampler's own
        has_trained = any(outcome_of(each) in _TRAINED for each in self.study.get_trials(deepcopy=False))
        return TrialJob(trial.number, trial.params, seed_index(trial), is_unproven=not has_trained)

    def ask_within(self, n_trials: int) -> TrialJob | None:
        """Ask for a trial unless the study has so many; None if another process took the last one at the same moment.

        Numbers decide: the trial that has `n_trials` or more before it is withdrawn. So however many processes ask at
        the same moment, no more than that are ever trained.
        """
        job = self.ask()
        if n_before(self.study, job.number) < n_trials:
            return job
        self.tell(TrialEnd(job.number, Outcome.KILLED, "withdrawn: another process has begun the last trial"))
        return None

    def beat(self) -> None:
        """Show other machines that the running trials still have a worker."""
        self._n_beats += 1
        for trial in self._trials.values():
            with contextlib.suppress(UpdateFinishedTrialError):  # given up meanwhile: its end will show it
                trial.set_user_attr(BEAT, self._n_beats)

    def decision(self, number: int) -> Mapping[str, Any]:
        """Why a running trial is tried."""
        return decision_of(self.frozen(number))

    def frozen(self, number: int) -> FrozenTrial:
        """A trial as it stands in the storage; not a copy."""
        return self.study.get_trials(deepcopy=False)[number]

    def report(self, report: EpochReport) -> str:
        """Report an epoch to the study; returns why the trial should be pruned, or nothing."""
        trial = self._trials[report.number]
        try:
            trial.report(self.goal.value(getattr(report.metrics, self.goal.metric)), report.epoch)
        except UpdateFinishedTrialError:
            return _GIVEN_UP
        return self._reason_pruned(trial, report.metrics) if trial.should_prune() else ""

    def _reason_pruned(self, trial: Trial, metrics: EpochMetrics) -> str:
        """Why the trial is pruned; writes down what it was expected to reach, for the next decision."""
        pruner = self.study.pruner
        verdict = pruner.verdict(self.study, self.frozen(trial.number)) if isinstance(pruner, CatchUpPruner) else None
        if verdict is None:
            return f"{type(pruner).__name__} said so"
        trial.set_user_attr(EXPECTED_VALUE, verdict.expected_value)
        trial.set_user_attr(VALUE_STDERR, value_stderr(metrics, self.goal.metric, self.n_val))
        return verdict.reason

    def tell(self, end: TrialEnd) -> bool:
        """Record how a trial ended; returns False if another process had closed it, which may be training it again.

        Its findings come first: a trial that has been told is immutable.
        """
        trial = self._trials.pop(end.number)
        try:
            for name, value in {**end.attrs, OUTCOME: end.outcome.value, OUTCOME_REASON: end.reason}.items():
                trial.set_user_attr(name, value)
            # A pruned trial's last report would be its value if none were given: that is Optuna's convention.
            self.study.tell(trial, values=end.value, state=_STATE.get(end.outcome, TrialState.FAIL))
        except (UpdateFinishedTrialError, ValueError):
            if not self.frozen(end.number).state.is_finished():
                raise
            return False
        return True

    def tell_died(self, number: int, how: str) -> bool:
        """Record a trial whose worker process ended without a word; returns what `tell` does."""
        params = tuple(self._trials[number].params.items())
        self._deaths[params] += 1
        outcome, reason = self._death(self._deaths[params], how)
        return self.tell(TrialEnd(number, outcome, reason))

    def _death(self, n_deaths: int, how: str) -> tuple[Outcome, str]:
        said = f"its worker process {how}"
        if self.memory_limit_mb is not None and any(signal in how for signal in _REFUSED_MEMORY):
            return Outcome.OUT_OF_MEMORY, f"{said}, which may take {self.memory_limit_mb} MB"
        if n_deaths < _MAX_DEATHS:
            return Outcome.KILLED, said
        if _KILLED_BY_SYSTEM in how:
            return Outcome.OUT_OF_MEMORY, f"{said}, {n_deaths} times: that is how the system ends what takes too much"
        return Outcome.FAILED, f"{said}, {n_deaths} times"

    def abandon(self, reason: str) -> list[int]:
        """Record every running trial as killed; returns their numbers."""
        numbers = list(self._trials)
        for number in numbers:
            if not self.frozen(number).state.is_finished():
                self.tell(TrialEnd(number, Outcome.KILLED, reason))
        return numbers
