"""Where MLflow keeps a study, and how that place is made ready, without importing MLflow itself.

MLflow creates the tables of a new SQLite database on first use, in seconds. Two processes that do so at once, or one
that is killed meanwhile, break the database for good. So whoever opens a store holds a lock file beside the database
meanwhile, a new database is created under another name and takes its own when it is whole, and it is switched to
write-ahead logging, with which parallel writers wait two to three times less:

    store = Store("sqlite:////home/me/project/mlflow.db", Path("/home/me/project/mlruns"), "overfit-backoff")
    with prepared(store, create=lambda uri: MlflowClient(uri).search_experiments()):
        MlflowClient(store.tracking_uri)

`prepared` sets environment variables of MLflow that are not set yet, so that a server which does not answer is
given up after five seconds instead of minutes, and neither links to runs nor progress bars are printed. MLflow's usage
statistics are the user's decision: `MLFLOW_DISABLE_TELEMETRY=true` turns them off.
"""

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from http.client import HTTPException
from importlib.metadata import entry_points
from pathlib import Path
from textwrap import shorten
from urllib.error import HTTPError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import urlopen

from sqlalchemy import NullPool, create_engine
from sqlalchemy.exc import SQLAlchemyError

from tuning.errors import SettingsError, StorageError
from tuning.masking import masked, shown_url
from tuning.paths import file_trouble, refusal

# MLflow's own defaults are 7 retries, 120 seconds each. A request whose answer was lost may have been carried out, and
# a blind repetition would create a second run: the client repeats nothing, what is missing is looked up and sent later.
_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}

# What these have to say is either of no interest (70 migrations of a new database) or raised as well.
_TALKATIVE_LOGGERS = ("mlflow.store.db.utils", "alembic", "urllib3.connectionpool")

# Creating the tables takes 2 to 4 seconds on an idle machine.
_LOCK_TIMEOUT_SECS = 60.0

_CHECK_TIMEOUT_SECS = 5.0

_SQLITE, _MARK = "sqlite:///", b"SQLite format 3\0"  # a URL's begin and a file's; a new database is an empty file
_SERVERS, _DATABASES = ("http", "https"), ("sqlite", "postgresql", "mysql", "mssql")
# A server that refuses is reported with the whole chain of exceptions, the cause last.
_MAX_REASON_CHARS = 500


@dataclass(frozen=True, slots=True)
class Store:
    """Where MLflow writes.

    Args:
        tracking_uri: MLflow tracking URI, such as `sqlite:////home/me/mlflow.db` or `http://127.0.0.1:5000`.
        artifact_root: absolute folder, the artifacts of an experiment go into the folder of its name; ignored
            for a server, which decides itself.
        experiment: name of the MLflow experiment.
        primary_metric: metric that MLflow shows first for a new experiment.
        greater_is_better: whether the primary metric is maximized.

    Raises:
        SettingsError: If the experiment has no name or the name of MLflow's own default.
        ValueError: If the folder is not absolute.
    """

    tracking_uri: str
    artifact_root: Path
    experiment: str
    primary_metric: str = "best_val_error"
    greater_is_better: bool = False

    def __post_init__(self) -> None:
        if self.experiment in ("", "Default"):
            raise SettingsError(
                f"An experiment needs a name of its own, got {self.experiment!r}: MLflow ties 'Default' to "
                "whichever folder or server touched the database first, choose another name."
            )
        if not self.artifact_root.is_absolute():
            raise ValueError(f"`artifact_root` must be absolute, got {str(self.artifact_root)!r}.")

    @property
    def address(self) -> str:
        """The tracking URI as it may be shown: without user name and password."""
        return shown_url(self.tracking_uri)

    @property
    def database(self) -> Path | None:
        """The file of an SQLite store."""
        if not self.tracking_uri.startswith(_SQLITE):
            return None
        return Path(self.tracking_uri.removeprefix(_SQLITE).partition("?")[0])

    @property
    def artifact_location(self) -> str | None:
        """URI of the experiment's artifacts; None leaves it to the server."""
        if self.tracking_uri.startswith(("http://", "https://")):
            return None
        return (self.artifact_root / self.experiment).as_uri()

    def unusable(self, error: Exception) -> StorageError:
        """The error in one line, for people, without user name and password."""
        # The first line is the reason; a database adds its SQL, statement and parameters.
        reason = shorten(masked(str(error), self.tracking_uri).partition("\n")[0], _MAX_REASON_CHARS)
        hint = "check that it is reachable and can be written"
        if "already exists" in reason:
            hint = "its creation was interrupted, so move the file away, and the next search creates it anew"
        return StorageError(
            f"The MLflow store {self.address} cannot be used ({reason}): {hint}, or name another one by --tracking-uri."
        )


