"""A user's own data: what a function of theirs returns, or what they hand over, as arrays.

>>> import numpy as np
>>> x, y = np.zeros((4, 2)), np.array([0, 1, 0, 1])
>>> sorted(arrays_of(((x, y), (x, y))))
['x_test', 'x_train', 'y_test', 'y_train']
>>> sorted(arrays_of({"x": x, "y": y}))
['x_train', 'y_train']
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuning.errors import DataError
from tuning.user_code import imported, told

_FORMS = (
    "(x, y), ((x_train, y_train), (x_test, y_test)), a dict with x_train, y_train and perhaps x_test, y_test, or a "
    "tf.data.Dataset of (x, y), or two of them for train and test"
)


def called(reference: str, folder: Path) -> dict[str, NDArray[Any]]:
    """The arrays that a user's function returns; runs in a process of its own, where it may import what it likes.

    Args:
        reference: `package.module:load`.
        folder: Where the module is looked for first.

    Raises:
        ModelError: If the module cannot be imported.
        DataError: If the function fails, or returns no data; says which forms there are.
    """
    load = imported(reference, folder, "--data")
    try:
        loaded = load() if callable(load) else load
    except Exception as error:  # a user's function may fail in any way
        raise DataError(f"{reference} failed:", told(error)) from error
    return arrays_of(loaded)


def arrays_of(loaded: Any) -> dict[str, NDArray[Any]]:  # noqa: ANN401 - any of several forms
    """Data in any of the usual forms as arrays by name: x_train, y_train, and x_test, y_test where there are.

    One-hot labels become class numbers.

    Raises:
        DataError: If the data has none of these forms.
    """
    if isinstance(loaded, Mapping):
        return _named(loaded)
    if _is_dataset(loaded):
        return _part(loaded, "train")
    if not isinstance(loaded, list | tuple) or len(loaded) != 2:
        raise DataError(f"data must be {_FORMS}, but got {_kind(loaded)}.")
    first, second = loaded
    if _is_dataset(first) or isinstance(first, list | tuple):
        return {**_part(first, "train"), **_part(second, "test")}
    return _part(loaded, "train")


def _named(loaded: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    renamed = {"x": "x_train", "y": "y_train"}
    arrays = {renamed.get(name, name): value for name, value in loaded.items()}
    known = {"x_train", "y_train", "x_test", "y_test"}
    if not {"x_train", "y_train"} <= arrays.keys() <= known or ("x_test" in arrays) != ("y_test" in arrays):
        raise DataError(f"data must be {_FORMS}, but got a dict with {', '.join(map(str, loaded)) or 'nothing'}.")
    parts = {"train"} | ({"test"} if "x_test" in arrays else set())
    found: dict[str, NDArray[Any]] = {}
    for part in sorted(parts, reverse=True):
        found |= _part((arrays[f"x_{part}"], arrays[f"y_{part}"]), part)
    return found


def _part(pair: Any, part: str) -> dict[str, NDArray[Any]]:  # noqa: ANN401
    if _is_dataset(pair):
        pair = _joined(pair)
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise DataError(f"data must be {_FORMS}, but its {part} part is {_kind(pair)}.")
    inputs, labels = pair
    if isinstance(inputs, Mapping | list | tuple):
        raise DataError(f"inputs must be one array, but x_{part} is {_kind(inputs)}: join its arrays into one.")
    return {f"x_{part}": np.asarray(inputs), f"y_{part}": _class_numbers(np.asarray(labels))}


def _class_numbers(labels: NDArray[Any]) -> NDArray[Any]:
    """One-hot rows, as `keras.utils.to_categorical` makes them, as numbers; other labels as they are."""
    is_table = labels.ndim == 2 and labels.shape[1] > 1 and labels.dtype.kind in "biuf"
    if is_table and np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all():
        return np.asarray(labels.argmax(axis=1))
    return labels


def _is_dataset(loaded: Any) -> bool:  # noqa: ANN401
    """Whether this is a `tf.data.Dataset`; TensorFlow is not imported to find out."""
    return hasattr(loaded, "as_numpy_iterator") and hasattr(loaded, "element_spec")


def _joined(dataset: Any) -> tuple[NDArray[Any], NDArray[Any]]:  # noqa: ANN401
    """Every example of a finite dataset, batched or not."""
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) != 2 or any(not hasattr(each, "shape") for each in spec):
        raise DataError(f"a tf.data.Dataset must give (x, y), one tensor each, but its elements are {spec}.")
    if int(dataset.cardinality()) == -1:
        raise DataError("a tf.data.Dataset must end, but this one repeats for ever: leave out `.repeat()`.")
    inputs, labels = zip(*dataset.as_numpy_iterator(), strict=True)
    first, second = (tuple(each.shape) for each in spec)
    is_batched = bool(first and second) and first[0] == second[0] and (first[0] is None or len(second) == 1)
    if is_batched:
        return np.concatenate(inputs), np.concatenate(labels)
    return np.stack(inputs), np.stack(labels)


def _kind(value: object) -> str:
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    return f"{type(value).__module__}.{type(value).__qualname__}"
