"""Everything about a data set that is checked before the first trial.

Hours of trials on broken data are the costliest error a search can make, so a user's arrays pass here first:

    train, test = check_arrays({"x_train": ..., "y_train": ...})   # Examples, and None without a test set
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tuning.data.examples import Examples
from tuning.data.labels import as_labels, check_test_labels, check_train_labels
from tuning.errors import DataError
from tuning.task import Task


def check_arrays(arrays: Mapping[str, NDArray[Any]], task: Task = Task.MULTICLASS) -> tuple[Examples, Examples | None]:
    """Return the arrays as examples of uint8 or float32 inputs and labels in the form of their task, once sound.

    Args:
        arrays: x_train and y_train, perhaps x_test and y_test; any image or feature shape, any numeric dtype.
        task: What the labels mean.

    Returns:
        The examples given for training, and those given for the test or None.

    Raises:
        DataError: the first rule that does not hold, with the value and the way out.
    """
    parts = ("train", "test") if "x_test" in arrays else ("train",)
    for part in parts:
        _check_inputs(f"x_{part}", arrays[f"x_{part}"])
    labels = {part: as_labels(f"y_{part}", arrays[f"y_{part}"], task) for part in parts}
    for part in parts:
        _check_lengths(part, arrays)
    check_train_labels(labels["train"], task)
    if "test" in parts:
        _check_same_inputs(arrays["x_train"], arrays["x_test"])
        check_test_labels(labels["train"], labels["test"], task)
    dtype = _common_dtype([arrays[f"x_{part}"] for part in parts])
    examples = [Examples(_as_inputs(f"x_{part}", arrays, dtype), labels[part]) for part in parts]
    return examples[0], examples[1] if "test" in parts else None


def check_split(labels: NDArray[np.int64], n_away: int, part: str) -> None:
    """Check that each class is frequent enough for a stratified part of this size to hold one of it.

    Args:
        labels: class numbers of all the examples that are to be split.
        n_away: number of examples in the part that is split off.
        part: its name, for the message.

    Raises:
        DataError: a class would be missing from the part.
    """
    counts = np.bincount(labels)
    rarest = int(counts.argmin())
    if counts[rarest] * n_away < len(labels):
        raise DataError(
            f"every class must stand in the {part} part, {n_away} of {len(labels)} examples, "
            f"but class {rarest} has only {counts[rarest]} in all: add examples of it or leave the class out."
        )


def count_shared(test: Examples, others: Sequence[Examples]) -> int:
    """Count the test examples whose inputs also stand, byte for byte, in one of the other parts."""
    # Digests of 16 bytes instead of the rows, which would be a second copy of the whole data set.
    seen = {digest for part in others for digest in _row_digests(part.inputs)}
    return sum(digest in seen for digest in _row_digests(test.inputs))


def _row_digests(inputs: NDArray[Any]) -> list[bytes]:
    return [hashlib.blake2b(row, digest_size=16).digest() for row in np.ascontiguousarray(inputs)]


def _check_inputs(key: str, inputs: NDArray[Any]) -> None:
    if inputs.dtype.kind not in "biuf":
        raise DataError(f"inputs must be numbers, but {key} is {inputs.dtype}: encode them as numbers first.")
    if inputs.ndim < 2:
        raise DataError(
            f"inputs must have the shape (examples, *shape of one), but {key} has {inputs.shape}: "
            "a single feature is a column, x.reshape(-1, 1)."
        )
    if inputs.size == 0:
        raise DataError(f"there must be data, but {key} has the shape {inputs.shape}: add examples.")


def _check_lengths(part: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    n_inputs, n_labels = len(arrays[f"x_{part}"]), len(arrays[f"y_{part}"])
    if n_inputs != n_labels:
        raise DataError(
            f"every example must have one label, but x_{part} has {n_inputs} examples "
            f"and y_{part} {n_labels} labels: save them together, in the same order."
        )


def _check_same_inputs(train: NDArray[Any], test: NDArray[Any]) -> None:
    if train.shape[1:] != test.shape[1:]:
        raise DataError(
            f"all examples must have one shape, but those of x_train have {train.shape[1:]} "
            f"and those of x_test {test.shape[1:]}: prepare both alike."
        )
    if (train.dtype.kind == "f") != (test.dtype.kind == "f"):
        raise DataError(
            f"x_train and x_test must have one scale, but one is {train.dtype} and the other {test.dtype}, "
            "whole numbers against fractions: prepare both alike."
        )


def _common_dtype(inputs: Sequence[NDArray[Any]]) -> DTypeLike:
    """Return uint8 where the inputs are, or can be, pixels of 0 to 255, otherwise float32.

    Wider whole numbers of one axis per example stay numbers: they are features (an age, a count) or tokens of a
    sequence, no pixels. float32 holds each of them up to 2**24, and Keras' Embedding takes them so.
    """
    if all(array.dtype.kind == "b" or array.dtype == np.uint8 for array in inputs):
        return np.uint8
    pictures = all(array.ndim > 2 and array.dtype.kind in "biu" for array in inputs)
    if pictures and all(array.min() >= 0 and array.max() <= 255 for array in inputs):
        return np.uint8
    return np.float32


def _as_inputs(key: str, arrays: Mapping[str, NDArray[Any]], dtype: DTypeLike) -> NDArray[Any]:
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is counted below
        inputs = arrays[key].astype(dtype, copy=False)
    n_bad = inputs.size - np.count_nonzero(np.isfinite(inputs))
    if n_bad:
        raise DataError(
            f"inputs must be finite in float32, but {key} has {n_bad} NaN or infinite values: "
            "replace them or leave these examples out."
        )
    return inputs
