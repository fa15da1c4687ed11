"""Broken data is refused before the first trial: the rule, the value and the way out in a sentence."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tuning.data import Dataset
from tuning.data.checks import check_arrays, check_split, count_shared
from tuning.data.examples import Examples
from tuning.errors import DataError

Arrays = dict[str, Any]
Load = Callable[..., Dataset]


def nan_pixels(count: int) -> np.ndarray:
    """Return float pictures of which `count` pixels are NaN."""
    images = np.linspace(0.0, 1.0, 60 * 16).reshape(60, 4, 4)
    images.flat[5 : 5 + count] = np.nan
    return images


BROKEN = {
    "no y_train": ({"y_train": None}, "y_train is missing; it has x_test, x_train, y_test"),
    "no x_train": ({"x_train": None}, "x_train is missing; it has x_test, y_test, y_train"),
    "x_test alone": ({"y_test": None}, "has only x_test"),
    "y_test alone": ({"x_test": None}, "has only y_test"),
    "fewer labels": ({"y_train": np.arange(59) % 3}, "60 examples and y_train 59 labels"),
    "fewer test labels": ({"y_test": np.arange(11) % 3}, "12 examples and y_test 11 labels"),
    "text inputs": ({"x_train": np.full((60, 2), "a")}, "x_train is <U1: encode them"),
    "complex inputs": ({"x_train": np.ones((60, 2), complex)}, "x_train is complex128"),
    "flat inputs": ({"x_train": np.arange(60)}, r"x_train has \(60,\): .*reshape\(-1, 1\)"),
    "a number": ({"x_train": np.float32(3)}, r"x_train has \(\)"),
    "no examples": ({"x_train": np.zeros((0, 4, 4))}, r"x_train has the shape \(0, 4, 4\)"),
    "no features": ({"x_train": np.zeros((60, 0))}, r"x_train has the shape \(60, 0\)"),
    "no test examples": ({"x_test": np.zeros((0, 4, 4))}, r"x_test has the shape \(0, 4, 4\)"),
    "NaN": ({"x_train": nan_pixels(3), "x_test": np.ones((12, 4, 4))}, "x_train has 3 NaN or infinite"),
    "infinity in test": ({"x_test": np.full((12, 4, 4), np.inf), "x_train": nan_pixels(0)}, "x_test has 192"),
    "beyond float32": ({"x_train": nan_pixels(0) * 1e300, "x_test": np.ones((12, 4, 4))}, "x_train has 959"),
    "whole floats as labels": (
        {"y_train": np.arange(60) % 3 * 1.0},
        r"y_train is float64: .*astype\('int64'\)",
    ),
    "names as labels": ({"y_train": np.array(["cat", "dog"] * 30)}, "y_train is <U3: .*unique"),
    "float test labels": ({"y_test": np.zeros(12)}, "y_test is float64"),
    "one-hot labels": ({"y_train": np.eye(3)[np.arange(60) % 3]}, r"\(60, 3\): use numpy.argmax"),
    "labels in a column": ({"y_train": np.arange(60)[:, None] % 3}, r"\(60, 1\): use .*y.ravel"),
    "negative label": ({"y_train": np.arange(60) % 3 - 1}, "3 different ones from -1 to 1: renumber"),
    "labels from 1": ({"y_train": np.arange(60) % 3 + 1}, "3 different ones from 1 to 3: renumber"),
    "a gap in the labels": ({"y_train": np.arange(60) % 3 * 2}, "3 different ones from 0 to 4: renumber"),
    "a huge label": ({"y_train": np.arange(60) % 3 * 10**15}, "from 0 to 2000000000000000"),
    "one class": ({"y_train": np.full(60, 7)}, "two classes, but y_train has only class 7"),
    "test of another shape": (
        {"x_test": np.ones((12, 16), np.uint8)},
        r"\(4, 4\) and those of x_test \(16,\)",
    ),
    "test on another scale": ({"x_test": np.ones((12, 4, 4))}, "one is uint8 and the other float64"),
    "unknown class in test": ({"y_test": np.arange(12) % 4}, "class 3 does not"),
    "a rare class": ({"y_train": np.repeat([0, 1, 2], [29, 29, 2])}, "class 2 has only 2 in all"),
}


@pytest.mark.parametrize(("change", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_file_is_refused(sound: Arrays, load: Load, change: Arrays, message: str) -> None:
    """Each broken file is a DataError that names the file and the value at fault."""
    arrays = {key: array for key, array in (sound | change).items() if array is not None}

    with pytest.raises(DataError, match=rf"^file own\.npz: .*{message}"):
        load(arrays)


@pytest.mark.parametrize("rare", ["test", "validation"])
def test_class_too_rare_for_a_part_is_refused(rare: str) -> None:
    """A class that a part would miss is refused with its number, its count and the part's name."""
    labels = np.repeat([0, 1], [96, 4])

    with pytest.raises(DataError, match=f"{rare} part, 20 of 100 examples, but class 1 has only 4"):
        check_split(labels, 20, rare)


def test_given_test_set_may_lack_a_class_with_a_note(sound: Arrays, load: Load) -> None:
    """A test set that came with the data is used as it is, and what it lacks is said."""
    dataset = load(sound | {"y_test": np.zeros(12, np.int64)})

    assert dataset.notes == ("the test set has no example of class 1, 2",)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.uint8, np.uint8),
        (np.bool_, np.uint8),
        (np.int64, np.uint8),
        (np.dtype(">i4"), np.uint8),
        (np.float16, np.float32),
        (np.float64, np.float32),
    ],
)
def test_pictures_become_uint8_or_float32(sound: Arrays, given: type, expected: type) -> None:
    """Whole numbers that are pixels become uint8, fractions float32, and the values stay."""
    images = {key: sound[key].astype(given) for key in ("x_train", "x_test")}

    train, test = check_arrays(sound | images)

    assert test is not None
    assert (train.inputs.dtype, test.inputs.dtype) == (expected, expected)
    np.testing.assert_array_equal(train.inputs, images["x_train"])


def test_train_and_test_share_one_dtype(sound: Arrays) -> None:
    """One pixel beyond 255 in the test part makes both parts float32."""
    wide = sound["x_test"].astype(np.int64)
    wide[0, 0, 0] = 256

    train, test = check_arrays(sound | {"x_test": wide})

    assert test is not None
    assert (train.inputs.dtype, test.inputs.dtype) == (np.float32, np.float32)
    assert test.inputs[0, 0, 0] == 256


def test_whole_number_features_are_no_pixels() -> None:
    """Wide whole numbers of one axis per example (an age, a count) become float32."""
    train, _ = check_arrays({"x_train": np.arange(20).reshape(10, 2), "y_train": np.arange(10) % 2})

    assert train.inputs.dtype == np.float32


def test_shared_examples_are_counted() -> None:
    """A test example counts once however often it stands in other parts; one other pixel makes it another."""
    rows = np.arange(24, dtype=np.uint8).reshape(8, 3)
    near_miss = rows[7:] + np.uint8([0, 0, 1])
    test = Examples(np.concatenate([rows[:2], near_miss]), np.zeros(3, np.int64))
    train = Examples(rows[[0, 0, 5, 7]], np.zeros(4, np.int64))
    validation = Examples(rows[[1, 6]], np.zeros(2, np.int64))

    assert count_shared(test, (train, validation)) == 2
