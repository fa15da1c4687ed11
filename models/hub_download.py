"""Fetches a TF Hub module into a cache folder, within a time limit whatever the server does.

tensorflow_hub downloads in the calling process with no time limit: a server that accepts and never answers
holds it for ever, and the lock of a killed download holds the next one for ten minutes. Here the download
runs in a process of its own, which is ended when its time is over. That process is this file run as a script;
it imports nothing but the standard library, so without a network the caller loses a tenth of a second. The
cache has the layout of tensorflow_hub (`<cache>/<sha1 of the handle>/`): filled by either, it serves both.

    folder = cached_module(DEFAULT_HANDLE, Path("models/.tfhub"), timeout_secs=20.0)
    module = tensorflow_hub.load(str(folder))
"""

import hashlib
import os
import stat
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

# No download outlives for long a caller that was killed before it could end it.
_SOCKET_TIMEOUT_SECS = 60.0


class HubUnavailableError(Exception):
    """The module cannot be had from its server now; the message says why, as a clause for a note."""


def cached_module(url: str, cache_dir: Path, timeout_secs: float) -> Path:
    """Returns the folder of a module, downloaded unless the cache has it.

    Args:
        url: handle of the module, http or https, without the `tf-hub-format` query.
        cache_dir: folder of the cache, created when missing; the environment's TFHUB_CACHE_DIR overrides it.
        timeout_secs: time limit of the whole download, in seconds, above 0.

    Returns:
        A folder that holds a SavedModel.

    Raises:
        HubUnavailableError: the server refuses, is silent, unknown or sends no module; or the cache is
            unwritable.
    """
    named = os.environ.get("TFHUB_CACHE_DIR")
    cache = Path(named or cache_dir)
    if named is None and _may_be_filled_by_others(cache):
        raise HubUnavailableError(f"the cache {cache} belongs to somebody else: name another one by TFHUB_CACHE_DIR")
    module_dir = cache / hashlib.sha1(url.encode()).hexdigest()
    if _holds_module(module_dir):
        return module_dir
    try:
        cache.mkdir(parents=True, exist_ok=True)
        # Unpacked beside its place and then renamed: an entry is complete or absent, and needs no lock.
        with tempfile.TemporaryDirectory(prefix="download-", dir=cache) as scratch:
            unpacked = Path(scratch) / "module"
            _download_in_process(url, unpacked, timeout_secs)
            unpacked.rename(module_dir)
    except OSError as error:
        if not _holds_module(module_dir):  # otherwise another process has just put it there
            raise HubUnavailableError(f"the cache {cache} cannot be written ({error.strerror})") from error
    return module_dir


def _may_be_filled_by_others(cache: Path) -> bool:
    """Whether another user of this machine can put a module there, which is a program; root may anywhere."""
    if not hasattr(os, "getuid") or not cache.exists():
        return False
    about = cache.stat()
    return about.st_uid not in (0, os.getuid()) or bool(about.st_mode & stat.S_IWOTH)


def _download_in_process(url: str, folder: Path, timeout_secs: float) -> None:
    """Runs this file as a script and waits for it; the process is ended when its time is over."""
    # -P: the modules of this package must not hide the standard library's.
    command = [sys.executable, "-P", __file__, url, str(folder)]
    server = urlsplit(url).hostname or url
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_secs, check=False)
    except subprocess.TimeoutExpired:
        raise HubUnavailableError(f"{server} did not answer within {timeout_secs:g} s") from None
    if done.returncode != 0:
        reason = done.stderr.strip() or f"was given up: the download ended with code {done.returncode}"
        raise HubUnavailableError(f"{server} {reason}")
    if not _holds_module(folder):
        raise HubUnavailableError(f"{server} sent an archive without a SavedModel")


def _holds_module(folder: Path) -> bool:
    return (folder / "saved_model.pb").is_file()


def _download(url: str, folder: Path) -> None:
    """Streams the module's archive into a folder."""
    separator = "&" if urlsplit(url).query else "?"
    with (
        urlopen(f"{url}{separator}tf-hub-format=compressed", timeout=_SOCKET_TIMEOUT_SECS) as response,
        tarfile.open(fileobj=response, mode="r|*") as archive,
    ):
        archive.extractall(folder, filter="data")


def main(url: str, folder: str) -> str | None:
    """Downloads a module; the text that it returns, to follow the server's name, becomes standard error."""
    try:
        _download(url, Path(folder))
    except HTTPError as error:
        return f"answered {error.code} {error.reason}"
    except URLError as error:
        return f"could not be reached ({getattr(error.reason, 'strerror', None) or error.reason})"
    except Exception as error:  # a broken archive or protocol raises whatever its layer raises
        return f"sent no module ({error})"
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
