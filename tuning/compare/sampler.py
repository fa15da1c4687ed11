"""`ConfirmedSampler`: any sampler of Optuna searches, then the best configurations are trained again on fresh seeds.

Whatever it remembers is in the study, so a study that was killed goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search_spaces import Params, SearchSpace
from tuning.compare.budget import Budget, Spent, best_finalist, confirm_runs
from tuning.sampler import OverfitBackoffSampler
from tuning.strategy.actions import REPEAT, Action, Phase, Stop
from tuning.strategy.records import Outcome
from tuning.strategy.shrink import Smaller
from tuning.trial_attrs import DECISION, decision_of, is_maximized, outcome_of, seed_index

FINALISTS = "finalists"  # user attribute of a study whose search is over: numbers of trials, best first
COST = "cost_trials"  # user attribute of a trial that is less than a whole training: the share that it is
DECISION_SECS = "decision_secs"  # user attribute of a trial: seconds that its choice took before the trial began

_USED_UP = "its budget is used up"


class ConfirmedSampler(BaseSampler):
    """Searches with another sampler, and confirms.

    Args:
        inner: Who searches. In the place of somebody who searches outside of Optuna it is never asked.
        space: The levers.
        budget: What may be spent.
        reason: Why the trial of a number is tried; empty where `inner` gives reasons of its own.
        clock: Seconds; only differences count.

    `decision_secs` are the seconds that the choice of the next trial has taken so far; the trial takes them over.
    """

    def __init__(
        self,
        inner: BaseSampler,
        space: SearchSpace,
        budget: Budget,
        reason: Callable[[int], str] = lambda number: "",
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._inner, self._space, self._budget, self._reason, self._clock = inner, space, budget, reason, clock
        self.decision_secs = 0.0

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """That of the inner sampler; in the confirmation, all levers."""
        if is_confirming(study):
            return self._space.distributions()
        return self._inner.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """What the inner sampler suggests; in the confirmation, the next finalist."""
        if is_confirming(study):
            return self._repeat(study, trial)
        return self._inner.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:  # noqa: ANN401 - Optuna's own signature
        """What the inner sampler suggests."""
        return self._inner.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Write down how long the decision took that came before the trial, and why it is tried."""
        study._storage.set_trial_user_attr(trial._trial_id, DECISION_SECS, round(self.decision_secs, 4))
        self.decision_secs = 0.0
        if reason := self._reason(trial.number):
            study._storage.set_trial_system_attr(trial._trial_id, DECISION, {"reason": reason})
        self._inner.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """As the inner sampler has it."""
        self._inner.after_trial(study, trial, state, values)

    def next_action(self, study: Study) -> Action | None:
        """A `Stop` when nothing is left to train; ends the search when its part of the budget is used up."""
        begun = self._clock()
        try:
            return self._next(study)
        finally:
            self.decision_secs += self._clock() - begun

    def _next(self, study: Study) -> Stop | None:
        why = "its best configurations were confirmed" if self._budget.n_confirm else _USED_UP
        if not is_confirming(study):
            why = self._why_searched(study)
            if not why:
                return None
            self.end_search(study)
        if not self._budget.has_time(spent(study)):
            return Stop("its time is over")
        return None if self._next_run(study) else Stop(why)

    def end_search(self, study: Study) -> None:
        """From now on the study confirms; its finalists are those of the search."""
        if not is_confirming(study):
            study.set_user_attr(FINALISTS, self._best_first(study)[: self._budget.n_finalists])

    def ranking(self, study: Study) -> list[int]:
        """Numbers of the trials that may be shipped, best first: once confirmed, by the confirmation."""
        if not is_confirming(study):
            return self._best_first(study)
        finalists = study.user_attrs[FINALISTS]
        if not finalists:
            return []
        best = self._confirmed(study, finalists)
        return [best, *(number for number in finalists if number != best)]

    def smallest(self, study: Study) -> Smaller | None:
        """None was looked for."""
        return None

    def _why_searched(self, study: Study) -> str:
        """Why the search is over, a clause; empty if it is not."""
        if not self._budget.is_searching(spent(study)):
            return _USED_UP
        if isinstance(self._inner, OverfitBackoffSampler):
            action = self._inner.next_action(study)
            return action.reason if isinstance(action, Stop) else ""
        return ""

    def _best_first(self, study: Study) -> list[int]:
        """Of each configuration the first complete trial; judged by its value where the sampler has no judgement."""
        if isinstance(self._inner, OverfitBackoffSampler):
            return self._inner.ranking(study)
        return ranked_by_value(study.get_trials(deepcopy=False), maximize=is_maximized(study))

    def _next_run(self, study: Study) -> tuple[int, int] | None:
        """The next training of the confirmation: finalist and seed; None if there is none."""
        finalists: list[int] = study.user_attrs[FINALISTS]
        if len(finalists) < 2:
            return None
        trials = study.get_trials(deepcopy=False)
        done = {(self._key(each), seed_index(each)) for each in trials if outcome_of(each) is not Outcome.KILLED}
        runs = confirm_runs(finalists, self._budget.n_confirm)
        return next((run for run in runs if (self._key(trials[run[0]]), run[1]) not in done), None)

    def _repeat(self, study: Study, trial: FrozenTrial) -> Params:
        """The configuration of the next training; publishes why, which tells the seed and keeps the pruner away."""
        run = self._next_run(study)
        if run is None:
            raise RuntimeError("Nothing is left to confirm: ask `next_action` before a trial is begun.")
        number, seed = run
        reason = f"trial {number} is among the best: how good is it with seed {seed + 1}"
        published: dict[str, Any] = {
            "phase": Phase.CONFIRM.value,
            "move": REPEAT,
            "base": number,
            "reason": reason,
            "seed_index": seed,
        }
        study._storage.set_trial_system_attr(trial._trial_id, DECISION, published)
        return dict(study.get_trials(deepcopy=False)[number].params)

    def _confirmed(self, study: Study, finalists: Sequence[int]) -> int:
        trials, sign = study.get_trials(deepcopy=False), -1.0 if is_maximized(study) else 1.0
        losses: dict[int, dict[int, float]] = {}
        failed = set()
        for number in finalists:
            alike = [each for each in trials if self._key(each) == self._key(trials[number])]
            for each in alike:
                if outcome_of(each) is Outcome.COMPLETE and each.value is not None:
                    losses.setdefault(number, {}).setdefault(seed_index(each), sign * each.value)
                elif is_confirmation(each) and outcome_of(each) in (Outcome.FAILED, Outcome.DIVERGED):
                    failed.add(number)
        return best_finalist(finalists, losses, frozenset(failed))

    def _key(self, trial: FrozenTrial) -> tuple[Any, ...]:
        """The configuration of a trial, as something to compare."""
        return tuple(sorted(trial.params.items()))


