"""Calibration errors with their noise, and the parts of the Brier score: constructions and published formulas."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tuning.evaluation.calibration import expected_calibration_error
from tuning.evaluation.reliability import CalibrationError, brier, calibration_error

LEVELS = np.array([0.55, 0.65, 0.75, 0.85, 0.95])


def drawn(n: int, seed: int, shift: float = 0.0) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Confidences of five levels, each right less often than it says by `shift`: that is the calibration error."""
    rng = np.random.default_rng(seed)
    confidence = rng.choice(LEVELS, n)
    return confidence, rng.random(n) < confidence - shift


def error_of(n: int, seed: int, shift: float, *, equal_mass: bool = False) -> CalibrationError:
    """The calibration error of such a draw."""
    return calibration_error(*drawn(n, seed, shift), equal_mass=equal_mass, seed=seed)


def test_value_is_the_expected_calibration_error() -> None:
    """The same number as from logits, bins of equal width."""
    logits = np.random.default_rng(0).normal(size=(200, 3))
    labels = np.random.default_rng(1).integers(0, 3, 200)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    error = calibration_error(
        probabilities.max(axis=1), probabilities.argmax(axis=1) == labels, equal_mass=False, seed=0
    )
    assert expected_calibration_error(logits, labels) == pytest.approx(error.value)


def test_bins_of_equal_mass_keep_equal_confidences_together() -> None:
    """Half right at the one confidence there is: the gap is the same however many bins share it."""
    confidence, correct = np.full(10, 0.9), np.arange(10) < 5
    for n_bins in (1, 3, 15):
        error = calibration_error(confidence, correct, equal_mass=True, seed=0, n_bins=n_bins)
        assert pytest.approx(error.value) == 0.4


def test_bins_of_equal_mass_part_what_one_wide_bin_hides() -> None:
    """Confidences 0.95 (too low) and 0.99 (too high) share a wide bin, where they cancel."""
    confidence = np.repeat([0.95, 0.99], 100)
    correct = np.concatenate([np.ones(100), np.arange(100) < 94]).astype(bool)
    wide, mass = (calibration_error(confidence, correct, equal_mass=x, seed=0).value for x in (False, True))
    assert pytest.approx(wide, abs=1e-12) == 0.0
    assert pytest.approx(mass) == 0.05


def test_interval_covers_the_true_error_most_of_the_time() -> None:
    """Of 20 draws at least 16 at every error; the plain percentile interval covers a true error of 0 never."""
    for shift in (0.0, 0.1):
        intervals = [error_of(300, seed, shift).interval for seed in range(20)]
        assert sum(interval.holds(shift) for interval in intervals) >= 16


def test_chance_alone_explains_the_error_of_calibrated_answers_only() -> None:
    """Calibrated draws stay below what chance gives nearly always, answers 15 points too sure never."""
    assert sum(error_of(300, seed, 0.0).is_shown for seed in range(20)) <= 3
    assert all(error_of(300, seed, 0.15).is_shown for seed in range(10))


@pytest.mark.parametrize("confidence", [[0.0, 0.5], [0.5, 1.1]])
def test_impossible_confidence_is_rejected(confidence: list[float]) -> None:
    """A confidence is a probability of the answer given."""
    with pytest.raises(ValueError, match=r"`confidence` must lie in \(0, 1\]"):
        calibration_error(np.array(confidence), np.array([True, False]), equal_mass=False, seed=0)


def test_brier_parts_are_those_of_murphy_where_forecasts_are_equal_within_bins() -> None:
    """Ten forecasts of 0.9 (eight right) and ten of 0.3 (four right) of class 0, computed by hand."""
    first = np.repeat([0.9, 0.3], 10)
    labels = np.concatenate([np.arange(10) >= 8, np.arange(10) >= 4]).astype(int)
    parts = brier(np.stack([first, 1 - first], axis=1), labels)
    assert pytest.approx(parts.reliability) == 2 * (0.5 * 0.1**2 + 0.5 * 0.1**2)
    assert pytest.approx(parts.resolution) == 2 * (0.5 * 0.2**2 + 0.5 * 0.2**2)
    assert pytest.approx(parts.uncertainty) == 2 * 0.6 * 0.4
    assert pytest.approx(parts.score) == parts.reliability - parts.resolution + parts.uncertainty


def test_brier_resolution_holds_the_two_terms_within_bins() -> None:
    """Stephenson et al. 2008, equations 5 to 7: resolution less within-bin variance plus within-bin covariance."""
    rng = np.random.default_rng(2)
    first = rng.random(500)
    labels = (rng.random(500) > first).astype(int)
    expected = 0.0
    for forecasts, truth in ((first, 1.0 - labels), (1 - first, 1.0 * labels)):
        bins = np.ceil(forecasts * 15).astype(int)
        for k in np.unique(bins):
            p, y = forecasts[bins == k], truth[bins == k]
            variance, covariance = np.square(p - p.mean()).mean(), ((y - y.mean()) * (p - p.mean())).mean()
            expected += len(p) / 500 * ((y.mean() - truth.mean()) ** 2 - variance + 2 * covariance)
    assert expected == pytest.approx(brier(np.stack([first, 1 - first], axis=1), labels).resolution)


@pytest.mark.parametrize(("sure_of", "expected"), [(0, 0.0), (1, 2.0)])
def test_brier_score_of_sure_answers(sure_of: int, expected: float) -> None:
    """0 where right, 2 where wrong."""
    assert expected == brier(np.eye(3)[[sure_of]], np.array([0])).score
