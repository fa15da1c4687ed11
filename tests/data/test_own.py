"""A user's own data, in any of the usual forms."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tuning.data.own import arrays_of
from tuning.errors import DataError

X, Y = np.arange(12.0).reshape(6, 2), np.array([0, 1, 2, 0, 1, 2])
ONE_HOT = np.eye(3)[Y]


@pytest.mark.parametrize(
    "loaded",
    [
        (X, Y),
        [X, ONE_HOT],
        {"x": X, "y": Y},
        {"x_train": X, "y_train": Y},
        tf.data.Dataset.from_tensor_slices((X, Y)),
        tf.data.Dataset.from_tensor_slices((X, Y)).batch(4),
        tf.data.Dataset.from_tensor_slices((X, ONE_HOT)),
        tf.data.Dataset.from_tensor_slices((X, ONE_HOT)).batch(4, drop_remainder=False),
    ],
)
def test_every_form_gives_the_same_arrays(loaded: Any) -> None:  # noqa: ANN401
    """Arrays, dicts and datasets, with class numbers or one-hot labels."""
    arrays = arrays_of(loaded)
    np.testing.assert_array_equal(X, arrays["x_train"])
    np.testing.assert_array_equal(Y, arrays["y_train"])


@pytest.mark.parametrize(
    "loaded",
    [
        ((X, Y), (X[:2], Y[:2])),
        {"x_train": X, "y_train": Y, "x_test": X[:2], "y_test": Y[:2]},
        tuple(tf.data.Dataset.from_tensor_slices(pair).batch(5) for pair in ((X, Y), (X[:2], Y[:2]))),
    ],
)
def test_a_test_part_comes_along(loaded: Any) -> None:  # noqa: ANN401
    """As Keras' own data sets have it."""
    assert (6, 2) == (len(arrays_of(loaded)["y_train"]), len(arrays_of(loaded)["y_test"]))


WRONG: Mapping[str, Any] = {
    r"data must be .* but got builtins.NoneType": None,
    r"got a tuple of 3": (X, Y, Y),
    r"got a dict with a, b": {"a": X, "b": Y},
    r"repeats for ever": tf.data.Dataset.from_tensor_slices((X, Y)).repeat(),
    r"must give \(x, y\)": tf.data.Dataset.from_tensor_slices(X),
}


@pytest.mark.parametrize("told", WRONG)
def test_other_forms_are_refused_with_those_there_are(told: str) -> None:
    """One sentence, no traceback."""
    with pytest.raises(DataError, match=told):
        arrays_of(WRONG[told])
