"""Levers without a role: nobody knows what raising them means for the fit, so only the local model moves them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from search_spaces import Params, SearchSpace, choice
from tuning.strategy.actions import Phase, Plan, Suggest
from tuning.strategy.diagnosis import FitState
from tuning.strategy.handover import n_directional

N_TRIALS = 22


def test_a_lever_without_a_role_is_moved_by_the_local_model_alone(
    play: Callable[..., Any], forest_space: SearchSpace
) -> None:
    """Not while the border is crossed or the network backed off, however much better its other value is."""
    space = replace(forest_space, levers=(*forest_space.levers, choice("activation", ("relu", "tanh"))))

    def objective(params: Params) -> dict[str, Any]:
        width, noise, is_tanh = space.point(params)
        value = 2.0 + 0.1 * (width - 4.0) ** 2 + (noise - 0.4) ** 2 - is_tanh
        state = FitState.OVERFIT_DECISIONS if noise < 0.3 else FitState.FIT
        return {"value": value, "stderr": 0.01, "state": state, "crossed_border": noise < 0.3}

    search = play(objective, space, N_TRIALS, plan=Plan(n_seeds=1))
    directional = [each for each in search.suggestions if each.phase is not Phase.MODEL]
    by_model: list[Suggest] = search.suggestions[len(directional) :]
    assert n_directional(space) <= len(directional)
    assert {0.0} == {each.point[2] for each in directional}
    assert {Phase.MODEL} == {each.phase for each in by_model}
    assert 1.0 in {each.point[2] for each in by_model}
    assert "tanh" == space.params(search.best.point)["activation"]
