"""Fetches a file into Keras' cache, by Keras' own `get_file`, without ever hanging the search.

Keras downloads without a time limit, and a slow name server or a silent host holds a process for minutes. So
both the question whether the host answers and the download run in Python processes that are ended in time:

    fetch_into_keras_cache(MNIST, keras_home=Path.home() / ".keras", environ=os.environ, timeout_secs=20.0)
"""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tuning.errors import SearchError

# Whoever is offline waits no longer than this; a host that is there answers in a fraction of it.
_PROBE_TIMEOUT_SECS = 2.5

# `urllib` finds proxies and certificates exactly as Keras does when it downloads.
_PROBE = """
import sys, urllib.request
try:
    urllib.request.urlopen(urllib.request.Request(sys.argv[1], method="HEAD")).close()
except OSError as error:
    reason = getattr(error, "reason", error)
    sys.exit(str(getattr(reason, "strerror", None) or reason))
"""

_GET_FILE = """
import sys
from keras.utils import get_file
url, sha256, name, keras_home = sys.argv[1:]
get_file(name, origin=url, file_hash=sha256, cache_subdir="datasets", cache_dir=keras_home)
"""


class DownloadError(SearchError):
    """A file could not be fetched; the message is the reason, short enough to stand in brackets."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file on the web.

    Args:
        name: its name in the cache.
        url: where it is.
        sha256: its digest in hex; anything else that arrives is refused.
    """

    name: str
    url: str
    sha256: str


# The file that `keras.datasets.mnist.load_data()` uses, so that Keras and we share one cached copy.
MNIST = RemoteFile(
    name="mnist.npz",
    url="https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
    sha256="731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
)


def cached_path(remote: RemoteFile, keras_home: Path) -> Path:
    """Return where Keras keeps its data set of this name."""
    return keras_home / "datasets" / remote.name


def fetch_into_keras_cache(
    remote: RemoteFile, *, keras_home: Path, environ: Mapping[str, str], timeout_secs: float
) -> Path:
    """Download the file into Keras' cache and return its path there.

    Args:
        remote: what to fetch.
        keras_home: Keras' folder, usually ~/.keras.
        environ: environment of the processes, with proxies if there are any.
        timeout_secs: limit of the download, with the seconds that importing Keras takes.

    Raises:
        DownloadError: the host does not answer, the time is over, or another file arrived.
    """
    _run_python(_PROBE, [remote.url], environ, _PROBE_TIMEOUT_SECS)
    path = cached_path(remote, keras_home)
    try:
        arguments = [remote.url, remote.sha256, remote.name, str(keras_home)]
        _run_python(_GET_FILE, arguments, environ, timeout_secs)
    except DownloadError:
        path.unlink(missing_ok=True)  # neither half a file nor a wrong one may pass for the data next time
        raise
    if not path.is_file():
        raise DownloadError(f"Keras' cache {path.parent} cannot be written")
    return path


def _run_python(code: str, arguments: list[str], environ: Mapping[str, str], timeout_secs: float) -> None:
    """Run the code in a fresh Python, which is killed when the time is over."""
    try:
        subprocess.run(
            # -P: files in the user's folder must not stand in for modules of the same name.
            [sys.executable, "-P", "-c", code, *arguments],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_secs,
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        raise DownloadError(f"not there within {timeout_secs:g} s") from error
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or [f"exit code {error.returncode}"])[-1]
        raise DownloadError(reason) from error
