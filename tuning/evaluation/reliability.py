"""Confidence against accuracy in bins: calibration errors with their noise, and the Brier score in its three parts.

A calibration error is never 0 on finitely many examples, and bins make it larger still. So it comes with an interval,
and with the error that a perfectly calibrated model would show on as many examples:

    error = calibration_error(confidence, correct, equal_mass=False, seed=0)
    error.value <= error.by_chance   # no miscalibration shown

Sources: Naeini, Cooper and Hauskrecht 2015, "Obtaining well calibrated probabilities using Bayesian binning", AAAI
(the error); Nguyen and O'Connor 2015, EMNLP (bins of equal mass); Brocker and Smith 2007, Weather and Forecasting 22
(what chance alone shows); Brier 1950, Mon. Weather Rev. 78; Murphy 1973, J. Appl. Meteorol. 12:595; Stephenson, Coelho
and Jolliffe 2008, Weather and Forecasting 23:752 (parts of the Brier score that add up in bins).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuning.evaluation.metrics import Interval

N_BINS = 15
_N_RESAMPLES = 500
_CACHED_EXAMPLES = 100_000


@dataclass(frozen=True, slots=True)
class CalibrationError:
    """An expected calibration error and how far to believe it; all fractions from 0 to 1.

    Attributes:
        value: Sum over bins of (bin size / examples) * |accuracy - confidence|.
        interval: Its 95 % interval, basic bootstrap: mirrored at the value, which takes out the upward bias, and down
            to 0 where chance explains the value. Of 100 draws of 300 examples it covers the true error in 80 to 95
            (percentiles that are not mirrored: in 0 to 30 where the true error is 0.02 or less).
        by_chance: What a model that is right as often as it says stays below 95 times of 100, on these examples.
    """

    value: float
    interval: Interval
    by_chance: float

    def __post_init__(self) -> None:
        if not (0 <= self.value <= 1 and self.interval.low >= 0 and self.interval.high <= 1):
            raise ValueError(f"Calibration errors must lie within [0, 1], but got {self}.")

    @property
    def is_shown(self) -> bool:
        """Whether the error is larger than chance explains."""
        return self.value > self.by_chance


@dataclass(frozen=True, slots=True)
class Brier:
    """Mean squared distance of probabilities from the truth: reliability - resolution + uncertainty, over all classes.

    Attributes:
        score: From 0 (sure and right) to 2 (sure and wrong).
        reliability: What miscalibration costs, at least 0; smaller is better.
        resolution: What telling examples apart saves; larger is better. Within-bin terms belong to it, so that the
            three parts add up to the score (Stephenson et al. 2008, generalised resolution).
        uncertainty: What guessing the class frequencies costs; a property of the labels.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float


def calibration_error(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], *, equal_mass: bool, seed: int, n_bins: int = N_BINS
) -> CalibrationError:
    """Return the expected calibration error of stated confidences.

    Args:
        confidence: Probability of the answer, in (0, 1], shape (examples,).
        correct: Whether the answer is right, shape (examples,).
        equal_mass: Bins that hold equally many examples, equal confidences together; else bins of equal width.
        seed: Of the bootstrap and of the simulated answers, at least 0.
        n_bins: At least 1.

    Raises:
        ValueError: If there are no bins or no examples, or a confidence is out of its range.
    """
    if n_bins < 1 or not len(confidence):
        raise ValueError(f"At least one bin and one example are needed, but got {n_bins=}, {len(confidence)} examples.")
    if not (confidence.min() > 0 and confidence.max() <= 1 + 1e-9):
        raise ValueError(f"`confidence` must lie in (0, 1], but got {confidence.min()} to {confidence.max()}.")
    value = binned_error(confidence, correct, n_bins=n_bins, equal_mass=equal_mass)
    bins = _bins(confidence, n_bins, equal_mass)
    n, rng = len(confidence), np.random.default_rng(seed)
    resampled, chance = [], []
    for rows in _chunks(n):
        draws = rng.integers(0, n, (rows, n), dtype=np.int32)
        resampled.append(_errors(bins[draws], (correct - confidence)[draws]))
        chance.append(_errors(np.broadcast_to(bins, (rows, n)), (rng.random((rows, n)) < confidence) - confidence))
    low, high = np.percentile(np.concatenate(resampled), (2.5, 97.5))
    by_chance = float(np.percentile(np.concatenate(chance), 95))
    mirrored_low = 0.0 if value <= by_chance else max(0.0, 2 * value - float(high))
    interval = Interval(mirrored_low, min(1.0, max(mirrored_low, 2 * value - float(low))))
    return CalibrationError(value, interval, by_chance)


