"""Loss and error from logits, and Wilson's interval, against hand-computed and published values."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning.evaluation.metrics import (
    Interval,
    correct_per_example,
    error_rate,
    nll_per_example,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("n_correct", "n_examples", "low", "high"),
    [
        (9800, 10_000, 0.9771, 0.9826),
        (9700, 10_000, 0.9665, 0.9732),
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, Stat. Med. 17:857, table I
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_has_the_published_limits(n_correct: int, n_examples: int, low: float, high: float) -> None:
    """Four digits of published examples, from usual shares to an empty one."""
    interval = wilson_interval(n_correct, n_examples)
    assert (low, high) == (round(interval.low, 4), round(interval.high, 4))


@given(n_examples=st.integers(1, 100_000), share=st.floats(0, 1), confidence=st.floats(0.01, 0.999))
def test_wilson_interval_holds_the_share_within_0_and_1(n_examples: int, share: float, confidence: float) -> None:
    """Also where all or none are correct."""
    n_correct = round(share * n_examples)
    interval = wilson_interval(n_correct, n_examples, confidence)
    assert 0 <= interval.low <= n_correct / n_examples <= interval.high <= 1


def test_more_confidence_needs_a_wider_interval() -> None:
    """The confidence is used, not only accepted."""
    assert wilson_interval(90, 100, 0.99).low < wilson_interval(90, 100, 0.9).low


@pytest.mark.parametrize(("n_correct", "n_examples"), [(-1, 10), (11, 10), (0, 0)])
def test_wilson_interval_rejects_impossible_counts(n_correct: int, n_examples: int) -> None:
    """Rule and value stand in the message."""
    with pytest.raises(ValueError, match=rf"n_correct={n_correct}, n_examples={n_examples}"):
        wilson_interval(n_correct, n_examples)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, math.nan])
def test_wilson_interval_rejects_a_confidence_that_is_no_fraction(confidence: float) -> None:
    """Percent given for a fraction is the likely slip."""
    with pytest.raises(ValueError, match="`confidence` must lie between 0 and 1"):
        wilson_interval(5, 10, confidence)


@pytest.mark.parametrize(("low", "high"), [(1.0, 0.0), (math.nan, 1.0), (0.0, math.inf)])
def test_interval_rejects_limits_out_of_order(low: float, high: float) -> None:
    """An interval is finite and in order, or it is a mistake."""
    with pytest.raises(ValueError, match="low <= high"):
        Interval(low, high)


def test_nll_equals_the_loss_computed_by_hand() -> None:
    """Three classes with probabilities 1/7, 2/7, 4/7, and a uniform row."""
    logits = [[0.0, math.log(2), math.log(4)], [3.0, 3.0, 3.0]]
    np.testing.assert_allclose([math.log(7 / 2), math.log(3)], nll_per_example(logits, [1, 0]), rtol=1e-14)


def test_nll_is_exact_for_huge_logits() -> None:
    """A right answer by 1e5 costs nothing, a wrong one 1e5 nats, and a tie keeps all its digits."""
    logits = np.array([[1e5, 0.0], [1e5, 0.0], [1e5, 1e5]])
    np.testing.assert_allclose([0.0, 1e5, math.log(2)], nll_per_example(logits, [0, 1, 0]), rtol=1e-14)


def test_nll_keeps_the_digits_of_a_tiny_loss_beside_large_logits() -> None:
    """A margin of 30 costs log(1 + e^-30), with an offset of 100,000 as well as without."""
    logits = np.array([[30.0, 0.0]]) + 1e5
    np.testing.assert_allclose([math.log1p(math.exp(-30))], nll_per_example(logits, [0]), rtol=1e-9)


def test_error_counts_the_rows_whose_largest_logit_is_another_class() -> None:
    """One wrong of four."""
    logits, labels = [[2.0, 1.0], [0.0, 1.0], [5.0, 1.0], [0.0, 9.0]], [0, 1, 1, 1]
    assert correct_per_example(logits, labels).tolist() == [True, True, False, True]
    assert error_rate(logits, labels) == 0.25


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros((0, 3)), np.zeros(0, int), r"at least one example and two classes, but got \(0, 3\)"),
        (np.zeros((2, 1)), [0, 0], r"at least one example and two classes, but got \(2, 1\)"),
        (np.zeros(3), [0, 1, 2], r"shape \(examples, classes\)"),
        (np.zeros((2, 3)), [0, 1, 2], r"`labels` must have the shape \(2,\), one an example, but got \(3,\)"),
        (np.zeros((2, 3)), [[0], [1]], r"but got \(2, 1\)"),
        (np.zeros((2, 3)), [0.0, 1.0], "`labels` must be integers, but got float64"),
        (np.zeros((2, 3)), [0, 3], "`labels` must lie from 0 to 2, but got 0 to 3"),
        (np.zeros((2, 3)), [-1, 2], "`labels` must lie from 0 to 2, but got -1 to 2"),
        ([[math.nan, 0.0], [0.0, 1.0]], [0, 1], "finite, but 1 of 2 examples have NaN or infinity"),
        ([[math.inf, 0.0], [0.0, -math.inf]], [0, 1], "finite, but 2 of 2 examples"),
    ],
)
def test_unusable_examples_are_rejected_with_rule_and_value(logits: object, labels: object, message: str) -> None:
    """Shapes, types, range and finite values, each with its own message."""
    with pytest.raises(ValueError, match=message):
        nll_per_example(np.asarray(logits), np.asarray(labels))
