"""Reads a user's `.npz` file, without pickle, and says in one sentence what is wrong with it.

arrays = read_npz(Path("flowers.npz"))   # {"x_train": ..., "y_train": ...}, perhaps x_test and y_test
"""

import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tuning.errors import DataError
from tuning.paths import file_trouble

# A data set stays in memory with its copies; a zip file can hold a thousand times what it takes on disk.
_MAX_BYTES = 8 * 2**30
_MAX_RATIO, _SMALL_BYTES = 500, 100 * 2**20

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays x_train and y_train of the file, with x_test and y_test where it has them.

    Args:
        path: an archive as written by `numpy.savez`; other arrays in it are left alone.

    Raises:
        DataError: no such file, not an archive or a damaged one, arrays missing, made of Python objects, or larger
            than 8 GB.
    """
    return read_arrays(path, _wanted_keys)


def read_arrays(path: Path, choose: Callable[[list[str]], list[str]] = list) -> dict[str, NDArray[Any]]:
    """Return arrays of an archive, without pickle and within the limits of `read_npz`.

    Args:
        path: an archive as written by `numpy.savez`.
        choose: which of the arrays, from the names of all.

    Raises:
        DataError: as `read_npz`, and whatever `choose` raises.
    """
    if why := file_trouble(path):
        raise DataError(f"the data must be an .npz file, but {path} is none ({why}): check the path.")
    try:
        # Opened here: numpy leaves a file open whose table of contents is damaged.
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise DataError(
                    f"{path.name} must be a readable archive as numpy.savez writes it, "
                    "but it is none or was cut short: write or fetch it again."
                )
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                keys = choose(archive.files)
                _check_expanded(path, archive.zip, [_file_of(archive.zip, key) for key in keys])
                return {key: _member(archive, key) for key in keys}
    except DataError:
        raise
    except PermissionError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): check whose file it is.") from error
    except MemoryError as error:
        raise DataError(f"{path.name} does not fit into memory ({error}): keep fewer examples of it.") from error
    except Exception as error:  # whatever a damaged file brings zipfile, zlib and numpy to
        raise DataError(f"{path.name} is damaged ({error}): write or fetch it again.") from error


def _check_expanded(path: Path, archive: zipfile.ZipFile, files: list[zipfile.ZipInfo]) -> None:
    """Refuse what would fill the memory, before a byte of it is expanded."""
    n_bytes = sum(file.file_size for file in files)
    is_bomb = n_bytes > _SMALL_BYTES and n_bytes > _MAX_RATIO * path.stat().st_size
    if n_bytes > _MAX_BYTES or is_bomb:
        raise DataError(
            f"{path.name} must expand to no more than {_MAX_BYTES / 2**30:g} GB and {_MAX_RATIO} times its own size, "
            f"but its arrays take {n_bytes / 2**20:,.0f} MB: keep fewer examples of it."
        )
    for file in files:
        with archive.open(file) as member:
            _check_claim(path, member, file.file_size)


def _check_claim(path: Path, member: IO[bytes], n_bytes: int) -> None:
    """Refuse an array that says that it is larger than its file: room for all of it would be made first."""
    version = np.lib.format.read_magic(member)
    if version not in _HEADERS:
        return  # numpy's own reader says what it thinks of it
    shape, _, dtype = _HEADERS[version](member)
    if math.prod(shape) * dtype.itemsize > n_bytes:
        raise DataError(f"{path.name} is damaged (an array is shorter than it says): write or fetch it again.")


def _file_of(archive: zipfile.ZipFile, key: str) -> zipfile.ZipInfo:
    name = f"{key}.npy"
    return archive.getinfo(name if name in archive.namelist() else key)


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
