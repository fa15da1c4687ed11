"""The z table, what counts as noise, trials without a value, and the parabola's vertex."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning.strategy.configuration import Configuration
from tuning.strategy.reaction import Reaction, measure, react, vertex
from tuning.strategy.records import Outcome, TrialRecord

LOSSES = st.floats(-1e300, 1e300)
BASE = Configuration((TrialRecord(0, (0.0,), value=1.0, stderr=0.1),))


def challenger(value: float | None, stderr: float | None = 0.1, outcome: Outcome = Outcome.COMPLETE) -> Configuration:
    """Return a trial one step beside the base."""
    return Configuration((TrialRecord(1, (1.0,), outcome, value, stderr),))


@pytest.mark.parametrize(
    ("z", "reaction"),
    [
        (math.inf, Reaction.STRONG_GAIN),
        (2.0, Reaction.STRONG_GAIN),
        (1.99, Reaction.WEAK_GAIN),
        (1.0, Reaction.WEAK_GAIN),
        (0.99, Reaction.FLAT),
        (0.0, Reaction.FLAT),
        (-0.99, Reaction.FLAT),
        (-1.0, Reaction.LOSS),
        (-1.99, Reaction.LOSS),
        (-2.0, Reaction.STRONG_LOSS),
        (-math.inf, Reaction.STRONG_LOSS),
    ],
)
def test_the_z_table(z: float, reaction: Reaction) -> None:
    """One and two standard errors of the difference separate the five reactions."""
    assert reaction is react(z)


def test_only_gains_are_taken_on_their_merit() -> None:
    """What `is_gain` means for each reaction."""
    assert [True, True, False, False, False] == [reaction.is_gain for reaction in Reaction]


def test_a_change_is_measured_in_standard_errors_of_a_paired_difference() -> None:
    """sqrt(0.2 (0.1^2 + 0.1^2)) = 0.0632: a fall by 0.1 is 1.58 of them."""
    response = measure(BASE, challenger(0.9))
    assert 0.1 == pytest.approx(response.improvement)
    assert 1.581 == pytest.approx(response.z, abs=1e-3)
    assert Reaction.WEAK_GAIN is response.reaction


@pytest.mark.parametrize(
    ("value", "reaction"), [(0.995, Reaction.FLAT), (0.985, Reaction.WEAK_GAIN), (1.03, Reaction.STRONG_LOSS)]
)
def test_without_standard_errors_one_percent_of_the_value_is_noise(value: float, reaction: Reaction) -> None:
    """A study of any objective steers by its values alone."""
    assert reaction is measure(BASE, challenger(value, stderr=None)).reaction


def test_the_same_value_is_flat_whatever_the_noise() -> None:
    """A zero over a zero is no reaction."""
    zero = Configuration((TrialRecord(0, (0.0,), value=0.0),))
    assert Reaction.FLAT is measure(zero, challenger(0.0, stderr=None)).reaction


@pytest.mark.parametrize("outcome", [Outcome.DIVERGED, Outcome.OUT_OF_MEMORY, Outcome.PRUNED])
def test_a_trial_that_led_out_of_the_feasible_region_is_a_strong_loss(outcome: Outcome) -> None:
    """The move has to be turned round."""
    assert Reaction.STRONG_LOSS is measure(BASE, challenger(None, outcome=outcome)).reaction


def test_a_failed_trial_says_nothing_of_the_lever() -> None:
    """It is flat, which rests the lever."""
    assert Reaction.FLAT is measure(BASE, challenger(None, outcome=Outcome.FAILED)).reaction


def test_any_value_beats_a_base_without_one() -> None:
    """The move led back into the feasible region; two trials without a value do not differ."""
    diverged = TrialRecord(0, (0.0,), Outcome.DIVERGED)
    assert Reaction.STRONG_GAIN is measure(diverged, challenger(5.0)).reaction
    assert Reaction.FLAT is measure(diverged, challenger(None, outcome=Outcome.DIVERGED)).reaction


@given(LOSSES, LOSSES, st.floats(0, 1e300))
def test_every_pair_of_values_gets_a_reaction(base: float, value: float, stderr: float) -> None:
    """No overflow, no NaN, and swapping the two swaps gain and loss."""
    a = Configuration((TrialRecord(0, (0.0,), value=base, stderr=stderr),))
    b = Configuration((TrialRecord(1, (1.0,), value=value, stderr=stderr),))
    assert measure(a, b).z == -measure(b, a).z


@given(st.floats(-4, 4), st.floats(0.1, 5), st.floats(0.1, 5), st.floats(-0.9, 0.9))
def test_the_vertex_of_a_parabola_is_found_exactly(at: float, left: float, right: float, share: float) -> None:
    """Three points of a parabola determine it; the middle one is nearer to the vertex than either side."""
    points = [(at + x, 3.0 * x * x) for x in (-left, share * min(left, right), right)]
    assert at == pytest.approx(vertex(*points), abs=1e-6)


@given(LOSSES, LOSSES, LOSSES, st.floats(0.1, 5), st.floats(0.1, 5))
def test_the_vertex_lies_inside_its_bracket(x: float, y: float, z: float, left: float, right: float) -> None:
    """Whatever the losses, the next experiment is between the known ones."""
    lowest, *sides = sorted((x, y, z))
    assert -left <= vertex((-left, sides[0]), (0.0, lowest), (right, sides[1])) <= right


@pytest.mark.parametrize(
    ("left", "right", "best"),
    [(math.inf, 2.0, 1.0), (2.0, math.inf, -1.0), (math.inf, math.inf, -1.0), (0.0, 0.0, 0.0)],
)
def test_without_a_parabola_the_vertex_is_in_the_middle(left: float, right: float, best: float) -> None:
    """Of the side that gave a number, else of the wider or first side; three equal losses have no slope at all."""
    assert best == vertex((-2.0, left), (0.0, 0.0), (2.0, right))


@pytest.mark.parametrize("middle", [(0.0, 3.0), (5.0, 0.0)])
def test_three_points_that_bracket_nothing_are_refused(middle: tuple[float, float]) -> None:
    """The middle must be lowest, and in the middle."""
    with pytest.raises(ValueError, match="bracket"):
        vertex((-1.0, 1.0), middle, (1.0, 2.0))
