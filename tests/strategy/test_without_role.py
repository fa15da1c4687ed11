"""Levers without a role: nobody knows what raising them means for the fit, so only the local model moves them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from search_spaces import Params, SearchSpace, choice
from tuning.strategy.actions import REPEAT, Phase, Plan, Suggest
from tuning.strategy.backoff import begin
from tuning.strategy.configuration import Configuration
from tuning.strategy.diagnosis import FitState
from tuning.strategy.handover import n_directional
from tuning.strategy.records import TrialRecord

N_TRIALS = 22

Played = Callable[..., Any]


@pytest.fixture
def space(forest_space: SearchSpace) -> SearchSpace:
    """Width, noise, and an activation without a role."""
    return replace(forest_space, levers=(*forest_space.levers, choice("activation", ("relu", "tanh", "selu"))))


@pytest.fixture
def objective(space: SearchSpace) -> Callable[[Params], dict[str, Any]]:
    """A bowl over width and noise, in which tanh is much better than the others."""

    def measured(params: Params) -> dict[str, Any]:
        width, noise, activation = space.point(params)
        value = 2.0 + 0.1 * (width - 4.0) ** 2 + (noise - 0.4) ** 2 - (activation == 1.0)
        state = FitState.OVERFIT_DECISIONS if noise < 0.3 else FitState.FIT
        return {"value": value, "stderr": 0.01, "state": state, "crossed_border": noise < 0.3}

    return measured


def moved(suggestion: Suggest, suggestions: list[Suggest]) -> set[int]:
    """The levers in which a suggestion differs from its base, by their positions."""
    base = suggestions[suggestion.base].point
    return {j for j, (a, b) in enumerate(zip(base, suggestion.point, strict=True)) if a != b}


def test_the_model_moves_them_in_their_share_of_the_back_off(
    play: Played, space: SearchSpace, objective: Callable[[Params], dict[str, Any]]
) -> None:
    """Them alone, from the incumbent; the direction never does, and a short study finds the better value, too."""
    search = play(objective, space, n_directional(space), plan=Plan(n_seeds=1))
    back_off = [each for each in search.suggestions if each.phase is Phase.BACK_OFF and each.move != REPEAT]
    by_model = [each for each in back_off if each.move == "model"]
    assert len(by_model) >= 2
    assert {2} == set().union(*(moved(each, search.suggestions) for each in by_model))
    others = [moved(each, search.suggestions) for each in back_off if each.move != "model"]
    assert len(others) >= len(by_model)
    assert 2 not in set().union(*others)
    assert "tanh" == space.params(search.best.point)["activation"]


def test_running_trials_count_for_the_share(space: SearchSpace) -> None:
    """One lever of three: after an experiment with another lever it has its turn, unless a worker is about it."""
    start, wider = (
        Configuration((TrialRecord(number, (width, 0.0, 0.0), value=1.0 - number, stderr=0.1),))
        for number, width in enumerate((3.0, 4.0))
    )
    state = begin(space, start, ())
    assert not state.is_turn_without_role(frozenset())
    state.absorb(wider)
    assert state.is_turn_without_role(frozenset())
    assert not state.is_turn_without_role(frozenset({(4.0, 0.0, 1.0)}))
    assert state.is_turn_without_role(frozenset({(4.0, 0.2, 0.0)}))


def test_then_the_model_moves_all_levers(
    play: Played, space: SearchSpace, objective: Callable[[Params], dict[str, Any]]
) -> None:
    """Once the back-off hands over, as without such levers."""
    search = play(objective, space, N_TRIALS, plan=Plan(n_seeds=1))
    phases = [each.phase for each in search.suggestions]
    assert Phase.MODEL in phases
    begin = phases.index(Phase.MODEL)
    assert begin >= n_directional(space)
    assert {Phase.MODEL} == set(phases[begin:])


def test_without_the_model_they_stay(
    play: Played, space: SearchSpace, objective: Callable[[Params], dict[str, Any]]
) -> None:
    """However much better another value is."""
    search = play(objective, space, N_TRIALS, plan=Plan(n_seeds=1, use_model=False))
    assert {0.0} == {each.point[2] for each in search.suggestions}
