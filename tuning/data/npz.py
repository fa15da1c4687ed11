"""Reads a user's `.npz` file, without pickle, and says in one sentence what is wrong with it.

arrays = read_npz(Path("flowers.npz"))   # {"x_train": ..., "y_train": ...}, perhaps x_test and y_test
"""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuning.errors import DataError

_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, OSError)


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays x_train and y_train of the file, with x_test and y_test where it has them.

    Args:
        path: an archive as written by `numpy.savez`; other arrays in it are left alone.

    Raises:
        DataError: no such file, not an archive or a damaged one, arrays missing, or made of Python objects.
    """
    if not path.is_file():
        raise DataError(f"the data must be an .npz file, but there is no file {path}: check the path.")
    if not zipfile.is_zipfile(path):
        raise DataError(
            f"{path.name} must be a readable archive as numpy.savez writes it, "
            "but it is none or was cut short: write or fetch it again."
        )
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: _member(archive, key) for key in _wanted_keys(archive.files)}
    except _UNREADABLE as error:
        raise DataError(f"{path.name} is damaged ({error}): write or fetch it again.") from error


def _wanted_keys(keys: list[str]) -> list[str]:
    """Return the names of the arrays to read from those that are there."""
    listed = ", ".join(sorted(keys)) or "nothing"
    for key in ("x_train", "y_train"):
        if key not in keys:
            raise DataError(f"the file must hold x_train and y_train, but {key} is missing; it has {listed}.")
    test_keys = [key for key in ("x_test", "y_test") if key in keys]
    if len(test_keys) == 1:
        raise DataError(
            f"x_test and y_test come together or not at all, but the file has only {test_keys[0]}: "
            "add the other one, or leave both out and a fifth of the data is put away as the test set."
        )
    return ["x_train", "y_train", *test_keys]


def _member(archive: Any, key: str) -> NDArray[Any]:  # noqa: ANN401 - numpy exports no type for an open archive
    try:
        return np.asarray(archive[key])
    except ValueError as error:
        raise DataError(
            f"{key} must be a plain array of numbers, but it holds Python objects, as images of mixed "
            f"shapes do ({error}): bring all examples to one shape and save them with numpy.stack."
        ) from error