def check(store: Store) -> None:
    """Refuse a store that cannot work, without writing anything.

    Raises:
        StorageError: If the server does not answer, the database's folder is missing, or MLflow 2 left runs there.
    """
    _refuse_runs_of_mlflow_2(store)
    try:
        _check_scheme(store.tracking_uri)
        if store.database is not None:
            _check_file(store.database)
        if store.artifact_location is None:
            with urlopen(_health_page(store.tracking_uri), timeout=_CHECK_TIMEOUT_SECS):
                pass
        elif store.database is None:
            _ask_database(store.tracking_uri)
    except HTTPError:
        return  # it answers: a server behind a proxy need not have this page
    except (OSError, ValueError, ImportError, HTTPException, SQLAlchemyError) as error:
        raise store.unusable(error) from error


def _check_scheme(tracking_uri: str) -> None:
    if tracking_uri.startswith("databricks"):
        return
    scheme = tracking_uri.partition(":")[0].partition("+")[0]
    known = {*_SERVERS, *_DATABASES, *entry_points(group="mlflow.tracking_store").names}
    if "://" not in tracking_uri or scheme == "file":
        raise ValueError("MLflow 3 keeps no runs in a folder, but in sqlite:///FILE, another database, or a server")
    if scheme not in known:
        raise ValueError(f"MLflow knows no {scheme}://, but {', '.join(sorted(known))}")


def _check_file(database: Path) -> None:
    if why := refusal(database):
        raise ValueError(why)
    if not database.absolute().parent.is_dir():
        raise FileNotFoundError(f"the folder {database.parent} does not exist")
    if database.exists():
        if why := file_trouble(database):
            raise ValueError(why)
        with database.open("rb") as file:
            begin = file.read(len(_MARK))
        if begin not in (b"", _MARK):
            raise ValueError("it is a file, but no database of SQLite")


def _ask_database(tracking_uri: str) -> None:
    """Connect once: MLflow itself would be asked only when the study is there already."""
    patience = {"connect_timeout": int(_CHECK_TIMEOUT_SECS)} if "mssql" not in tracking_uri else {}
    engine = create_engine(tracking_uri, connect_args=patience, poolclass=NullPool)
    engine.connect().close()


def _health_page(tracking_uri: str) -> str:
    """A server's page that needs no password; `urllib` would take a user's name for a part of the host's."""
    parts = urlsplit(tracking_uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], f"{parts.path.rstrip('/')}/health", "", ""))


@contextmanager
def prepared(store: Store, create: Callable[[str], object]) -> Iterator[None]:
    """Makes the store ready for its first client and keeps other processes from doing so during the block.

    Args:
        store: Where MLflow writes.
        create: Lets MLflow create its tables in the SQLite database of a tracking URI, which does not exist yet.

    Raises:
        StorageError: If MLflow 2 left runs as files where MLflow 3 would stumble over them.
        sqlite3.Error: If the database cannot be created or opened.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for logger in _TALKATIVE_LOGGERS:
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    _refuse_runs_of_mlflow_2(store)
    with _alone_with(store.database, create) if store.database else nullcontext():
        yield


def _refuse_runs_of_mlflow_2(store: Store) -> None:
    """Their mere presence makes `mlflow ui` ignore the database (MLflow issue 18534)."""
    if store.artifact_location is None:
        return
    old = [file for file in store.artifact_root.glob("*/meta.yaml") if file.parent.name.isdigit()]
    if old:
        raise StorageError(
            f"{old[0]} belongs to runs that MLflow 2 stored as files, which MLflow 3 no longer reads: move them "
            f"with `mlflow migrate-filestore --source {store.artifact_root} --target {store.address}`, "
            "then delete the `meta.yaml` of each numbered folder (artifacts stay where they are)."
        )


@contextmanager
def _alone_with(database: Path, create: Callable[[str], object]) -> Iterator[None]:
    """Holds the lock beside an SQLite database, which then exists with write-ahead logging.

    The lock is that of a second, empty database: the operating system releases it when its process dies, on every
    platform, and it needs no package.
    """
    lock = sqlite3.connect(f"{database}.lock", timeout=_LOCK_TIMEOUT_SECS, isolation_level=None)
    with closing(lock):
        lock.execute("BEGIN EXCLUSIVE")
        if _is_empty(database):
            _create_whole(database, create)
        with closing(sqlite3.connect(database, timeout=_LOCK_TIMEOUT_SECS)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        yield


def _is_empty(database: Path) -> bool:
    """Whether there is no database, or one without tables."""
    if not database.exists():
        return True
    with closing(sqlite3.connect(database, timeout=_LOCK_TIMEOUT_SECS)) as connection:
        return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,))


def _create_whole(database: Path, create: Callable[[str], object]) -> None:
    aside = database.with_name(f"{database.name}.new")
    _remove(aside)  # of a process that was killed
    try:
        create(f"{_SQLITE}{aside}")
        _remove(database)
        aside.replace(database)
    except BaseException:
        _remove(aside)
        raise


def _remove(database: Path) -> None:
    """With the files that SQLite keeps beside it, which must never meet another database of that name."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
