"""Small spaces, and whole searches on scripted objectives: no training, no Optuna, milliseconds each."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from search_spaces import Lever, Params, Role, Scale, SearchSpace
from tuning.strategy.actions import Goal, Plan, Stop, Suggest
from tuning.strategy.history import History
from tuning.strategy.policy import next_action
from tuning.strategy.records import TrialRecord

Objective = Callable[[Params], dict[str, Any]]
"""The fields of `TrialRecord` that a trial of this configuration ends with."""


DIRECTION_ALONE = Plan(n_seeds=1, use_model=False)


@dataclass
class Search:
    """One search as it was: what was suggested, how it ended, and why it stopped (None: budget used up)."""

    suggestions: list[Suggest] = field(default_factory=list)
    trials: list[TrialRecord] = field(default_factory=list)
    stop: Stop | None = None

    @property
    def moves(self) -> list[str]:
        """The kinds of experiment, in order."""
        return [suggestion.move for suggestion in self.suggestions]

    @property
    def best(self) -> TrialRecord:
        """The best trial; the search must have one."""
        return min(self.trials, key=lambda trial: trial.loss)


def _play(
    objective: Objective, space: SearchSpace, n_trials: int = 60, goal: Goal | None = None, plan: Plan = DIRECTION_ALONE
) -> Search:
    search = Search()
    for number in range(n_trials):
        action = next_action(History.of(search.trials), space, goal or Goal("val_loss"), plan)
        if isinstance(action, Stop):
            return replace(search, stop=action)
        search.suggestions.append(action)
        fields = objective(space.params(action.point))
        search.trials.append(
            TrialRecord(number, action.point, base=action.base, seed_index=action.seed_index, **fields)
        )
    return search


@pytest.fixture(scope="session")
def play() -> Callable[..., Search]:
    """Plays a search: `play(objective, space, n_trials=60, goal=None, plan=DIRECTION_ALONE)`."""
    return _play


@pytest.fixture(scope="session")
def forest_space() -> SearchSpace:
    """Levers that no rule knows by name: roles alone have to give the signs."""
    return SearchSpace(
        "forest",
        (
            Lever("width", Role.CAPACITY, 2, 64, Scale.LOG2_INTEGER, step=1.0, start=8, first_step=1.0),
            Lever("noise", Role.REGULARIZATION, 0.0, 1.0, Scale.LINEAR, step=0.1, start=0.0, first_step=0.2),
        ),
    )
