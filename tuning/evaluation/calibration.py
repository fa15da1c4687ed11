"""Does the model know how sure it may be? One temperature repairs the scale of its logits.

Dividing all logits by a temperature leaves every decision as it is and splits the loss in two: what the
decisions cost (the loss after scaling) and what a wrong scale adds (the rest). A temperature far above 1 is
also a symptom: a network trained on pixels in [0, 1] and fed 0 to 255 needs about 255.

    temperature = fit_temperature(val_logits, val_labels)
    loss = nll_per_example(test_logits / temperature, test_labels).mean()

Source: Guo, Pleiss, Sun and Weinberger 2017, "On Calibration of Modern Neural Networks", ICML.
"""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import softmax

from tuning.evaluation.metrics import check_examples, correct_per_example, nll_per_example

LOG_TEMPERATURE_BOUNDS = (-6.0, 12.0)
"""Natural logarithms: wide enough for logits that are 400 times too small or 160,000 times too large."""


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """Return the temperature that minimises the mean negative log-likelihood of these examples.

    Fit it on validation examples only, then apply it to the test examples. The loss is convex in 1/T, so one
    bounded search in log T finds its only minimum. Examples that are all correct ask for the smallest
    temperature, examples that are all wrong for the largest; where no temperature is better than 1, it is 1.

    Args:
        logits: Raw scores, shape (examples, classes).
        labels: True classes, integers, shape (examples,).

    Returns:
        The temperature, between e^-6 and e^12.

    Raises:
        ValueError: If `check_examples` rejects the arrays.
    """
    from scipy.optimize import minimize_scalar  # slow to import, needed only here

    scores, classes = check_examples(logits, labels)

    def mean_nll(log_temperature: float) -> float:
        return float(nll_per_example(scores / math.exp(log_temperature), classes).mean())

    fitted = minimize_scalar(mean_nll, bounds=LOG_TEMPERATURE_BOUNDS, method="bounded")
    # The search never looks at T = 1 itself: comparing with it makes "scaling never hurts" exact.
    return math.exp(min(0.0, float(fitted.x), key=mean_nll))


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
    bins = np.ceil(confidence * n_bins).astype(np.intp) - 1
    # A bin's share times its mean gap is its summed gap over all examples: no division by empty bins.
    summed_gaps = np.bincount(bins, weights=correct_per_example(scores, classes) - confidence)
    return float(np.abs(summed_gaps).sum() / len(classes))
