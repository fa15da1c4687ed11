"""Can a curve still catch up? Scripted learning curves; nothing is trained."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning.strategy.catch_up import Incumbent, forecast, judge
from tuning.strategy.configuration import Configuration
from tuning.strategy.reaction import Reaction, measure
from tuning.strategy.records import TrialRecord

FLAT = [1.0, 0.9, 0.9, 0.9, 0.9, 0.9]


def power_law(n_epochs: int, *, floor: float = 0.1, gain: float = 0.4, exponent: float = 0.7) -> list[float]:
    """A learning curve as networks have it: floor + gain * epoch^-exponent."""
    return [floor + gain * epoch**-exponent for epoch in range(1, n_epochs + 1)]


def can_catch_up(values: list[float], value: float, *, max_epochs: int = 30, stderr: float = 0.0) -> bool:
    """Whether a curve may go on beside an incumbent of a value."""
    verdict = judge(values, Incumbent((), value, stderr), max_epochs)
    return verdict is None or verdict.can_catch_up


def test_a_falling_curve_may_go_on() -> None:
    """It falls by 0.07 a doubling and has two doublings left."""
    assert can_catch_up(power_law(7), value=0.14)


def test_a_flat_curve_cannot_catch_up() -> None:
    """A line without a slope stays where it is."""
    assert not can_catch_up(FLAT, value=0.5)


def test_a_turned_curve_is_taken_for_flat() -> None:
    """What rises again may fall again, but no lower than by its jitter."""
    turned = [0.6, 0.5, 0.45, 0.46, 0.48, 0.51, 0.55]
    assert not can_catch_up(turned, value=0.2)
    assert can_catch_up(turned, value=0.44)


def test_where_the_incumbent_would_have_been_cut_nothing_is() -> None:
    """Accuracies of a network with batch normalization, which lie at that of guessing for six epochs and rise then."""
    late = [-0.17, -0.12, -0.10, -0.10, -0.11, -0.13, -0.28, -0.49, -0.53, -0.67, -0.75, -0.88]
    incumbent = Incumbent(tuple(late), -0.88, 0.02)
    assert judge([-0.12, -0.30, -0.30, -0.28, -0.26], incumbent, max_epochs=12) is None
    flat = judge([-0.10] * 10, incumbent, max_epochs=12)  # by then the incumbent had risen
    assert flat is not None
    assert not flat.can_catch_up


def test_an_incumbent_that_stopped_early_would_not_have_been_cut() -> None:
    """It reached its value within its own curve."""
    verdict = judge([1.0, *FLAT], Incumbent((0.9, 0.5, 0.4, 0.4, 0.4, 0.4), 0.4), max_epochs=30)
    assert verdict is not None
    assert not verdict.can_catch_up


def test_only_the_epochs_left_count() -> None:
    """The same curve with one epoch left comes too late."""
    assert not can_catch_up(power_law(7), value=0.14, max_epochs=8)


@pytest.mark.parametrize("n_epochs", [1, 4])
def test_a_young_curve_is_left_alone(n_epochs: int) -> None:
    """The first epochs say nothing of the last ones."""
    assert judge(FLAT[:n_epochs], Incumbent((), 0.0), max_epochs=30) is None


def test_the_last_epoch_has_no_verdict() -> None:
    """What has been trained to the end may as well be counted."""
    assert judge(FLAT, Incumbent((), 0.0), max_epochs=len(FLAT)) is None


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_curve_that_is_not_finite_has_no_verdict(broken: float) -> None:
    """Its earlier epochs may still win; what ends it is the stop rule."""
    assert judge([*FLAT, broken], Incumbent((), 0.1), max_epochs=30) is None


def test_a_jittering_curve_is_given_more_room() -> None:
    """Around the same course, what is noisier could reach more."""
    course = np.array(power_law(10))
    noise = 0.02 * np.array([1, -1] * 5)
    assert forecast(course, 30)[1] < forecast(course + noise, 30)[1]


def test_a_curve_within_the_noise_of_the_incumbent_goes_on() -> None:
    """0.9 is no strong loss against 0.5 if a standard error is 0.32: 2 * sqrt(2 * 0.2) * 0.32 = 0.405."""
    assert can_catch_up(FLAT, value=0.5, stderr=0.32)
    assert not can_catch_up(FLAT, value=0.5, stderr=0.2)


def test_the_target_is_where_a_strong_loss_begins() -> None:
    """A cut trial tells the strategy what its full training would have told."""
    incumbent = Incumbent((), 0.5, 0.01)
    base = TrialRecord(0, (0.0,), value=0.5, stderr=0.01)

    def reaction(value: float) -> Reaction:
        challenger = TrialRecord(1, (1.0,), value=value, stderr=0.01)
        return measure(Configuration((base,)), Configuration((challenger,))).reaction

    assert Reaction.STRONG_LOSS is reaction(incumbent.target + 1e-6)
    assert Reaction.LOSS is reaction(incumbent.target - 1e-6)


@given(
    floor=st.floats(0, 1),
    gain=st.floats(0.01, 2),
    exponent=st.floats(0.05, 2),
    n_epochs=st.integers(5, 29),
)
def test_a_power_law_never_gets_below_its_forecast(floor: float, gain: float, exponent: float, n_epochs: int) -> None:
    """Whatever its floor and speed, so none is cut whose last epoch would have won."""
    curve = np.array(power_law(30, floor=floor, gain=gain, exponent=exponent))
    expected, margin = forecast(curve[:n_epochs], 30)
    assert expected - margin <= curve[-1] + 1e-9
    assert expected <= curve[:n_epochs].min()


def test_the_reason_tells_the_numbers() -> None:
    """Epoch, its best, the incumbent's until then, what it could reach and what it needs."""
    verdict = judge(FLAT, Incumbent((0.7, 0.6, 0.58, 0.57, 0.55, 0.54, 0.5), 0.5), max_epochs=30)
    assert verdict is not None
    assert (6, 0.9, 0.54, 0.5) == (verdict.epoch, verdict.best, verdict.incumbent_best, verdict.target)
    assert verdict.reason == (
        "cannot catch up: at epoch 6 of 30 its best is 0.9, the incumbent's until then 0.54; "
        "it could reach 0.9 at best and needs 0.5"
    )


def test_a_maximized_objective_is_told_in_its_own_terms() -> None:
    """Accuracies come in negated and are shown as they are."""
    verdict = judge([-0.1, -0.2, -0.2, -0.2, -0.2, -0.2], Incumbent((-0.5,), -0.7), max_epochs=30, maximize=True)
    assert verdict is not None
    assert not verdict.can_catch_up
    assert "its best is 0.2, the incumbent's until then 0.5" in verdict.reason
    assert "needs 0.7" in verdict.reason
    assert 0.2 == pytest.approx(verdict.expected_value)


@pytest.mark.parametrize("stderr", [-0.1, math.nan])
def test_a_standard_error_is_not_negative(stderr: float) -> None:
    """And it is a number."""
    with pytest.raises(ValueError, match="stderr"):
        Incumbent((), 0.5, stderr)
