"""When a gain is believed, and what is repeated until then."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from search_spaces import Params, SearchSpace
from tuning.strategy.actions import Goal, Plan
from tuning.strategy.configuration import Configuration
from tuning.strategy.evidence import Noise
from tuning.strategy.history import History
from tuning.strategy.policy import next_action
from tuning.strategy.racing import Race
from tuning.strategy.records import Outcome, TrialRecord

KNOWN = Noise(variance=0.5, n_freedoms=10)


def configuration(x: float, *values: float, stderr: float | None = None) -> Configuration:
    """Return a configuration with a run for each value, seed by seed."""
    return Configuration(
        tuple(TrialRecord(i, (x,), value=v, stderr=stderr, seed_index=i) for i, v in enumerate(values))
    )


@pytest.mark.parametrize(
    ("race", "challenger", "settled"),
    [
        (Race(1), configuration(1.0, 9.0), True),
        (Race(2), configuration(1.0, 2.0), False),
        (Race(2), configuration(1.0, 9.0, 9.5), True),
        (Race(2, KNOWN), configuration(1.0, 9.5), True),
        (Race(2, KNOWN), configuration(1.0, 8.5), False),
        (Race(2, KNOWN), configuration(1.0, 7.0), True),
        (Race(2, Noise(0.0, 1, {}, n_repeats=2)), configuration(1.0, 9.9), True),
    ],
    ids=["no race", "noise unknown", "all seeds", "flat", "weak gain", "strong gain", "deterministic"],
)
def test_a_gain_is_repeated_where_that_can_change_something(
    race: Race, challenger: Configuration, settled: bool
) -> None:
    """The incumbent has a loss of 10 on both seeds; of the known noise a difference's standard error is 0.95."""
    assert settled == race.is_settled(configuration(0.0, 10.0, 10.0), challenger)


def test_the_incumbent_is_repeated_first_so_that_the_two_stay_paired() -> None:
    """Then the challenger, seed by seed."""
    race, one, two = Race(3), configuration(0.0, 10.0), configuration(0.0, 10.0, 9.0)
    challenger = configuration(1.0, 8.0)
    assert (one, 1) == race.next_run(one, challenger)
    assert (challenger, 1) == race.next_run(two, challenger)
    with pytest.raises(ValueError, match="settled"):
        Race(1).next_run(one, challenger)


def test_pairs_are_compared_on_the_seeds_that_both_have() -> None:
    """The incumbent's bad luck on a seed that the challenger did not run with counts for nothing."""
    response = Race(3, KNOWN).measure(configuration(0.0, 10.0, 90.0), configuration(1.0, 9.0))
    assert (1.0, 1) == (response.improvement, response.n_seeds)


def test_while_a_repeat_is_pending_the_reason_says_so(play: Callable[..., Any], forest_space: SearchSpace) -> None:
    """A second worker goes on meanwhile: the challenger is better, but not yet believed."""
    search = play(lambda params: {"value": 10.0 - params["noise"]}, forest_space, 2, plan=Plan(n_seeds=2))
    start = search.trials[0].point
    repeat = TrialRecord(2, start, Outcome.RUNNING, seed_index=1)
    action = next_action(History.of([*search.trials, repeat]), forest_space, Goal("loss"), Plan(n_seeds=2))
    assert "weak gain, to be repeated before it is taken; next: " in action.reason.replace("strong", "weak")


def test_a_lucky_challenger_is_found_out(play: Callable[..., Any], forest_space: SearchSpace) -> None:
    """More noise looks better with the first seed and is worse with the second: the start stays the incumbent."""
    seeds: dict[tuple[float, ...], Iterator[float]] = {}

    def luck(params: Params) -> dict[str, Any]:
        point = forest_space.point(params)
        lucky = iter([8.0, 15.0]) if params["noise"] == 0.2 else iter([10.0, 10.0, 10.0])
        return {"value": next(seeds.setdefault(point, lucky))}

    search = play(luck, forest_space, 5, plan=Plan(n_seeds=2, use_model=False))
    assert ["start", "poll", "repeat", "repeat", "poll"] == search.moves
    assert [0, 0, 1, 1, 0] == [suggestion.seed_index for suggestion in search.suggestions]
    assert search.suggestions[4].base == 0
    assert "looks better (z = " in search.suggestions[2].reason
