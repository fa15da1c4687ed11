"""The reserve of the budget: whom it confirms, and what is shipped."""

from collections.abc import Callable
from typing import Any

import pytest

from search_spaces import Params, SearchSpace, mlp_space
from tuning.strategy.actions import Phase, Plan, Stop
from tuning.strategy.configuration import Configuration
from tuning.strategy.confirmation import contenders, missing_runs
from tuning.strategy.evidence import Noise
from tuning.strategy.history import History
from tuning.strategy.policy import leader_of
from tuning.strategy.racing import Race
from tuning.strategy.records import TrialRecord

MLP = mlp_space()
MLP_BEST = MLP.point({"units": 512, "layers": 3, "dropout": 0.4, "l2": 1e-5, "learning_rate_scale": 1.0})


def configuration(x: float, *values: float) -> Configuration:
    """Return a configuration with a run for each value, seed by seed."""
    return Configuration(tuple(TrialRecord(int(x), (x,), value=v, seed_index=i) for i, v in enumerate(values)))


START, BEST, OTHER = configuration(0.0, 5.0), configuration(1.0, 3.0, 3.0), configuration(2.0, 4.0)


@pytest.mark.parametrize(("n_trials", "n_reserved"), [(None, 0), (14, 0), (20, 4), (60, 12), (1000, 30)])
def test_a_fifth_is_reserved_but_not_of_a_short_study(n_trials: int | None, n_reserved: int) -> None:
    """Nor of one whose end is not known; ten finalists on three seeds are enough."""
    assert n_reserved == Plan(n_trials=n_trials).n_reserved


def test_two_finalists_come_first_then_the_start() -> None:
    """Only the seeds that each lacks."""
    third = configuration(3.0, 4.5)
    runs = [(each.point[0], seed) for each, seed in missing_runs([BEST, OTHER, third, START], n_seeds=3)]
    assert [(1.0, 2), (2.0, 1), (2.0, 2), (0.0, 1), (0.0, 2), (3.0, 1), (3.0, 2)] == runs


def test_a_start_that_is_a_finalist_runs_once() -> None:
    """It stands in the list twice."""
    assert 1 == len(list(missing_runs([BEST, BEST], n_seeds=3)))


@pytest.mark.parametrize(("spread", "n"), [(0.0, 0), (0.3, 4)], ids=["no noise", "noise"])
def test_without_noise_the_search_keeps_the_trials_of_the_confirmation(
    play: Callable[..., Any], spread: float, n: int
) -> None:
    """Two equal repeats show that a third would be wasted; with noise, what is shipped ran on all seeds."""

    def objective(params: Params) -> dict[str, Any]:
        count["n"] += 1
        distances = [(x - best) ** 2 for x, best in zip(MLP.point(params), MLP_BEST, strict=True)]
        return {"value": 1.0 + sum(distances) + spread * (count["n"] * 7 % 5)}

    count, plan = {"n": 0}, Plan(n_trials=20, use_model=False)
    search = play(objective, MLP, 20, plan=plan)
    phases = [suggestion.phase for suggestion in search.suggestions]
    assert (20, n) == (len(phases), phases.count(Phase.CONFIRM))
    assert spread or search.moves.count("repeat") == 2
    leader = leader_of(History.of(search.trials), plan)
    assert leader is not None
    assert 3 == len(leader.configuration.losses) or not spread


def test_what_is_surely_worse_is_no_contender() -> None:
    """Three standard errors of the difference; of an unknown noise everything is one."""
    found = [configuration(0.0, 9.0), configuration(1.0, 5.0), configuration(2.0, 5.5)]
    known = Race(noise=Noise(variance=0.01, n_freedoms=1000))
    assert [1.0] == [each.point[0] for each in contenders([found[0], found[1]], known)]
    assert [1.0, 2.0, 0.0] == [each.point[0] for each in contenders(found, Race())]
    assert [1.0] == [each.point[0] for each in contenders(found, Race(noise=Noise(n_repeats=2)))]
    assert [] == contenders([], known)


def test_without_noise_the_lowest_value_is_shipped(forest_space: SearchSpace) -> None:
    """Nothing is averaged over neighbours where values do not lie."""
    start = forest_space.start_point()
    runs = [TrialRecord(i, start, value=2.0, seed_index=i) for i in range(3)]
    other = [TrialRecord(i, (float(i - 2), 0.5), value=2.0 - i / 100, base=0) for i in range(3, 8)]
    leader = leader_of(History.of([*runs, *other]), Plan(n_trials=20))
    assert leader is not None
    assert 7 == leader.configuration.number


def test_a_search_that_ends_early_is_confirmed_before_it_stops(
    play: Callable[..., Any], forest_space: SearchSpace
) -> None:
    """Every trial fails but for the start: there is one finalist."""
    plan = Plan(n_trials=100, use_model=False, n_seeds=1)
    search = play(lambda params: {"value": 1.0, "stderr": 0.1}, forest_space, 100, plan=plan)
    assert isinstance(search.stop, Stop)
    assert Phase.CONFIRM in {suggestion.phase for suggestion in search.suggestions}
