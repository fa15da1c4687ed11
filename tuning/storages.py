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
from optuna.storages import BaseStorage, GrpcStorageProxy
from optuna.storages.journal import JournalFileSymlinkLock
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from tuning.bulk_journal import BulkJournalFile, BulkJournalStorage
from tuning.bulk_storage import BulkRDBStorage
from tuning.errors import StorageError
from tuning.masking import masked, shown_url
from tuning.paths import file_trouble, refusal
from tuning.trial_cache import TrialCache
from tuning.workers import Worker

# A lock that outlived its process (kill -9) is broken after this long; writing a line takes milliseconds.
_LOCK_GRACE_SECS = 10

JOURNAL = "optuna.journal"  # in the folder of a study
_FIRST_KEY = b'{"op_code"'  # what each line of a journal begins with; the only one may have been cut off in it

_GRPC_PORT = 13000  # of Optuna's proxy, where the address names none
_CONNECT_TIMEOUT_SECS = 10
_MAX_TRIES = 5


def open_storage(url: str | None, study_dir: Path, *, must_exist: bool = False) -> BaseStorage:
    """Open the storage of a study: a database or a proxy by its URL, otherwise a journal file.

    Args:
        url: A database's or a proxy's URL, the path of a journal, or None for the journal in the study's folder.
        study_dir: Folder of the study.
        must_exist: Whether a database without Optuna's tables is refused rather than given them.

    Raises:
        StorageError: If it cannot be reached or written.
    """
    try:
        if url is not None and url.startswith("grpc://"):
            return _grpc(url)
        if url is not None and "://" in url:
            return TrialCache(_database(url, must_exist=must_exist), Worker.this())
        path = study_dir / JOURNAL if url is None else Path(url).absolute()
        _check_journal(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = MendingLock(JournalFileSymlinkLock(str(path), grace_period=_LOCK_GRACE_SECS), path)
        # Optuna's own base class of such locks has no public name.
        return BulkJournalStorage(BulkJournalFile(str(path), cast("Any", lock)))
    except Exception as error:  # SQLAlchemy, its drivers, gRPC and the file system each have errors of their own
        where = "the study's folder" if url is None else shown_url(url)
        hint = "check that it exists and can be written, or choose another with --storage"
        raise StorageError(f"The Optuna storage {where} cannot be used ({_short(error, url)}): {hint}.") from error


def open_existing(url: str | None, study_dir: Path) -> BaseStorage:
    """Open a storage for reading: what is a file must be there, because opening it would make one.

    Raises:
        StorageError: If it is not there, or cannot be reached.
    """
    file = _file_of(url, study_dir)
    if file is not None and (why := file_trouble(file)):
        raise StorageError(f"The Optuna storage {file} cannot be used ({why}): name the study's own with --storage.")
    return open_storage(url, study_dir, must_exist=True)


def _file_of(url: str | None, study_dir: Path) -> Path | None:
    """The file that a storage is kept in; None for a server, and for a database in memory."""
    if url is None or "://" not in url:
        return study_dir / JOURNAL if url is None else Path(url).absolute()
    scheme, _, rest = url.partition(":///")
    database = rest.partition("?")[0]
    is_file = scheme.startswith("sqlite") and database and not database.startswith((":", "file:"))
    return Path(database) if is_file else None


def _check_journal(path: Path) -> None:
    """Refuse what would be appended to, or cut, although it is something else.

    Raises:
        ValueError: If there is something at this path that is no journal.
    """
    why = refusal(path) or (file_trouble(path) if path.exists() else "")
    if not why and path.exists():
        with path.open("rb") as file:
            begin = file.read(len(_FIRST_KEY))
        why = "" if _FIRST_KEY.startswith(begin) else "it is a file, but no journal of Optuna"
    if why:
        raise ValueError(why)


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


def _database(url: str, *, must_exist: bool) -> BulkRDBStorage:
    """A database, whose tables are created on first use: where several processes do so at once, all but one fail."""
    for n_tries in range(_MAX_TRIES):
        try:
            return BulkRDBStorage(url, engine_kwargs=_engine_kwargs(url), skip_table_creation=must_exist)
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
    return masked(lines[0], url) if lines else type(error).__name__