def binned_error(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], *, n_bins: int = N_BINS, equal_mass: bool = False
) -> float:
    """Return the expected calibration error alone, a fraction; arguments as for `calibration_error`."""
    return float(_errors(_bins(confidence, n_bins, equal_mass)[np.newaxis], (correct - confidence)[np.newaxis])[0])


def brier(probabilities: NDArray[np.float64], labels: NDArray[np.integer], n_bins: int = N_BINS) -> Brier:
    """Return the Brier score over all classes and its parts, from bins of equal width for each class.

    Args:
        probabilities: Rows that sum to 1, shape (examples, classes).
        labels: True classes, integers, shape (examples,).
        n_bins: Bins of (0, 1] for each class, at least 1.
    """
    n, n_classes = probabilities.shape
    truth = np.zeros_like(probabilities)
    truth[np.arange(n), labels] = 1.0
    cells = (width_bins(probabilities, n_bins) + n_bins * np.arange(n_classes)).ravel()
    sizes = np.bincount(cells)
    # A cell's size times its squared mean gap: no division by the empty cells.
    summed_gaps = np.bincount(cells, weights=(probabilities - truth).ravel())
    reliability = float((summed_gaps**2 / np.maximum(sizes, 1)).sum() / n)
    frequency = truth.mean(axis=0)
    uncertainty = float((frequency * (1 - frequency)).sum())
    score = float(np.square(probabilities - truth).sum() / n)
    return Brier(score, reliability, reliability + uncertainty - score, uncertainty)


def _errors(bins: NDArray[np.intp], gaps: NDArray[np.float64]) -> NDArray[np.float64]:
    """The calibration error of each row of examples."""
    rows, n = gaps.shape
    n_bins = int(bins.max()) + 1
    cells = bins + n_bins * np.arange(rows)[:, np.newaxis]
    # A bin's share times its mean gap is its summed gap over all examples: no division by empty bins.
    summed = np.bincount(cells.ravel(), weights=gaps.ravel(), minlength=rows * n_bins)
    errors: NDArray[np.float64] = np.abs(summed.reshape(rows, n_bins)).sum(axis=1) / n
    return errors


def _chunks(n: int) -> list[int]:
    """How many resamples to draw at a time: few enough to stay in the processor's cache."""
    size = max(1, min(_N_RESAMPLES, _CACHED_EXAMPLES // n))
    return [min(size, _N_RESAMPLES - start) for start in range(0, _N_RESAMPLES, size)]


def _bins(confidence: NDArray[np.float64], n_bins: int, equal_mass: bool) -> NDArray[np.intp]:
    return _mass_bins(confidence, n_bins) if equal_mass else width_bins(confidence, n_bins)


def width_bins(values: NDArray[np.float64], n_bins: int) -> NDArray[np.intp]:
    """Bins of equal width, each closed on the right; 0 belongs to the first."""
    return np.clip(np.ceil(values * n_bins).astype(np.intp) - 1, 0, n_bins - 1)


def _mass_bins(values: NDArray[np.float64], n_bins: int) -> NDArray[np.intp]:
    edges = np.quantile(values, np.arange(1, n_bins) / n_bins)
    return np.searchsorted(edges, values, side="left")
