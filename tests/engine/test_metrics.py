"""The metrics of an epoch, from predictions whose metrics are known by hand."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tuning.engine.metrics import EpochMetrics, Predictions, epoch_metrics, paired_stderr
from tuning.engine.task_criterion import CrossEntropyOfLogits

LABELS = np.array([0, 1, 0, 1])
RIGHT = np.array([[3, 0], [0, 1], [2, 0], [0, 1]], dtype=np.float32)
ONE_WRONG = np.array([[3, 0], [0, 1], [2, 0], [9, 0]], dtype=np.float32)


def predictions(logits: np.ndarray) -> Predictions:
    """As a program gives them."""
    of = CrossEntropyOfLogits()
    return Predictions(logits, of.losses(LABELS, tf.constant(logits)).numpy(), of.errors(LABELS, logits).numpy())


def measured(train_logits: np.ndarray, val_logits: np.ndarray) -> EpochMetrics:
    """The metrics of two sets of logits on the same labels."""
    return epoch_metrics(predictions(train_logits), predictions(val_logits), LABELS, CrossEntropyOfLogits())


def test_epoch_metrics_are_those_of_the_logits() -> None:
    """Train all right, one of four validation examples wrong by nine nats."""
    metrics = measured(RIGHT, ONE_WRONG)
    losses = np.log1p(np.exp([-3.0, -1.0, -2.0, 9.0]))
    assert (0.0, 0.25) == (metrics.train_error, metrics.val_error)
    assert np.log1p(np.exp([-3.0, -1.0, -2.0, -1.0])).mean() == pytest.approx(metrics.train_loss)
    assert losses.mean() == pytest.approx(metrics.val_loss)
    assert losses.std() == pytest.approx(metrics.val_loss_sd)


def test_calibrated_loss_is_what_remains_at_the_best_temperature() -> None:
    """Too sure of itself: the loss of the best scale is far below the raw one, and any scale gives the same."""
    raw, hot = (measured(RIGHT, scale * ONE_WRONG) for scale in (np.float32(1), np.float32(20)))
    assert raw.val_calibrated_loss < raw.val_loss < hot.val_loss
    assert raw.val_calibrated_loss == pytest.approx(hot.val_calibrated_loss, rel=1e-4)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_logits_that_are_not_finite_give_nan(bad: float) -> None:
    """In either part: nothing else of such a network is worth reporting."""
    diverged = np.where(RIGHT > 2, bad, RIGHT).astype(np.float32)
    for train_logits, val_logits in ((diverged, RIGHT), (RIGHT, diverged)):
        assert math.isnan(measured(train_logits, val_logits).val_loss)
    assert math.isnan(paired_stderr(predictions(RIGHT), predictions(diverged)))


def test_paired_stderr_is_that_of_the_differences() -> None:
    """Three examples do not change, one does: sd of (0, 0, 0, d) over the root of four."""
    difference = np.log1p(np.exp(9.0)) - np.log1p(np.exp(-1.0))
    assert np.std([0, 0, 0, difference]) / 2 == pytest.approx(paired_stderr(predictions(RIGHT), predictions(ONE_WRONG)))
    assert 0.0 == paired_stderr(predictions(ONE_WRONG), predictions(ONE_WRONG))


def test_a_loss_without_a_value_an_example_has_no_noise() -> None:
    """Its mean counts, its standard error is unknown rather than 0."""
    whole = Predictions(RIGHT, np.array([0.5], np.float32), np.empty(0, bool))
    metrics = epoch_metrics(whole, whole, LABELS, CrossEntropyOfLogits())
    assert 0.5 == metrics.val_loss
    assert math.isnan(metrics.val_loss_sd)
    assert math.isnan(metrics.val_error)
    assert math.isnan(paired_stderr(whole, whole))
