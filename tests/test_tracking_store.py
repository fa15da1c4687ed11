"""Opening the place where MLflow writes: at the same time, in the wrong place, at a server that does not answer."""

import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # MLflow looks at it when it is imported

import tuning
from tuning.errors import SettingsError, StorageError
from tuning.tracking.store import prepared
from tuning.tracking.tracker import DatasetFacts, Store, Tracker


@pytest.fixture
def refused_port() -> Iterator[int]:
    """A port where nobody listens: bound, so that nobody else takes it, but not listened to."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def sqlite_store(root: Path, experiment: str = "overfit-backoff") -> Store:
    """The store that the search uses by default."""
    return Store(f"sqlite:///{root / 'mlflow.db'}", root / "mlruns", experiment)


def open_study(store: Store) -> None:
    """Opens a study, as every search does first."""
    facts = DatasetFacts("digits", "0" * 64, "scikit-learn", n_train=1, n_val=1, n_test=1)
    Tracker(store, "quiet-otter").open_study(tags={}, params={}, dataset=facts)


@pytest.mark.slow
def test_four_processes_may_create_the_database_at_once(tmp_path: Path) -> None:
    """Without the lock MLflow's migrations collide and leave a database that is broken for good."""
    script = """
import sys
from pathlib import Path
from tuning.tracking.tracker import DatasetFacts, Store, Tracker
root = Path(sys.argv[1])
store = Store(f"sqlite:///{root / 'mlflow.db'}", root / "mlruns", "overfit-backoff")
facts = DatasetFacts("digits", "0" * 64, "scikit-learn", 1, 1, 1)
print(Tracker(store, "quiet-otter").open_study(tags={}, params={}, dataset=facts))
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    project = Path(tuning.__file__).parents[1]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, cwd=project, **pipes) for _ in range(4)]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [0] * 4 == [process.returncode for process in processes], outputs
    assert 1 == len({run_id for run_id, _ in outputs})
    assert [""] * 4 == [complaints for _, complaints in outputs]


@pytest.mark.parametrize("folder", ["missing", "file"])
def test_a_database_that_cannot_be_created_is_one_clear_error(tmp_path: Path, folder: str) -> None:
    """A missing folder and a file in its place are named with the way out, at once."""
    (tmp_path / "file").touch()
    store = Store(f"sqlite:///{tmp_path / folder / 'mlflow.db'}", tmp_path / "mlruns", "overfit-backoff")
    begun = time.perf_counter()
    with pytest.raises(StorageError, match=f"{folder}/mlflow.db cannot be used .*--tracking-uri"):
        open_study(store)
    assert time.perf_counter() - begun < 3
    assert ["file"] == [path.name for path in tmp_path.iterdir()]


def test_a_refused_server_is_an_error_within_seconds_without_the_password(refused_port: int, tmp_path: Path) -> None:
    """MLflow itself would try for minutes, and show the password."""
    store = Store(f"http://me:s3cr3t@127.0.0.1:{refused_port}", tmp_path, "overfit-backoff")
    begun = time.perf_counter()
    with pytest.raises(StorageError) as caught:
        open_study(store)
    assert time.perf_counter() - begun < 10
    assert f"http://***@127.0.0.1:{refused_port} cannot be used" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.slow
def test_a_silent_server_is_given_up(tmp_path: Path) -> None:
    """A server that takes the connection and never answers costs seconds, not minutes."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = Store(f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path, "overfit-backoff")
        begun = time.perf_counter()
        with pytest.raises(StorageError, match="timeout|timed out"):
            open_study(store)
        assert time.perf_counter() - begun < 20


def test_files_of_mlflow_2_are_named_with_the_command_that_moves_them(tmp_path: Path) -> None:
    """They would hide the study from `mlflow ui`, so nothing is written beside them."""
    (tmp_path / "mlruns" / "0").mkdir(parents=True)
    (tmp_path / "mlruns" / "0" / "meta.yaml").touch()
    with pytest.raises(StorageError, match="mlflow migrate-filestore --source .*mlruns --target sqlite:///"):
        open_study(sqlite_store(tmp_path))
    assert not (tmp_path / "mlflow.db").exists()


def test_the_experiment_needs_a_name_of_its_own(tmp_path: Path) -> None:
    """The artifacts of 'Default' may belong to a server that a later search cannot write to."""
    with pytest.raises(SettingsError, match="'Default'"):
        sqlite_store(tmp_path, experiment="Default")


def test_a_database_whose_creation_was_cut_off_is_created_anew(tmp_path: Path) -> None:
    """A kill leaves it under another name, a full disk leaves nothing; the next search finds no half of a database."""
    store, database = sqlite_store(tmp_path), tmp_path / "mlflow.db"

    def half(uri: str) -> None:
        with sqlite3.connect(uri.removeprefix("sqlite:///")) as connection:
            connection.execute("CREATE TABLE half (x)")
        connection.close()
        raise sqlite3.OperationalError("database or disk is full")

    with pytest.raises(sqlite3.OperationalError), prepared(store, half):
        pytest.fail("the store is not ready")
    assert ["mlflow.db.lock"] == [path.name for path in tmp_path.iterdir()]
    (tmp_path / "mlflow.db.new").write_bytes(b"what a killed process has left")
    database.touch()  # what it left before there was another name
    open_study(store)
    assert not (tmp_path / "mlflow.db.new").exists()
    with sqlite3.connect(database) as connection:
        assert ("wal",) == connection.execute("PRAGMA journal_mode").fetchone()
        assert [] == connection.execute("SELECT name FROM sqlite_master WHERE name = 'half'").fetchall()
    connection.close()


def test_a_database_that_was_broken_before_is_told_with_the_way_out(tmp_path: Path) -> None:
    """As a server that was killed in its first seconds leaves it."""
    told = sqlite_store(tmp_path).unusable(RuntimeError("(sqlite3.OperationalError) table secrets already exists"))
    assert "its creation was interrupted, so move the file away" in str(told)
