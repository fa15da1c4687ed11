"""Seconds predicted from the history."""

import numpy as np
import pytest

from search_spaces import SearchSpace
from tuning.strategy.configuration import Configuration
from tuning.strategy.cost import predicted_secs
from tuning.strategy.local_model import propose
from tuning.strategy.records import TrialRecord


def timed(space: SearchSpace) -> list[Configuration]:
    """A width doubles the seconds with every octave; noise costs nothing."""
    points = [(w, n) for w in (1.0, 2.0, 4.0, 6.0) for n in (0.0, 0.5, 1.0)]
    return [Configuration((TrialRecord(i, p, value=1.0 + p[1], secs=2.0 ** p[0]),)) for i, p in enumerate(points)]


def test_seconds_follow_the_levers_that_cost(forest_space: SearchSpace) -> None:
    """Between the measured widths."""
    secs = predicted_secs(forest_space, timed(forest_space), [(3.0, 0.0), (3.0, 1.0), (5.0, 0.5)])
    assert secs[0] == pytest.approx(8.0, rel=0.2)
    assert secs[1] == pytest.approx(secs[0], rel=0.05)
    assert secs[2] == pytest.approx(32.0, rel=0.2)


def test_before_capacity_has_moved_it_is_taken_to_cost_half_as_much_again(forest_space: SearchSpace) -> None:
    """A first step of it; regularization is taken to cost nothing."""
    found = [Configuration((TrialRecord(0, (3.0, 0.0), value=1.0, secs=10.0),))]
    secs = predicted_secs(forest_space, found, [(3.0, 0.5), (4.0, 0.0), (5.0, 0.0)])
    np.testing.assert_allclose([10.0, 15.0, 22.5], secs)


def test_seconds_are_not_predicted_far_beyond_what_was_measured(forest_space: SearchSpace) -> None:
    """A power law that was seen between 2 and 8 seconds is not believed at hours."""
    found = [Configuration((TrialRecord(i, (1.0 + i / 2, 0.0), value=1.0, secs=2.0 * 8.0**i),)) for i in range(2)]
    assert 64.0 == pytest.approx(predicted_secs(forest_space, found, [(6.0, 0.0)])[0])


def test_without_durations_everything_costs_the_same(forest_space: SearchSpace) -> None:
    """So that gain per second is gain."""
    found = [Configuration((TrialRecord(0, (1.0, 0.0), value=1.0),))]
    np.testing.assert_array_equal([1.0, 1.0], predicted_secs(forest_space, found, [(1.0, 0.0), (6.0, 1.0)]))


def test_with_a_time_budget_seconds_are_weighed_against_the_gain(forest_space: SearchSpace) -> None:
    """The width does nothing for the loss and costs everything: no wider than without a clock."""
    found = timed(forest_space)
    patient, hasty = (propose(forest_space, found, frozenset(), 0, is_timed=is_timed)[1] for is_timed in (False, True))
    assert patient is not None
    assert hasty is not None
    assert hasty.point[0] <= patient.point[0]
    assert hasty.why.endswith("improvement a second there")
