"""Studies replayed on learning-curve tables, over trials and over seconds."""

import math

import pytest

from benchmarks.arms import RANDOM_TWICE
from benchmarks.curve_report import cost_table, cost_to, first_cost_to, regret_at
from benchmarks.curve_studies import BUDGETS, MAX_COST, OURS, Cell, run_cell

TRACE = [(1.0, 80.0), (2.0, 8.0), (3.0, 30.0), (4.5, 9.0), (6.0, 2.0)]


def test_regret_is_that_of_what_would_be_shipped_then() -> None:
    """Of the last trial that has ended; before the first one there is nothing to ship."""
    assert [100.0, 80.0, 8.0, 2.0] == [regret_at(TRACE, cost, without=100.0) for cost in (0.5, 1.0, 2.9, 50.0)]


def test_a_target_counts_as_reached_when_it_is_kept() -> None:
    """A lucky choice that is taken back does not count."""
    assert 4.5 == cost_to(TRACE, target=10.0)
    assert math.inf == cost_to(TRACE, target=1.0)


def test_a_target_may_be_reached_and_left_again() -> None:
    """The first time is in the second trial, which the third one takes back."""
    assert 2.0 == first_cost_to(TRACE, target=10.0)
    assert math.inf == first_cost_to(TRACE, target=1.0)


def test_the_cost_table_says_who_is_first() -> None:
    """In seconds; an arm that does not get there in half of its runs never does."""
    traces = {"ours": {"a": [TRACE] * 3}, "TPE": {"a": [TRACE[:1]] * 3}}
    ours, tpe = cost_table(traces, {"a": 2.0}).splitlines()[2:]
    assert "| ours | 9 [9, 9] | 1 of 1 |" == ours
    assert "| TPE | never [never, never] | 0 of 1 |" == tpe


@pytest.mark.slow
def test_ours_replays_on_both_axes_and_comes_down() -> None:
    """On a real table; costs ascend and end within the limit and one training."""
    result = run_cell(Cell("breast_cancer", "ours", 0))["ours"]
    costs = [cost for cost, _ in result["secs"]]
    assert len(BUDGETS) == len(result["trials"])
    assert costs == sorted(costs)
    assert costs[-1] < MAX_COST + 10
    assert result["secs"][-1][1] < 100


def test_random_search_twice_has_the_same_trials_in_half_the_time() -> None:
    """Two machines; on the axis of trials twice the budget."""
    found = run_cell(Cell("breast_cancer", "random", 0))
    once, twice = found["random"], found[RANDOM_TWICE]
    assert [cost / 2 for cost, _ in once["secs"]] == [cost for cost, _ in twice["secs"]]
    assert once["trials"][1:] == twice["trials"][:-1]


def test_the_starts_differ_where_their_names_say_so() -> None:
    """Started small is the smallest network, with or without all of the regularization."""
    from benchmarks.tables import load

    space = load("breast_cancer").space
    starts = {name: variant.space(space, 0).start() for name, variant in OURS.items()}
    assert {"units": 3, "layers": 1, "dropout": 0, "l2": 0} == starts["ours"]
    assert {"units": 0, "layers": 0, "dropout": 3, "l2": 3} == starts["ours, started small"]
    assert {"units": 0, "layers": 0, "dropout": 0, "l2": 0} == starts["ours, small network"]
