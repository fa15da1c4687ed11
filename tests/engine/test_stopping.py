"""The stop rule on scripted validation curves."""

import math

import pytest

from tuning.engine.stopping import StopRule, generalization_loss_percent

PATIENT = StopRule(patience=1000)


def stops_at(curve: list[float], rule: StopRule) -> tuple[int, str] | None:
    """The epoch (1-based) after which a training with this curve ends, and why."""
    for epoch in range(1, len(curve) + 1):
        reason = rule.reason_to_stop(curve[:epoch])
        if reason is not None:
            return epoch, reason
    return None


def test_falling_curve_goes_on() -> None:
    """However slowly it falls, every epoch is a new minimum."""
    assert stops_at([1.0 - 1e-6 * t for t in range(200)], StopRule(patience=1)) is None


def test_flat_curve_stops_when_patience_has_run_out() -> None:
    """An equal value is no improvement: minimum at epoch 1, patience 6, stop after epoch 7."""
    assert (7, "no improvement for 6 epochs (best: epoch 1)") == stops_at([0.5] * 20, StopRule(patience=6))


def test_new_minimum_renews_patience() -> None:
    """Five bad epochs, a new minimum at epoch 7, then six bad ones."""
    curve = [0.5] * 6 + [0.499] + [0.5] * 20
    assert (13, "no improvement for 6 epochs (best: epoch 7)") == stops_at(curve, StopRule(patience=6))


def test_turned_curve_stops_before_patience() -> None:
    """A valley at epoch 6 and then a rise of 5 % an epoch."""
    curve = [1.0, 0.8, 0.7, 0.6, 0.55, 0.5, *(0.5 * 1.05**t for t in range(1, 20))]
    stopped = stops_at(curve, StopRule(generalization_loss_percent=10.0))
    assert stopped is not None
    assert 10 == stopped[0]
    assert stopped[1].startswith("the validation curve has turned")
    assert stopped[1].endswith("(epoch 6)")


def test_one_bad_epoch_is_no_turn() -> None:
    """A jump of 20 % for one epoch is under 10 % once it is smoothed over three."""
    curve = [0.5] * 10 + [0.6] + [0.5] * 10
    assert stops_at(curve, PATIENT) is None


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_infinite_value_stops_at_once(bad: float) -> None:
    """Also before `min_epochs`: what has diverged does not come back."""
    assert (2, "diverged at epoch 2") == stops_at([0.5, bad], StopRule(min_epochs=5))


def test_no_stop_before_min_epochs() -> None:
    """A curve that turns at once still gets its first epochs."""
    stopped = stops_at([1.0 + t for t in range(20)], StopRule(patience=1, min_epochs=8))
    assert stopped is not None
    assert 8 == stopped[0]


def test_generalization_loss_is_prechelts_on_the_smoothed_curve() -> None:
    """Means of three: 0.4 at the lowest (0.5, 0.4, 0.3), 0.5 at the end (0.3, 0.5, 0.7): 25 %."""
    assert pytest.approx(25.0) == generalization_loss_percent([0.6, 0.5, 0.4, 0.3, 0.5, 0.7])


def test_generalization_loss_of_a_perfect_network_is_0() -> None:
    """No example wrong for three epochs: the ratio has no meaning, patience decides."""
    assert 0.0 == generalization_loss_percent([0.0, 0.0, 0.0, 0.1])


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"patience": 0}, "got 0 and 5"),
        ({"min_epochs": 0}, "got 6 and 0"),
        ({"generalization_loss_percent": 0.0}, "got 0.0"),
        ({"generalization_loss_percent": math.nan}, "got nan"),
    ],
)
def test_rule_out_of_its_range_is_refused(settings: dict[str, float], named: str) -> None:
    """The message names the value."""
    with pytest.raises(ValueError, match=named):
        StopRule(**settings)
