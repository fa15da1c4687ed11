"""Scores whose probabilities are known."""

import numpy as np
import pytest

from tuning.pictures.scored import Scored

PROBABILITIES = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1], [0.05, 0.05, 0.9], [0.5, 0.3, 0.2]]
LABELS = [0, 1, 1, 0, 0]


@pytest.fixture
def scored() -> Scored:
    """Five examples of three classes, the third and the fourth wrong, at temperature 1."""
    return Scored(np.log(PROBABILITIES), np.array(LABELS), 1.0)
