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
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search_spaces import SearchSpace
from tuning.strategy.history import History, Outcome
from tuning.strategy.policy import Action, Goal, Phase, Stop, Suggest, next_action
from tuning.trial_attrs import DECISION, enqueued_coordinates, history_of, is_maximized, outcome_of

REPEAT = "repeat"  # the only move that proposes a known configuration, when no other is left

# Two workers that decide at the same moment see each other's decision only after both are published; a cheap trial may
# even have ended by then.
_MAX_RACES = 5

# Random draws before the untried grid points are taken in order, which ends surely.
_MAX_DRAWS = 100


class OverfitBackoffSampler(BaseSampler):
    """Suggest by overfitting first and backing off then.

    Args:
        space: The levers with their roles; the objective must suggest them with the space's distributions.
        seed: Seed of the few random choices (a lever outside the space; nothing left to try by direction).
        monitor: What the objective is called in the reasons.

    Source:
        The phases and the step rule are those of `tuning/strategy/`.
    """

    def __init__(self, space: SearchSpace, seed: int = 0, monitor: str = "objective") -> None:
        self._space = space
        self._seed = seed
        self._monitor = monitor

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All levers are decided together; called once, right before the trial's first suggestion."""
        return self._space.distributions()

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Decide on the next configuration, publish the decision with its reason, and return it.

        Raises:
            ValueError: If the study has more than one objective.
        """
        self._raise_error_if_multi_objective(study)
        enqueued = enqueued_coordinates(trial, self._space)
        for _ in range(_MAX_RACES):
            history = self._history(study, leave_out=trial.number)
            decision = self._decide(history, self._goal(study), enqueued)
            self._publish(study, trial, decision)
            others = self._history(study, leave_out=trial.number).points
            if decision.move == REPEAT or decision.point not in others:
                break
        return self._space.params(decision.point)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:  # noqa: ANN401 - Optuna's own signature
        """Sample a parameter outside the space at random: the strategy knows nothing of it."""
        self._raise_error_if_multi_objective(study)
        # Counts the running ones, so that two workers differ, but not the killed ones, which leave no trace.
        n_before = sum(t.number < trial.number and outcome_of(t) is not Outcome.KILLED for t in _all_trials(study))
        rng = np.random.default_rng([self._seed, n_before, zlib.crc32(param_name.encode())])
        random = RandomSampler(seed=int(rng.integers(2**31)))
        return random.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """End `study.optimize` once nothing is left to try."""
        if len(study.directions) > 1:
            return
        ended = copy.copy(trial)
        ended.state, ended.values = state, values
        trials = [t for t in _all_trials(study) if t.number != trial.number]
        history = history_of([*trials, ended], self._space, maximize=is_maximized(study))
        if isinstance(next_action(history, self._space, self._goal(study)), Stop) and not history.pending:
            with contextlib.suppress(RuntimeError):  # `study.ask` outside `study.optimize`: the caller decides
                study.stop()

    def next_action(self, study: Study) -> Action:
        """What would be tried next, or why nothing would: for loops that ask before they start a trial."""
        return next_action(self._history(study), self._space, self._goal(study))

    def _decide(self, history: History, goal: Goal, enqueued: Mapping[int, float]) -> Suggest:
        """The policy's next experiment, with the enqueued coordinates in the place of its own."""
        action = next_action(history, self._space, goal)
        if isinstance(action, Stop):
            return self._anywhere(history, action.reason, enqueued)
        point = tuple(enqueued.get(j, x) for j, x in enumerate(action.point))
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
        candidates = itertools.chain(draws, itertools.product(*grids))
        untried = next((point for point in candidates if point not in history.points), None)
        if untried is not None:
            return Suggest(untried, Phase.BACK_OFF, "random", None, f"{why}; a random untried configuration")
        best = history.best.point if history.best else self._space.start_point()
        again = tuple(enqueued.get(j, x) for j, x in enumerate(best))
        return Suggest(again, Phase.BACK_OFF, REPEAT, None, f"{why}; no configuration is left: a repeat")

    def _publish(self, study: Study, trial: FrozenTrial, decision: Suggest) -> None:
        published = {
            "phase": decision.phase.value,
            "move": decision.move,
            "base": decision.base,
            "reason": decision.reason,
            "params": self._space.params(decision.point),
        }
        # Private, but the way of Optuna's own samplers: a public setter does not exist since Optuna 5.
        study._storage.set_trial_system_attr(trial._trial_id, DECISION, published)

    def _history(self, study: Study, leave_out: int | None = None) -> History:
        trials = [trial for trial in _all_trials(study) if trial.number != leave_out]
        return history_of(trials, self._space, maximize=is_maximized(study))

    def _goal(self, study: Study) -> Goal:
        return Goal(self._monitor, is_maximized(study))


def _all_trials(study: Study) -> list[FrozenTrial]:
    # Read from the storage: with some pruners the study handed to a sampler is a filtered view.
    return study._storage.get_all_trials(study._study_id, deepcopy=False)
