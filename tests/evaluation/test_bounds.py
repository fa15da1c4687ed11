"""What a loss can be at an accuracy: the numbers of the puzzle, and outputs that reach the bounds."""

import numpy as np
import pytest
from scipy.special import softmax

from tuning.evaluation.bounds import loss_bounds
from tuning.evaluation.readings import CLIPPED, LOGITS, TWICE, readings

CLIPPED_NAME, ONE_HOT_NAME, TWICE_NAME, LOGITS_NAME = (each.reading for each in loss_bounds(10, 0.98))


def test_bounds_of_ten_classes_at_98_percent() -> None:
    """2.58 clipped, 0.32 one-hot, 1.461 to 2.461 after two softmaxes."""
    clipped, one_hot, twice, logits = loss_bounds(10, 0.98)
    assert pytest.approx(clipped.high, abs=0.005) == 2.58
    assert pytest.approx((one_hot.low, one_hot.high), abs=0.005) == (0.32, 0.32)
    assert pytest.approx((twice.low, twice.high), abs=5e-4) == (1.461, 2.461)
    assert logits.high is None


def test_a_loss_of_4_7_at_98_percent_leaves_logits_only() -> None:
    """The puzzle that this began with."""
    assert [LOGITS_NAME] == [bound.reading for bound in loss_bounds(10, 0.98) if bound.allows(4.7)]


def test_a_loss_of_0_08_rules_out_a_second_softmax() -> None:
    """And one-hot answers."""
    ruled_out = [bound.reading for bound in loss_bounds(10, 0.97) if not bound.allows(0.08)]
    assert [ONE_HOT_NAME, TWICE_NAME] == ruled_out


def test_outputs_reach_the_bounds_and_do_not_pass_them() -> None:
    """One-hot answers, probabilities without an opinion, and random ones, right in 7 of 10 cases."""
    labels = np.arange(10) % 5
    answers = np.where(np.arange(10) < 7, labels, (labels + 1) % 5)
    random = np.random.default_rng(0).normal(size=(10, 5))
    random[np.arange(10), answers] = random.max(axis=1) + 0.1
    clipped, one_hot, twice, logits = loss_bounds(5, 0.7)
    assert one_hot.low == pytest.approx(readings(np.eye(5)[answers], labels)[CLIPPED])
    hardly = np.full((10, 5), 0.2) + 1e-9 * np.eye(5)[answers]
    hardly[7:] = np.eye(5)[answers[7:]]
    assert clipped.high == pytest.approx(readings(hardly, labels)[CLIPPED], rel=1e-6)
    for outputs in (random, 100 * random):
        assert clipped.allows(readings(softmax(outputs, axis=1), labels)[CLIPPED])
        assert twice.allows(readings(outputs, labels)[TWICE])
        assert logits.allows(readings(outputs, labels)[LOGITS])


@pytest.mark.parametrize(("n_classes", "accuracy"), [(1, 0.5), (10, 1.2), (10, -0.1)])
def test_impossible_arguments_are_rejected(n_classes: int, accuracy: float) -> None:
    """There is no such classifier."""
    with pytest.raises(ValueError, match="are needed, but got"):
        loss_bounds(n_classes, accuracy)
