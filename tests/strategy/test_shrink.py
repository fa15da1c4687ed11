"""The smallest network that is not worse: which counts, what is tried next, and when."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from search_spaces import Lever, Params, Role, Scale, SearchSpace
from tuning.strategy.actions import Goal, Phase, Plan
from tuning.strategy.configuration import Configuration
from tuning.strategy.history import History
from tuning.strategy.policy import leader_of, smaller_of
from tuning.strategy.racing import Race
from tuning.strategy.records import Outcome, TrialRecord
from tuning.strategy.shrink import next_smaller, smallest

RACE = Race()


def tried(width: float, value: float | None, noise: float = 0.2, stderr: float = 0.1) -> Configuration:
    """Return a configuration, or without a value a failed one; 0.1 makes the standard error of a difference 0.063."""
    outcome = Outcome.FAILED if value is None else Outcome.COMPLETE
    return Configuration((TrialRecord(int(width), (width, noise), outcome, value, stderr),))


BEST = tried(5.0, 10.0)


@pytest.mark.parametrize(
    ("loss", "stderr", "is_proven"),
    [(10.5, 0.1, True), (10.95, 0.1, False), (9.9, 2.0, False), (11.1, 0.001, False), (None, 0.1, False)],
    ids=["a little worse", "perhaps worse", "nothing known", "surely worse", "failed"],
)
def test_a_smaller_network_counts_where_it_is_surely_not_worse_by_the_margin(
    forest_space: SearchSpace, loss: float | None, stderr: float, is_proven: bool
) -> None:
    """The upper end of the one-sided 90 % interval of the difference has to lie below it."""
    found = [BEST, tried(4.0, loss, stderr=stderr)]
    assert is_proven == (smallest(forest_space, found, BEST, RACE, margin=1.0) is not None)


def test_the_smallest_of_them_is_named_with_what_it_loses_at_most(forest_space: SearchSpace) -> None:
    """Neither the better of two bigger ones nor one of the same size."""
    found = [BEST, tried(4.0, 10.1), tried(3.0, 10.4), tried(2.0, 12.0), tried(5.0, 9.9, noise=0.4), tried(6.0, 9.0)]
    smaller = smallest(forest_space, found, BEST, RACE, margin=1.0)
    assert smaller is not None
    assert 3.0 == smaller.configuration.point[0]
    assert 0.4 + 1.2816 * 0.2**0.5 * 0.1 * 2**0.5 == pytest.approx(smaller.worst)


def test_the_next_one_is_a_first_step_smaller_and_untried(forest_space: SearchSpace) -> None:
    """Half the width; nothing where that was tried or runs, or nothing is smaller."""
    assert (4.0, 0.2) == next_smaller(forest_space, [BEST], BEST, frozenset())
    assert next_smaller(forest_space, [BEST, tried(4.0, 12.0)], BEST, frozenset()) is None
    assert next_smaller(forest_space, [BEST], BEST, frozenset({(4.0, 0.2)})) is None
    assert next_smaller(forest_space, [tried(1.0, 10.0)], tried(1.0, 10.0), frozenset()) is None


@pytest.mark.parametrize(
    ("goal", "best", "other", "is_proven"),
    [
        (Goal("loss"), 2.0, 2.15, True),
        (Goal("loss"), 2.0, 2.25, False),
        (Goal("accuracy", maximize=True), -0.9, -0.892, True),
        (Goal("accuracy", maximize=True), -0.9, -0.88, False),
    ],
)
def test_the_margin_is_a_share_of_the_loss_or_of_the_error(
    forest_space: SearchSpace, goal: Goal, best: float, other: float, is_proven: bool
) -> None:
    """Of an accuracy of 0.9 a tenth of the error is 0.01."""
    found = [tried(5.0, best, stderr=1e-4), tried(4.0, other, stderr=1e-4)]
    history = History.of(run for each in found for run in each.runs)
    assert is_proven == (smaller_of(history, forest_space, goal, found[0], 0.1) is not None)


WIDE = Lever("width", Role.CAPACITY, 2, 64, Scale.LOG2_INTEGER, step=1.0, start=64, first_step=1.0)


def wide(params: Params) -> dict[str, Any]:
    """Every octave of width gains 0.02, surely; below 16 it costs half of the loss."""
    octaves = WIDE.coordinate(params["width"])
    loss = 1.0 + 0.02 * (6 - octaves) + (params["noise"] - 0.2) ** 2
    return {"value": loss + (0.5 if octaves < 4 else 0.0), "stderr": 1e-3}


def test_the_last_tenth_of_a_study_looks_for_a_smaller_network(
    play: Callable[..., Any], forest_space: SearchSpace
) -> None:
    """From the smallest one that is not worse; the leader is shipped all the same."""
    plan = Plan(n_trials=6, shrink=0.1, use_model=False, n_seeds=1)
    space = replace(forest_space, levers=(WIDE, forest_space.levers[1]))
    search = play(wide, space, 6, plan=plan)
    assert 5 == [suggestion.phase for suggestion in search.suggestions].index(Phase.SHRINK)
    assert "is a smaller network worse by less than 10 % (width 32 -> 16)" == search.suggestions[5].reason
    leader = leader_of(History.of(search.trials), plan)
    assert leader is not None
    assert 64 == space.params(leader.configuration.point)["width"]


def test_a_search_that_ends_early_shrinks_before_it_stops(play: Callable[..., Any], forest_space: SearchSpace) -> None:
    """Down to the smallest width that pays; it stops for the search's own reason."""
    space = replace(forest_space, levers=(WIDE, forest_space.levers[1]))
    search = play(wide, space, plan=Plan(shrink=0.1, use_model=False, n_seeds=1))
    assert search.stop is not None
    assert "nothing left to try" in search.stop.reason
    shrunk = [space.params(each.point)["width"] for each in search.suggestions if each.phase is Phase.SHRINK]
    assert [16, 8] == shrunk


def test_a_margin_that_is_none_is_refused() -> None:
    """Zero would let no network be smaller."""
    with pytest.raises(ValueError, match="`shrink` must be a positive share of the loss, got 0"):
        Plan(shrink=0.0)
