"""The reserve of the budget: whom it confirms, and what is shipped."""

from collections.abc import Callable
from typing import Any

import pytest

from search_spaces import Params, SearchSpace
from tuning.strategy.actions import Phase, Plan, Stop
from tuning.strategy.confirmation import confirmed_leader, missing_runs
from tuning.strategy.evidence import Configuration
from tuning.strategy.history import History, TrialRecord
from tuning.strategy.policy import leader_of
from tuning.strategy.racing import Race


def configuration(x: float, *values: float) -> Configuration:
    """Return a configuration with a run for each value, seed by seed."""
    return Configuration(tuple(TrialRecord(int(x), (x,), value=v, seed_index=i) for i, v in enumerate(values)))


START, BEST, OTHER = configuration(0.0, 5.0), configuration(1.0, 3.0, 3.0), configuration(2.0, 4.0)


@pytest.mark.parametrize(("n_trials", "n_reserved"), [(None, 0), (10, 0), (14, 0), (20, 4), (40, 8), (60, 12)])
def test_a_fifth_is_reserved_but_not_of_a_short_study(n_trials: int | None, n_reserved: int) -> None:
    """Nor of one whose end is not known."""
    assert n_reserved == Plan(n_trials=n_trials).n_reserved


def test_two_finalists_come_first_then_the_start() -> None:
    """Only the seeds that each lacks."""
    third = configuration(3.0, 4.5)
    runs = [(each.point[0], seed) for each, seed in missing_runs([BEST, OTHER, third, START], n_seeds=3)]
    assert [(1.0, 2), (2.0, 1), (2.0, 2), (0.0, 1), (0.0, 2), (3.0, 1), (3.0, 2)] == runs


def test_a_start_that_is_a_finalist_runs_once() -> None:
    """It stands in the list twice."""
    assert 1 == len(list(missing_runs([BEST, BEST], n_seeds=3)))


def test_the_best_mean_on_all_seeds_is_shipped() -> None:
    """Not the configuration with the luckiest run."""
    lucky, steady, start = configuration(1.0, 1.0, 9.0), configuration(2.0, 4.0, 4.0), configuration(0.0, 6.0, 6.0)
    leader = confirmed_leader([start, lucky, steady], 2, Race(2))
    assert leader is not None
    assert steady is leader.configuration


def test_where_nothing_is_better_the_start_is_shipped_and_it_says_so() -> None:
    """Tuning that does not beat its own start has found nothing."""
    start = configuration(0.0, 4.0, 4.0)
    leader = confirmed_leader([start, configuration(1.0, 3.0, 6.0)], 2, Race(2))
    assert leader is not None
    assert start is leader.configuration
    assert confirmed_leader([start, configuration(1.0, 3.0)], 2, Race(2)) is None


def test_the_last_fifth_of_a_study_confirms(play: Callable[..., Any], forest_space: SearchSpace) -> None:
    """All of it repeats of finalists; then the budget is over."""

    def noisy(params: Params) -> dict[str, Any]:
        width, noise = forest_space.point(params)
        count["n"] += 1
        return {"value": 1 + (width - 4) ** 2 + (noise - 0.4) ** 2 + 0.1 * (count["n"] * 7 % 5)}

    count, plan = {"n": 0}, Plan(n_trials=20)
    search = play(noisy, forest_space, 20, plan=plan)
    assert {Phase.CONFIRM} == {suggestion.phase for suggestion in search.suggestions[16:]}
    assert Phase.CONFIRM not in {suggestion.phase for suggestion in search.suggestions[:16]}
    leader = leader_of(History.of(search.trials), forest_space, plan)
    assert leader is not None
    assert 3 == len(leader.configuration.losses)


def test_a_search_that_ends_early_is_confirmed_before_it_stops(
    play: Callable[..., Any], forest_space: SearchSpace
) -> None:
    """Every trial fails but for the start: there is one finalist."""
    plan = Plan(n_trials=100, use_model=False, n_seeds=1)
    search = play(lambda params: {"value": 1.0, "stderr": 0.1}, forest_space, 100, plan=plan)
    assert isinstance(search.stop, Stop)
    assert Phase.CONFIRM in {suggestion.phase for suggestion in search.suggestions}
