"""The test set opens once."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tuning.data import sealed
from tuning.data.examples import Examples
from tuning.errors import SearchError


def three_examples() -> Examples:
    """Return three examples of one feature."""
    return Examples(np.ones((3, 1), np.uint8), np.array([0, 1, 0]))


def test_opens_once() -> None:
    """The first opening gives the examples, the second is an error of the user's kind."""
    examples = three_examples()
    box = sealed.SealedTest(examples)

    assert box.open() is examples
    with pytest.raises(sealed.TestSetOpened, match="opens once"):
        box.open()
    assert issubclass(sealed.TestSetOpened, SearchError)


def test_tells_its_size_before_and_after() -> None:
    """The number of examples is no secret."""
    box = sealed.SealedTest(three_examples())

    assert box.n_examples == 3
    box.open()
    assert box.n_examples == 3


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_copy_is_no_second_chance(duplicate: Callable[[Any], object]) -> None:
    """It can be neither copied nor pickled."""
    with pytest.raises(TypeError, match="cannot be copied or pickled"):
        duplicate(sealed.SealedTest(three_examples()))
