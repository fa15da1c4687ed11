"""`OverfitBackoffSampler`: the strategy in Optuna's words, for any study and any objective.

>>> import optuna
>>> from search_spaces import mlp_space
>>> study = optuna.create_study(sampler=OverfitBackoffSampler(mlp_space(), seed=0))
>>> study.ask(mlp_space().distributions()).params["units"]
256

The sampler keeps no state: each decision is a function of the seed and the trials in the storage, so a study resumes
exactly where it was killed and any number of workers share it. An objective that wants its fit diagnosed sets the
user attributes of `tuning.trial_attrs` before it returns; without them the values alone steer.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import math
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search_spaces import Params, SearchSpace
from tuning.memo import Memo
from tuning.strategy.actions import DEFAULT_SHRINK, REPEAT, Action, Goal, Phase, Plan, Stop, Suggest
from tuning.strategy.ceiling import Blocked, ceiling_of
from tuning.strategy.history import History
from tuning.strategy.policy import smaller_of
from tuning.strategy.records import Outcome
from tuning.strategy.selection import Leader
from tuning.strategy.shrink import Smaller
from tuning.trial_attrs import DECISION, enqueued_coordinates, history_of, is_maximized, outcome_of

# Two workers that decide at the same moment see each other's decision only after both are published: how often one may
# have to decide again, and how long it waits for another one that has to.
_MAX_RACES = 20
_RACE_PAUSE_SECS, _RACE_PATIENCE_SECS = 0.05, 5.0

# Random draws before the untried grid points are taken in order, which ends surely.
_MAX_DRAWS = 100


class OverfitBackoffSampler(BaseSampler):
    """Suggest by overfitting first and backing off then.

    Args:
        space: The levers with their roles; the objective must suggest them with the space's distributions.
        seed: Seed of the few random choices (a lever outside the space; nothing left to try by direction).
        monitor: What the objective is called in the reasons.
        n_trials: Trials that the study is to have in the end; with it, the last fifth confirms the best configurations
            and the start on the same seeds.
        n_seeds: Seeds on which a better-looking configuration is repeated before it is believed; 1 never repeats, None
            leaves it to the length of the study. An objective reads its seed with `tuning.seed_index(trial)`.
        use_model: Whether a Gaussian process takes over from the directional search once that gains nothing more.
        is_timed: Whether the budget is time: what a move may gain is then weighed against the seconds it takes, so
            that decisions depend on measured durations too.
        target: Value, in the objective's own terms, at which the search ends; None for none.
        shrink: Share of the best value (of the error, where an accuracy is maximized) that a smaller network may lose:
            the last tenth of the trials look for the smallest one, which `smallest` tells. None spends nothing on it.

    Raises:
        ValueError: If a count is below 1, `target` is not finite, or `shrink` is not positive.

    Source:
        The phases and the step rule are those of `tuning/strategy/`.
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int = 0,
        monitor: str = "objective",
        *,
        n_trials: int | None = None,
        n_seeds: int | None = None,
        use_model: bool = True,
        is_timed: bool = False,
        target: float | None = None,
        shrink: float | None = None,
    ) -> None:
        if target is not None and not math.isfinite(target):
            raise ValueError(f"`target` must be a finite number, got {target}.")
        self._space = space
        self._seed = seed
        self._monitor = monitor
        self._target = target
        self._plan = Plan(
            n_trials=n_trials, n_seeds=n_seeds, use_model=use_model, is_timed=is_timed, seed=seed, shrink=shrink
        )
        self._memo = Memo(is_timed=is_timed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All levers are decided together; called once, right before the trial's first suggestion."""
        return self._space.distributions()

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Decide on the next configuration, publish the decision with its reason, and return it.

        Of a search space that is not the sampler's own, what it does not know is sampled at random.

        Raises:
            ValueError: If the study has more than one objective.
        """
        self._raise_error_if_multi_objective(study)
        own = {
            name for name, distribution in self._space.distributions().items() if search_space.get(name) == distribution
        }
        params = self._decided_params(study, trial) if own else {}
        return {
            name: params[name] if name in own else self.sample_independent(study, trial, name, distribution)
            for name, distribution in search_space.items()
        }

    def _decided_params(self, study: Study, trial: FrozenTrial) -> Params:
        enqueued = enqueued_coordinates(trial, self._space)
        for _ in range(_MAX_RACES):
            before = _without(_all_trials(study), trial.number)
            decision = self._decide(self._history_of(before, study), study, enqueued)
            self._publish(study, trial, decision)
            if self._is_kept(study, trial, decision, before):
                break
        return self._space.params(decision.point)

    def _is_kept(self, study: Study, trial: FrozenTrial, decision: Suggest, before: Sequence[FrozenTrial]) -> bool:
        """Whether this trial may have its decision, or has to decide again because another worker has the same.

        Each publishes before it looks, so of two at least one sees the other. The smaller number has it; but the larger
        one may have looked before and begun already, so that the smaller one waits until it sees which.
        """
        for _ in range(round(_RACE_PATIENCE_SECS / _RACE_PAUSE_SECS)):
            rivals = self._rivals(study, trial, decision, before)
            if not rivals:
                return True
            if any(rival.number < trial.number or _has_begun(rival) for rival in rivals):
                return False
            time.sleep(_RACE_PAUSE_SECS)
        return False  # its process is gone, and whoever tries that trial again trains the configuration

    def _rivals(
        self, study: Study, trial: FrozenTrial, decision: Suggest, before: Sequence[FrozenTrial]
    ) -> list[FrozenTrial]:
        """The other trials with the same decision that were running or not there before; they may have ended since."""
        news = _news(before, _without(_all_trials(study), trial.number))
        return [each for each in news if _is_taken(decision, history_of([each], self._space, maximize=False))]

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:  # noqa: ANN401 - Optuna's own signature
        """Sample a parameter outside the space at random: the strategy knows nothing of it."""
        self._raise_error_if_multi_objective(study)
        # Counts the running ones, so that two workers differ, but not the killed ones, which leave no trace.
        failed = [t for t in _all_trials(study)[: trial.number] if t.state is TrialState.FAIL]
        n_before = trial.number - sum(outcome_of(t) is Outcome.KILLED for t in failed)
        rng = np.random.default_rng([self._seed, n_before, zlib.crc32(param_name.encode())])
        random = RandomSampler(seed=int(rng.integers(2**31)))
        return random.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """End `study.optimize` once nothing is left to try."""
        if len(study.directions) > 1:
            return
        ended = copy.copy(trial)
        ended.state, ended.values = state, values
        history = self._history_of([*_without(_all_trials(study), trial.number), ended], study)
        if isinstance(self._next(history, study), Stop) and not history.pending:
            with contextlib.suppress(RuntimeError):  # `study.ask` outside `study.optimize`: the caller decides
                study.stop()

    def next_action(self, study: Study) -> Action:
        """What would be tried next, or why nothing would: for loops that ask before they start a trial."""
        return self._next(self._history_of(_all_trials(study), study), study)

    def leader(self, study: Study) -> Leader | None:
        """The configuration to ship, by what is to be expected of it, and why; None if no trial gave a value."""
        return self._memo.leader(self._history_of(_all_trials(study), study), self._plan_of(study))

    def smallest(self, study: Study, margin: float | None = None) -> Smaller | None:
        """The smallest network tried that is not worse than the leader by a share of its value; None if there is none.

        Args:
            study: The study.
            margin: The share, > 0; None for `shrink`, or a tenth without it.
        """
        leader, share = self.leader(study), margin or self._plan.shrink or DEFAULT_SHRINK
        if leader is None:
            return None
        history = self._history_of(_all_trials(study), study)
        return smaller_of(history, self._space, self._goal_of(study), leader.configuration, share)

    def ranking(self, study: Study) -> list[int]:
        """Numbers of the trials that may be shipped, best first: of each configuration the first complete run.

        The first is the leader of the strategy; the others follow by their configuration's mean value.
        """
        history = self._history_of(_all_trials(study), study)
        leader = self._memo.leader(history, self._plan_of(study))
        found = [each for each in history.configurations if each.has_value]
        found.sort(key=attrgetter("loss"))
        if leader is not None:
            found.sort(key=lambda each: each.point != leader.configuration.point)
        return [each.first_complete for each in found]

    def _next(self, history: History, study: Study) -> Action:
        return self._memo.action(history, self._space, self._goal_of(study), self._plan_of(study))

    def _goal_of(self, study: Study) -> Goal:
        return Goal(self._monitor, is_maximized(study))

    def _plan_of(self, study: Study) -> Plan:
        if self._target is None:
            return self._plan
        return replace(self._plan, target=-self._target if is_maximized(study) else self._target)

    def _decide(self, history: History, study: Study, enqueued: Mapping[int, float]) -> Suggest:
        """The policy's next experiment, with the enqueued coordinates in the place of its own."""
        action = self._next(history, study)
        if isinstance(action, Stop):
            return self._anywhere(history, action.reason, enqueued)
        point = self._space.canonical(tuple(enqueued.get(j, x) for j, x in enumerate(action.point)))
        if point == action.point:
            return action
        if point in history.points:
            return self._anywhere(history, "enqueued in part, and the rest of the plan was tried with it", enqueued)
        return replace(action, point=point, move="enqueued", reason=f"enqueued in part; the rest: {action.reason}")

    def _anywhere(self, history: History, why: str, enqueued: Mapping[int, float]) -> Suggest:
        """An untried grid point, at random: a study that asks on is given what it asks for.

        In a space without any left it is the best configuration again, declared a repeat.
        """
        rng = np.random.default_rng([self._seed, len(history.finished)])
        grids = [(enqueued[j],) if j in enqueued else lever.grid() for j, lever in enumerate(self._space.levers)]
        draws = (tuple(float(rng.choice(grid)) for grid in grids) for _ in range(_MAX_DRAWS))
        candidates = map(self._space.canonical, itertools.chain(draws, itertools.product(*grids)))
        blocked = Blocked(history.points, ceiling_of(self._space, history.configurations))
        untried = next((point for point in candidates if point not in blocked), None)
        if untried is not None:
            return Suggest(untried, Phase.BACK_OFF, "random", None, f"{why}; a random untried configuration")
        best = history.best.point if history.best else self._space.start_point()
        again = self._space.canonical(tuple(enqueued.get(j, x) for j, x in enumerate(best)))
        n_runs = sum(record.point == again for record in history.trials)
        return Suggest(again, Phase.BACK_OFF, REPEAT, None, f"{why}; no configuration is left: a repeat", n_runs)

    def _publish(self, study: Study, trial: FrozenTrial, decision: Suggest) -> None:
        published = {
            "phase": decision.phase.value,
            "move": decision.move,
            "base": decision.base,
            "reason": decision.reason,
            "seed_index": decision.seed_index,
            "params": self._space.params(decision.point),
        }
        # Private, but the way of Optuna's own samplers: a public setter does not exist since Optuna 5.
        study._storage.set_trial_system_attr(trial._trial_id, DECISION, published)

    def _history_of(self, trials: Sequence[FrozenTrial], study: Study) -> History:
        return self._memo.history(trials, self._space, maximize=is_maximized(study))


def _is_taken(decision: Suggest, others: History) -> bool:
    """Whether another worker decided on the same at the same moment: the point, or of a repeat the very run."""
    if decision.move == REPEAT:  # which may have ended meanwhile
        run = (decision.point, decision.seed_index)
        return any((record.point, record.seed_index) == run for record in others.trials)
    return any(record.point == decision.point for record in others.trials)


def _has_begun(trial: FrozenTrial) -> bool:
    """Whether a trial has its configuration for good: it is given its parameters once its decision stands."""
    return bool(trial.params) or trial.state.is_finished()


def _without(trials: Sequence[FrozenTrial], number: int) -> list[FrozenTrial]:
    """All but the trial of this number, which stands at that place of a study's list."""
    return [*trials[:number], *trials[number + 1 :]]


def _news(before: Sequence[FrozenTrial], after: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that were running or not there before; they may have ended since."""
    states = TrialState.RUNNING, TrialState.WAITING
    running = [i for i, trial in enumerate(before) if trial.state in states]
    return [*(after[i] for i in running), *after[len(before) :]]


def _all_trials(study: Study) -> list[FrozenTrial]:
    # Read from the storage: with some pruners the study handed to a sampler is a filtered view.
    return study._storage.get_all_trials(study._study_id, deepcopy=False)
