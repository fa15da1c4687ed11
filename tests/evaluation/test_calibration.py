"""Temperature and expected calibration error, on logits whose calibration is known by construction."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from tuning.evaluation.calibration import (
    LOG_TEMPERATURE_BOUNDS,
    expected_calibration_error,
    fit_temperature,
)
from tuning.evaluation.metrics import correct_per_example, nll_per_example

DrawExamples = Callable[..., tuple[NDArray[np.float64], NDArray[np.intp]]]


@pytest.mark.parametrize("scale", [1 / 50, 1.0, 248.0, 20_000.0])
def test_temperature_finds_the_scale_of_the_logits(draw_calibrated: DrawExamples, scale: float) -> None:
    """Calibrated logits times 248 need 248, as a network trained on [0, 1] and fed 0 to 255 does."""
    logits, labels = draw_calibrated(10_000, seed=0)
    assert scale == pytest.approx(fit_temperature(scale * logits, labels), rel=0.03)


def test_loss_at_the_fitted_temperature_does_not_depend_on_the_scale(draw_calibrated: DrawExamples) -> None:
    """What remains after scaling is what the decisions cost."""
    logits, labels = draw_calibrated(5000, seed=1)
    losses = [
        nll_per_example(scaled / fit_temperature(scaled, labels), labels).mean() for scaled in (logits, 248 * logits)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)  # the prior's pull


@pytest.mark.parametrize("n_examples", [3, 30, 300])
def test_temperature_agrees_with_a_fine_grid(draw_calibrated: DrawExamples, n_examples: int) -> None:
    """No temperature of a grid of 501 is more probable than the fitted one: likelihood times prior."""
    logits, labels = draw_calibrated(n_examples, seed=2, n_classes=3)

    logits *= 2.5
    temperatures = np.array([fit_temperature(logits, labels), *np.exp(np.linspace(-1, 2, 501))])
    losses = [nll_per_example(logits / temperature, labels).sum() for temperature in temperatures]
    improbability = losses - stats.t.logpdf(np.log(temperatures), 4, scale=0.5)
    assert improbability[0] <= improbability[1:].min() + 1e-9


@given(seed=st.integers(0, 10_000), log_scale=st.floats(-8, 12), n_examples=st.integers(1, 40))
def test_temperature_never_hurts_the_examples_on_which_it_was_fitted(
    draw_calibrated: DrawExamples, seed: int, log_scale: float, n_examples: int
) -> None:
    """Also for a handful of examples, all right or all wrong."""
    logits, labels = draw_calibrated(n_examples, seed, n_classes=3)
    logits *= math.exp(log_scale)
    fitted = fit_temperature(logits, labels)
    assert math.exp(LOG_TEMPERATURE_BOUNDS[0]) <= fitted <= math.exp(LOG_TEMPERATURE_BOUNDS[1])
    assert nll_per_example(logits / fitted, labels).mean() <= nll_per_example(logits, labels).mean()


@given(seed=st.integers(0, 10_000), log_temperature=st.floats(*LOG_TEMPERATURE_BOUNDS))
def test_temperature_changes_no_decision(draw_calibrated: DrawExamples, seed: int, log_temperature: float) -> None:
    """Accuracy is the same by construction."""
    logits, labels = draw_calibrated(30, seed)
    scaled = logits / math.exp(log_temperature)
    assert correct_per_example(logits, labels).tolist() == correct_per_example(scaled, labels).tolist()


@pytest.mark.parametrize(("n_examples", "at_least", "at_most"), [(2, 0.8, 1), (50, 0.2, 0.6), (5000, 0.02, 0.2)])
def test_right_answers_make_a_model_surer_the_more_there_are(n_examples: int, at_least: float, at_most: float) -> None:
    """Without a prior, two of them would make it infinitely sure."""
    logits, labels = np.tile([[2.0, 0.0], [0.0, 1.0]], (n_examples // 2, 1)), np.tile([0, 1], n_examples // 2)
    assert at_least < fit_temperature(logits, labels) < at_most


def test_wrong_answers_make_a_model_doubt_the_more_there_are() -> None:
    """Wrong ones cannot be doubted enough."""
    logits = np.array([[2.0, 0.0], [0.0, 1.0]])
    temperatures = [fit_temperature(np.tile(logits, (n, 1)), np.tile([1, 0], n)) for n in (1, 10, 1000)]
    assert 1 < temperatures[0] < 2 < temperatures[1] < 50 < temperatures[2]


def test_temperature_is_1_where_no_other_is_better() -> None:
    """A loss of exactly zero cannot fall."""
    assert fit_temperature(1e5 * np.eye(3), [0, 1, 2]) == 1.0


def test_calibration_error_of_calibrated_logits_is_near_0(draw_calibrated: DrawExamples) -> None:
    """What is left is the noise of 200,000 draws."""
    logits, labels = draw_calibrated(200_000, seed=3)
    assert expected_calibration_error(logits, labels) < 0.005


def test_calibration_error_of_a_perfectly_calibrated_construction_is_0() -> None:
    """Ten examples say 70 %, seven are right; ten say 90 %, nine are right."""
    logits = np.log(np.repeat([[0.7, 0.3], [0.9, 0.1]], 10, axis=0))
    labels = np.array([0] * 7 + [1] * 3 + [0] * 9 + [1])
    assert pytest.approx(expected_calibration_error(logits, labels), abs=1e-12) == 0.0


def test_calibration_error_equals_the_gap_computed_by_hand() -> None:
    """Four of five examples say 80 % and two are right (gap 0.3); one says 60 % and is wrong (gap 0.6)."""
    logits = np.log([[0.8, 0.2]] * 4 + [[0.6, 0.4]])
    assert pytest.approx(expected_calibration_error(logits, [0, 0, 1, 1, 1])) == 0.8 * 0.3 + 0.2 * 0.6


def test_calibration_error_is_the_plain_gap_in_a_single_bin() -> None:
    """Over- and underconfidence cancel inside a bin, so the bins matter."""
    logits = np.log([[0.8, 0.2], [0.6, 0.4]])
    assert pytest.approx(expected_calibration_error(logits, [0, 1], n_bins=1)) == 0.2
    assert pytest.approx(expected_calibration_error(logits, [0, 1], n_bins=15)) == 0.4


def test_calibration_error_puts_a_boundary_into_the_lower_bin() -> None:
    """Bins are closed on the right, as in the paper: 0.5 does not share the upper of two bins with 0.9."""
    logits = [[0.0, 0.0], np.log([0.9, 0.1])]
    assert pytest.approx(expected_calibration_error(logits, [0, 1], n_bins=2)) == ((1 - 0.5) + (0.9 - 0)) / 2


def test_calibration_error_after_scaling_is_that_of_the_scaled_logits(draw_calibrated: DrawExamples) -> None:
    """The temperature divides the logits before anything else."""
    logits, labels = draw_calibrated(500, seed=4)
    assert expected_calibration_error(logits / 5, labels) == expected_calibration_error(logits, labels, 5.0)


def test_sure_answers_do_not_fall_out_of_the_last_bin() -> None:
    """A confidence of exactly 1 with half the answers wrong is an error of 0.5."""
    assert expected_calibration_error(1e5 * np.eye(2), [0, 0]) == 0.5


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.inf, math.nan])
def test_calibration_error_rejects_an_impossible_temperature(temperature: float) -> None:
    """Dividing by it would mean nothing."""
    with pytest.raises(ValueError, match="`temperature` must be finite and above 0"):
        expected_calibration_error(np.eye(2), [0, 1], temperature)


def test_calibration_error_rejects_no_bins() -> None:
    """At least one bin is needed."""
    with pytest.raises(ValueError, match="`n_bins` must be at least 1, but got 0"):
        expected_calibration_error(np.eye(2), [0, 1], n_bins=0)
