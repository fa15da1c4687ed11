"""What a cross-entropy makes of a network's outputs: logits, or probabilities that it clips.

A framework computes the loss from logits or from probabilities as it is told, whatever the outputs are. Told wrongly,
it reports a number that is no property of the network. These functions compute what it would report:

    readings(outputs, labels)   # {"logits": 0.09, "probabilities, clipped": 1.9, ...}

Source: `sparse_categorical_crossentropy` of Keras 3, TensorFlow's backend and the others.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax

from tuning.evaluation.metrics import check_examples, nll_per_example

EPSILON = 1e-7
"""Keras clips probabilities into [EPSILON, 1 - EPSILON]."""

LOGITS = "logits"
CLIPPED = "probabilities, clipped (Keras on TensorFlow)"
DIVIDED = "probabilities, divided by their sum and clipped (Keras on JAX or PyTorch)"
TWICE = "logits after a softmax: softmax twice"

_ROUNDING = 1e-3  # of a row of half-precision probabilities


def are_probabilities(outputs: ArrayLike) -> bool:
    """Return whether every row is a distribution: nothing negative, sums of 1 up to rounding.

    Args:
        outputs: What a network returns, shape (examples, classes).
    """
    rows = np.asarray(outputs, dtype=np.float64)
    return bool(rows.min() >= 0 and np.abs(rows.sum(axis=1) - 1).max() <= _ROUNDING)


def scores_as_read(outputs: ArrayLike, *, from_logits: bool) -> NDArray[np.float64]:
    """Return the scores whose softmax the loss compares with the labels, shape (examples, classes).

    Args:
        outputs: What a network returns, shape (examples, classes).
        from_logits: As in Keras: whether the loss takes the outputs for logits, or for probabilities, which it clips.
    """
    rows = np.asarray(outputs, dtype=np.float64)
    return rows if from_logits else np.log(np.clip(rows, EPSILON, 1 - EPSILON))


def readings(outputs: ArrayLike, labels: ArrayLike) -> dict[str, float]:
    """Return the mean loss under every reading of the outputs, in nats an example.

    Args:
        outputs: What a network returns, shape (examples, classes).
        labels: True classes, integers, shape (examples,).

    Raises:
        ValueError: If `check_examples` rejects the arrays.
    """
    rows, classes = check_examples(outputs, labels)
    return {
        LOGITS: float(nll_per_example(rows, classes).mean()),
        CLIPPED: float(nll_per_example(scores_as_read(rows, from_logits=False), classes).mean()),
        DIVIDED: _divided(rows, classes),
        TWICE: float(nll_per_example(softmax(rows, axis=1), classes).mean()),
    }


def _divided(rows: NDArray[np.float64], classes: NDArray[np.integer]) -> float:
    """The sum may be 0 or negative where the outputs are no probabilities: that is what these backends divide by."""
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.nan_to_num(rows / rows.sum(axis=1, keepdims=True))
    true_shares = shares[np.arange(len(classes)), classes]
    return float(-np.log(np.clip(true_shares, EPSILON, 1 - EPSILON)).mean())
