"""The trials that run, in Optuna's words: ask, report, prune, tell. What the study's process does for its workers.

A trial that loses its worker is recorded as killed and uses up no budget, so its configuration is tried again; one
that loses its worker again and again (the system kills what takes too much memory) is recorded as failed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from search_spaces import SearchSpace
from tuning.engine.metrics import EpochMetrics, value_stderr
from tuning.pruner import CatchUpPruner
from tuning.settings import Objective
from tuning.strategy.history import Outcome
from tuning.trial_attrs import EXPECTED_VALUE, OUTCOME, OUTCOME_REASON, VALUE_STDERR, decision_of, seed_index
from tuning.trial_job import EpochReport, TrialEnd, TrialJob
from tuning.workers import WORKER, Worker

_MAX_DEATHS = 3

_STATE = {Outcome.COMPLETE: TrialState.COMPLETE, Outcome.PRUNED: TrialState.PRUNED}


@dataclass
class RunningTrials:
    """The trials that this process has asked for and not yet told.

    Args:
        study: The study.
        space: Its levers.
        goal: Its objective.
        worker: This process.
        n_val: Validation examples behind a value.
    """

    study: Study
    space: SearchSpace
    goal: Objective
    worker: Worker
    n_val: int
    _trials: dict[int, Trial] = field(default_factory=dict)
    _deaths: Counter[tuple[tuple[str, float], ...]] = field(default_factory=Counter)

    def ask(self) -> TrialJob:
        """Ask the study for a configuration; the trial runs from now on."""
        trial = self.study.ask(self.space.distributions())
        self._trials[trial.number] = trial
        trial.set_user_attr(WORKER, self.worker.as_attr())
        return TrialJob(trial.number, trial.params, seed_index(trial))

    def decision(self, number: int) -> Mapping[str, Any]:
        """Why a running trial is tried."""
        return decision_of(self.frozen(number))

    def frozen(self, number: int) -> FrozenTrial:
        """A trial as it stands in the storage; not a copy."""
        return self.study.get_trials(deepcopy=False)[number]

    def report(self, report: EpochReport) -> str:
        """Report an epoch to the study; returns why the trial should be pruned, or nothing."""
        trial = self._trials[report.number]
        trial.report(self.goal.value(getattr(report.metrics, self.goal.metric)), report.epoch)
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

    def tell(self, end: TrialEnd) -> None:
        """Record how a trial ended. Its findings come first: a trial that has been told is immutable."""
        trial = self._trials[end.number]
        for name, value in {**end.attrs, OUTCOME: end.outcome.value, OUTCOME_REASON: end.reason}.items():
            trial.set_user_attr(name, value)
        # A pruned trial's last report would be taken for its value if none were given: that is Optuna's convention.
        self.study.tell(trial, values=end.value, state=_STATE.get(end.outcome, TrialState.FAIL))
        del self._trials[end.number]

    def tell_died(self, number: int, how: str) -> None:
        """Record a trial whose worker process ended without a word."""
        params = tuple(self._trials[number].params.items())
        self._deaths[params] += 1
        if self._deaths[params] < _MAX_DEATHS:
            self.tell(TrialEnd(number, Outcome.KILLED, f"its worker process {how}"))
            return
        reason = f"its worker process {how}, {_MAX_DEATHS} times: out of memory, perhaps"
        self.tell(TrialEnd(number, Outcome.FAILED, reason))

    def abandon(self, reason: str) -> list[int]:
        """Record every running trial as killed; returns their numbers."""
        numbers = list(self._trials)
        for number in numbers:
            if not self.frozen(number).state.is_finished():
                self.tell(TrialEnd(number, Outcome.KILLED, reason))
        return numbers
