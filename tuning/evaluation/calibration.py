"""Does the model know how sure it may be? One temperature repairs the scale of its logits.

Dividing all logits by a temperature leaves every decision as it is and splits the loss in two: what the
decisions cost (the loss after scaling) and what a wrong scale adds (the rest). A temperature far above 1 is
also a symptom: a network trained on pixels in [0, 1] and fed 0 to 255 needs about 255.

    temperature = fit_temperature(val_logits, val_labels)
    loss = nll_per_example(test_logits / temperature, test_labels).mean()

A few validation examples, nearly all right, would ask for a network that is infinitely sure, and its one error on the
test set would cost all that was gained. So the fit is penalised: the logarithm of the temperature has a prior round 0,
which a handful of examples does not outweigh and a few hundred do. It is Student's, whose long tails let go of logits
whose scale is altogether wrong.

Sources: Guo, Pleiss, Sun and Weinberger 2017, "On Calibration of Modern Neural Networks", ICML; for such
priors, Gelman, Jakulin, Pittau and Su 2008, "A weakly informative default prior distribution for logistic and other
regression models", Annals of Applied Statistics 2(4). What it gained: "Temperatures of few examples" in
benchmarks/RESULTS.md.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax

from tuning.evaluation.metrics import check_examples, correct_per_example
from tuning.evaluation.reliability import binned_error

_FIRST_STEP = 0.5  # of the search for a temperature, a logarithm

# Of the prior: half of all temperatures are between 0.7 and 1.45, nine of ten between 0.35 and 2.9.
_PRIOR_SCALE, _PRIOR_FREEDOM = 0.5, 4
_N_GRID = 65

LOG_TEMPERATURE_BOUNDS = (-6.0, 12.0)
"""Natural logarithms: wide enough for logits that are 400 times too small or 160,000 times too large."""


def calibrated_nll(logits: ArrayLike, labels: ArrayLike) -> float:
    """Return the mean negative log-likelihood of these examples at the temperature fitted to them, in nats.

    Args:
        logits: Raw scores, shape (examples, classes).
        labels: True classes, integers, shape (examples,).

    Raises:
        ValueError: If `check_examples` rejects the arrays.
    """
    gaps = _gaps(logits, labels)
    return _mean_nll(gaps * math.exp(-_best_log_temperature(gaps)))


def fit_temperature(logits: ArrayLike, labels: ArrayLike, *, n_labels: int = 1) -> float:
    """Return the most probable temperature: lowest negative log-likelihood of these examples, with a prior round 1.

    Fit it on validation examples only, then apply it to the test examples. A handful of examples leaves it near 1, also
    where they are all right, or all wrong. The loss of these examples is never higher than at 1.

    Args:
        logits: Raw scores, shape (examples, classes).
        labels: True classes, integers, shape (examples,).
        n_labels: How many rows belong to one example: they are no more evidence than one.

    Returns:
        The temperature, between e^-6 and e^12.

    Raises:
        ValueError: If `check_examples` rejects the arrays.
    """
    gaps = _gaps(logits, labels)
    return math.exp(_probable_log_temperature(gaps, gaps.shape[1] / n_labels))


def _gaps(logits: ArrayLike, labels: ArrayLike) -> NDArray[np.floating]:
    """Each score's distance to the true class's, shape (classes, examples), as precise as the logits are.

    Classes first, because sums over a short last axis would take most of the time.
    """
    scores, classes = check_examples(logits, labels)
    true_scores = scores[np.arange(len(classes)), classes, np.newaxis]
    return np.ascontiguousarray((scores - true_scores).T, dtype=np.result_type(np.asarray(logits), np.float32))


def _best_log_temperature(gaps: NDArray[np.floating]) -> float:
    # The root-finder never looks at T = 1 itself: comparing with it makes "scaling never hurts" exact.
    return min(0.0, _flat_log_temperature(gaps), key=lambda log_t: _mean_nll(gaps * math.exp(-log_t)))


def _probable_log_temperature(gaps: NDArray[np.floating], n_examples: float) -> float:
    """Where the examples' loss and the prior's penalty together are lowest: between 0 and the best one without it."""
    from scipy.optimize import minimize_scalar  # slow to import, needed only here

    def cost(log_t: float) -> float:
        penalty = (_PRIOR_FREEDOM + 1) / 2 * math.log1p((log_t / _PRIOR_SCALE) ** 2 / _PRIOR_FREEDOM)
        return n_examples * _mean_nll(gaps * math.exp(-log_t)) + penalty

    # There may be two valleys, the prior's and that of the examples: the grid shows which is lower.
    grid = np.linspace(0.0, _flat_log_temperature(gaps), _N_GRID)
    lowest = int(np.argmin([cost(log_t) for log_t in grid]))
    low, high = sorted((grid[max(lowest - 1, 0)], grid[min(lowest + 1, _N_GRID - 1)]))
    found = float(minimize_scalar(cost, bounds=(low, high), method="bounded", options={"xatol": 1e-4}).x)
    return min(0.0, found, key=cost)


def _mean_nll(gaps: NDArray[np.floating]) -> float:
    """Mean loss from the gaps to the true class's score, shape (classes, examples)."""
    largest = gaps.max(axis=0)
    return float((np.log(np.exp(gaps - largest).sum(axis=0)) + largest).mean())


def _flat_log_temperature(gaps: NDArray[np.floating]) -> float:
    """Where the loss neither rises nor falls with the temperature, or the bound towards which it falls."""
    from scipy.optimize import brentq  # slow to import, needed only here

    def slope(log_temperature: float) -> float:
        """Of the mean loss in 1/T: the mean gap to the true class, weighted by the probabilities."""
        scaled = gaps * math.exp(-log_temperature)
        weights = np.exp(scaled - scaled.max(axis=0))
        return float(((weights * gaps).sum(axis=0) / weights.sum(axis=0)).mean())

    low, high = LOG_TEMPERATURE_BOUNDS
    # Most networks' temperatures are near 1, where few steps find them; this is asked after every epoch.
    step = _FIRST_STEP if slope(0.0) > 0 else -_FIRST_STEP
    here, there = 0.0, step
    while (slope(there) > 0) == (step > 0):
        if there in (low, high):
            return there
        step *= 4
        here, there = there, min(max(there + step, low), high)
    return float(brentq(slope, here, there, xtol=1e-4))


def expected_calibration_error(
    logits: ArrayLike, labels: ArrayLike, temperature: float = 1.0, n_bins: int = 15
) -> float:
    """Return how far confidence and accuracy lie apart, averaged over bins of equal confidence width.

    Args:
        logits: Raw scores, shape (examples, classes).
        labels: True classes, integers, shape (examples,).
        temperature: Divides the logits first, above 0.
        n_bins: Equal-width bins of (0, 1], each closed on the right, at least 1.

    Returns:
        The expected calibration error, a fraction: sum over bins of (bin size / examples) * |gap|.

    Raises:
        ValueError: If the temperature, the bins or the arrays are out of their range.

    Source: Guo et al. 2017, equation 3.
    """
    if not 0 < temperature < math.inf:
        raise ValueError(f"`temperature` must be finite and above 0, but got {temperature}.")
    if n_bins < 1:
        raise ValueError(f"`n_bins` must be at least 1, but got {n_bins}.")
    scores, classes = check_examples(logits, labels)
    confidence = softmax(scores / temperature, axis=1).max(axis=1)
    return binned_error(confidence, correct_per_example(scores, classes), n_bins=n_bins)
