"""Error, loss and the uncertainty of a share, all from raw logits.

Losses are computed from logits and never from probabilities: clipped probabilities hide what a wrong,
very confident answer costs. Everything else in this package builds on these few functions.

    nll_per_example([[2.0, 0.0]], [0])   # array([0.1269...]) nats
    wilson_interval(9800, 10_000)        # Interval(low=0.9771, high=0.9826)
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval, in the unit of the number that it belongs to."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise ValueError(f"`low <= high` must hold for finite limits, but got {self}.")

    def holds(self, value: float) -> bool:
        """Return whether a value lies within the limits: an interval of a difference that holds 0 shows none."""
        return self.low <= value <= self.high


def wilson_interval(n_correct: int, n_examples: int, confidence: float = 0.95) -> Interval:
    """Return Wilson's score interval of a share, which stays honest near 0 and 1.

    Args:
        n_correct: Successes, from 0 to `n_examples`.
        n_examples: Independent examples, at least 1.
        confidence: Coverage of the interval, between 0 and 1.

    Returns:
        The interval of the share, a fraction within [0, 1].

    Raises:
        ValueError: If a count or the confidence is out of its range.

    Source: Wilson 1927, J. Am. Stat. Assoc. 22.
    """
    if not 0 <= n_correct <= n_examples or n_examples < 1:
        raise ValueError(
            f"`0 <= n_correct <= n_examples` with at least one example must hold, "
            f"but got ({n_correct=}, {n_examples=})."
        )
    if not 0 < confidence < 1:
        raise ValueError(f"`confidence` must lie between 0 and 1, but got {confidence}.")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, shrinkage = n_correct / n_examples, 1 + z**2 / n_examples
    center = (share + z**2 / (2 * n_examples)) / shrinkage
    half_width = z / shrinkage * math.sqrt(share * (1 - share) / n_examples + (z / (2 * n_examples)) ** 2)
    # Rounding must not push a limit past the share itself when all or none are correct.
    return Interval(max(0.0, min(share, center - half_width)), min(1.0, max(share, center + half_width)))


def nll_per_example(logits: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Return the negative log-likelihood of every example.

    Args:
        logits: Raw scores, shape (examples, classes), of any finite size.
        labels: True classes, integers, shape (examples,).

    Returns:
        Losses in nats, shape (examples,), each at least 0.

    Raises:
        ValueError: If `check_examples` rejects the arrays.
    """
    scores, classes = check_examples(logits, labels)
    # Subtracting the largest score first keeps all digits of a small loss beside logits of 1e5.
    margins = scores - scores.max(axis=1, keepdims=True)
    return np.asarray(logsumexp(margins, axis=1) - margins[np.arange(len(classes)), classes])


def correct_per_example(logits: ArrayLike, labels: ArrayLike) -> NDArray[np.bool_]:
    """Return which examples the largest logit classifies correctly, shape (examples,)."""
    scores, classes = check_examples(logits, labels)
    return np.asarray(scores.argmax(axis=1) == classes)


def yes_or_no(logits: ArrayLike) -> NDArray[np.floating]:
    """Return every logit of a label as the two scores of a decision between no and yes.

    A sigmoid is a softmax over 0 and the logit, so whatever is known of classes holds for labels.

    Args:
        logits: Raw scores, any shape.

    Returns:
        Shape (number of logits, 2), in their order: 0 for no, the logit for yes.
    """
    yes = np.asarray(logits).reshape(-1)
    return np.stack([np.zeros_like(yes), yes], axis=1)


def error_rate(logits: ArrayLike, labels: ArrayLike) -> float:
    """Return the share of wrongly classified examples, a fraction."""
    return 1.0 - float(correct_per_example(logits, labels).mean())


def check_examples(logits: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.integer]]:
    """Return logits as float64 and labels as they are, or say what makes them unusable.

    Args:
        logits: Raw scores, shape (examples, classes), at least one example and two classes, all finite.
        labels: True classes, integers from 0 to classes - 1, shape (examples,).

    Raises:
        ValueError: If a shape, a type or a value breaks one of these rules.
    """
    scores, classes = np.asarray(logits, dtype=np.float64), np.asarray(labels)
    if scores.ndim != 2 or scores.shape[0] < 1 or scores.shape[1] < 2:
        raise ValueError(
            f"`logits` must have the shape (examples, classes) with at least one example and two classes, "
            f"but got {scores.shape}."
        )
    if classes.shape != scores.shape[:1]:
        raise ValueError(f"`labels` must have the shape {scores.shape[:1]}, one an example, but got {classes.shape}.")
    if not np.issubdtype(classes.dtype, np.integer):
        raise ValueError(f"`labels` must be integers, but got {classes.dtype}.")
    if classes.min() < 0 or classes.max() >= scores.shape[1]:
        raise ValueError(
            f"`labels` must lie from 0 to {scores.shape[1] - 1}, but got {classes.min()} to {classes.max()}."
        )
    if not np.isfinite(scores).all():
        n_bad = int((~np.isfinite(scores)).any(axis=1).sum())
        raise ValueError(f"`logits` must be finite, but {n_bad} of {len(scores)} examples have NaN or infinity.")
    return scores, classes