def is_confirming(study: Study) -> bool:
    """Whether the search of a study is over."""
    return FINALISTS in study.user_attrs


def is_confirmation(trial: FrozenTrial) -> bool:
    """Whether a trial confirms."""
    return bool(decision_of(trial).get("phase") == Phase.CONFIRM)


def spent(study: Study) -> Spent:
    """What the ended trials of a study have cost."""
    costs = list(costs_of(study.get_trials(deepcopy=False)))
    return Spent(sum(cost.n_trials for cost in costs), sum(cost.secs for cost in costs))


def costs_of(trials: Sequence[FrozenTrial]) -> Iterator[Spent]:
    """What each ended trial has cost, in their order: a killed one, which is tried again, neither trial nor seconds."""
    for trial in trials:
        if trial.state.is_finished():
            yield cost_of(trial)


def cost_of(trial: FrozenTrial) -> Spent:
    """What an ended trial has cost, its choice included."""
    if not outcome_of(trial).counts or trial.duration is None:
        return Spent()
    attrs: Mapping[str, Any] = trial.user_attrs
    secs = trial.duration.total_seconds() + float(attrs.get(DECISION_SECS, 0.0))
    return Spent(float(attrs.get(COST, 1.0)), secs)


def ranked_by_value(trials: Sequence[FrozenTrial], *, maximize: bool) -> list[int]:
    """Of each configuration the number of its first complete trial, the best value first."""
    sign = -1.0 if maximize else 1.0
    complete = [each for each in trials if outcome_of(each) is Outcome.COMPLETE and not is_confirmation(each)]
    first: dict[tuple[Any, ...], FrozenTrial] = {}
    for trial in complete:
        first.setdefault(tuple(sorted(trial.params.items())), trial)
    return [each.number for each in sorted(first.values(), key=lambda each: sign * float(each.value or 0.0))]
