"""What a loss makes of outputs, against the losses of Keras itself."""

import keras
import numpy as np
import pytest
from scipy.special import softmax

from tuning.evaluation.readings import (
    CLIPPED,
    DIVIDED,
    LOGITS,
    TWICE,
    are_probabilities,
    readings,
    scores_as_read,
)

RNG = np.random.default_rng(0)
OUTPUTS = RNG.normal(scale=4.0, size=(300, 10))
LABELS = RNG.integers(0, 10, 300)


def keras_loss(outputs: np.ndarray, *, from_logits: bool) -> float:
    """The mean loss that Keras reports."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
    return float(loss(LABELS, outputs.astype("float32")))


def test_each_reading_is_the_loss_that_keras_reports() -> None:
    """Logits read rightly, logits taken for probabilities, and a softmax before a loss from logits."""
    losses = readings(OUTPUTS, LABELS)
    assert keras_loss(OUTPUTS, from_logits=True) == pytest.approx(losses[LOGITS], rel=1e-4)
    assert keras_loss(OUTPUTS, from_logits=False) == pytest.approx(losses[CLIPPED], rel=1e-4)
    assert keras_loss(softmax(OUTPUTS, axis=1), from_logits=True) == pytest.approx(losses[TWICE], rel=1e-4)


def test_probabilities_read_as_probabilities_cost_what_their_logits_cost() -> None:
    """Under both kinds of backend, as long as none is so small that it is clipped."""
    losses = readings(softmax(OUTPUTS / 4, axis=1), LABELS)
    assert readings(OUTPUTS / 4, LABELS)[LOGITS] == pytest.approx(losses[CLIPPED], rel=1e-5)
    assert losses[CLIPPED] == pytest.approx(losses[DIVIDED], rel=1e-5)


def test_dividing_by_a_negative_sum_turns_the_best_answer_into_the_worst() -> None:
    """JAX's and PyTorch's backends make a right answer cost -ln(1e-7) where its row sums to less than 0."""
    assert readings([[2.0, -3.0]], [0])[DIVIDED] == pytest.approx(-np.log(1e-7))
    assert readings([[2.0, -1.0]], [0])[DIVIDED] == pytest.approx(0.0, abs=1e-6)


def test_rows_that_sum_to_zero_are_no_error() -> None:
    """There the shares are infinite, and clipped."""
    assert np.isfinite(readings([[1.0, -1.0]], [0])[DIVIDED])


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ([[0.25, 0.75], [1.0, 0.0]], True),
        ([[0.25, 0.75], [0.7, 0.7]], False),
        ([[1.5, -0.5]], False),
        ([[0.0, 0.0]], False),
    ],
)
def test_probabilities_are_rows_that_sum_to_1_without_a_negative(outputs: list[list[float]], expected: bool) -> None:
    """Every row counts."""
    assert expected == are_probabilities(outputs)


def test_probabilities_of_half_precision_are_recognised() -> None:
    """Their rows miss 1 by rounding."""
    assert are_probabilities(softmax(OUTPUTS, axis=1).astype(np.float16))


def test_scores_of_probabilities_give_these_probabilities_back() -> None:
    """Softmax of the scores, up to the clipping."""
    probabilities = softmax(OUTPUTS, axis=1)
    np.testing.assert_allclose(
        softmax(scores_as_read(probabilities, from_logits=False), axis=1), probabilities, atol=1e-6
    )
