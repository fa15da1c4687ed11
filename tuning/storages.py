"""Optuna storages by their address: a journal file, a database, or Optuna's gRPC proxy in front of one.

open_storage(None, study_dir)                                  # a journal in the study's folder
open_storage("postgresql+psycopg://me@db.example/optuna", study_dir)
open_storage("grpc://proxy.example:13000", study_dir)
"""

from __future__ import annotations

import os
import time
import warnings
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, GrpcStorageProxy, JournalStorage, RDBStorage, get_storage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from tuning.errors import StorageError, masked

# A lock that outlived its process (kill -9) is broken after this long; writing a line takes milliseconds.
_LOCK_GRACE_SECS = 10

_GRPC_PORT = 13000  # of Optuna's proxy, where the address names none
_CONNECT_TIMEOUT_SECS = 10
_MAX_TRIES = 5


def open_storage(url: str | None, study_dir: Path) -> BaseStorage:
    """Open the storage of a study: a database or a proxy by its URL, otherwise a journal file.

    Raises:
        StorageError: If it cannot be reached or written.
    """
    try:
        if url is not None and url.startswith("grpc://"):
            return _grpc(url)
        if url is not None and "://" in url:
            return get_storage(_database(url))
        path = study_dir / "optuna.journal" if url is None else Path(url).absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = MendingLock(JournalFileSymlinkLock(str(path), grace_period=_LOCK_GRACE_SECS), path)
        # Optuna's own base class of such locks has no public name.
        return JournalStorage(JournalFileBackend(str(path), cast("Any", lock)))
    except Exception as error:  # SQLAlchemy, its drivers, gRPC and the file system each have errors of their own
        where = "the study's folder" if url is None else masked(url)
        hint = "check that it exists and can be written, or choose another with --storage"
        raise StorageError(f"The Optuna storage {where} cannot be used ({_short(error, url)}): {hint}.") from error


class MendingLock:
    """The lock of a journal that also cuts off a last line which was not written to its end.

    A process that is killed while it writes, or a disk that is full, leaves half a line; whatever is appended to that
    makes a line that nobody can read, and with it the whole journal. Who takes the lock is about to append, and alone.

    Args:
        lock: The lock itself.
        path: The journal.
    """

    def __init__(self, lock: JournalFileSymlinkLock, path: Path) -> None:
        self._lock, self._path = lock, path

    def acquire(self) -> bool:
        """Take the lock, then mend the journal."""
        taken = self._lock.acquire()
        try:
            cut_half_line(self._path)
        except BaseException:
            self._lock.release()
            raise
        return taken

    def release(self) -> None:
        """Give the lock back."""
        self._lock.release()


def cut_half_line(path: Path) -> None:
    """Cut off what follows the last line end of a file; nothing is done to a file that ends with one."""
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        whole = end
        while whole > 0:
            start = max(0, whole - 65536)
            file.seek(start)
            at = file.read(whole - start).rfind(b"\n")
            if at >= 0:
                whole = start + at + 1
                break
            whole = start
        if whole < end:
            file.truncate(whole)


def _database(url: str) -> RDBStorage:
    """A database, whose tables are created on first use: where several processes do so at once, all but one fail."""
    for n_tries in range(_MAX_TRIES):
        try:
            return RDBStorage(url, engine_kwargs=_engine_kwargs(url))
        except (ProgrammingError, IntegrityError, OperationalError) as error:
            is_race = any(word in str(error.orig).lower() for word in ("exist", "duplicate", "unique", "locked"))
            if not is_race or n_tries == _MAX_TRIES - 1:
                raise
            time.sleep(0.2 * 2**n_tries)
    raise AssertionError("unreachable")


def _grpc(url: str) -> GrpcStorageProxy:
    parts = urlsplit(url)
    with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
        proxy = GrpcStorageProxy(host=parts.hostname or "localhost", port=parts.port or _GRPC_PORT)
    proxy.wait_server_ready(timeout=_CONNECT_TIMEOUT_SECS)
    return proxy


def _engine_kwargs(url: str) -> dict[str, Any]:
    """A server that does not answer is given up after seconds, and one that went away silently is noticed."""
    if not url.startswith(("postgresql://", "postgresql+psycopg")):
        return {}
    keepalive = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
    return {"connect_args": {"connect_timeout": _CONNECT_TIMEOUT_SECS, **keepalive}}


def _short(error: Exception, url: str | None) -> str:
    lines = str(error).strip().splitlines()
    text = masked(lines[0]) if lines else type(error).__name__
    password = urlsplit(url).password if url is not None and "://" in url else None
    return text.replace(password, "***") if password else text
