"""Logits with known properties for the tests of this folder."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

Examples = tuple[NDArray[np.float64], NDArray[np.intp]]


def _draw_calibrated(n_examples: int, seed: int, n_classes: int = 10) -> Examples:
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=3.0, size=(n_examples, n_classes))
    thresholds = softmax(logits, axis=1).cumsum(axis=1)[:, :-1]
    return logits, (thresholds < rng.random((n_examples, 1))).sum(axis=1)


@pytest.fixture(scope="session")
def draw_calibrated() -> Callable[..., Examples]:
    """Draws logits, and labels from exactly the probabilities that they state: the true temperature is 1.

    Called with `n_examples`, `seed` and, where it is not 10, `n_classes`.
    """
    return _draw_calibrated
