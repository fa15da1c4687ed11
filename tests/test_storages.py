"""Storages that lose nothing: a server that goes away, a write that was cut off, Optuna's gRPC proxy."""

import json
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.storages import InMemoryStorage, RDBStorage, get_storage
from optuna.trial import TrialState
from sqlalchemy.exc import OperationalError, PendingRollbackError

from tests.mlflow_server import free_port
from tuning.errors import StorageError
from tuning.steady_storage import SteadyStorage, is_outage
from tuning.storages import cut_half_line, open_storage
from tuning.workers import WORKER

WORKER_ATTR = {"host": "here", "pid": 1, "started": 0.0}


def outage() -> StorageInternalError:
    """What Optuna raises when its database is away."""
    error = StorageInternalError("An exception is raised during the commit.")
    error.__cause__ = OperationalError("SELECT 1", {}, ConnectionError("closed by postgresql://me:s3cr3t@x"))
    return error


class Leaving:
    """A storage in memory that is away for some calls, before or after it has done what was asked."""

    def __init__(self) -> None:
        self.inner = InMemoryStorage()
        self.n_away_before = self.n_away_after = 0

    def __getattr__(self, name: str) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            if self.n_away_before:
                self.n_away_before -= 1
                raise outage()
            answer = getattr(self.inner, name)(*args, **kwargs)
            if self.n_away_after:
                self.n_away_after -= 1
                raise outage()
            return answer

        return call


def steady(leaving: Leaving, clock: Callable[[], float] = time.monotonic) -> tuple[optuna.Study, list[float]]:
    """A study on a steady storage around another one, and the waits that it makes."""
    waits: list[float] = []
    storage: Any = SteadyStorage(leaving, WORKER_ATTR, sleep=waits.append, clock=clock)  # type: ignore[arg-type]
    return optuna.create_study(storage=storage), waits


def test_a_server_that_comes_back_costs_a_pause(caplog: pytest.LogCaptureFixture) -> None:
    """The waits grow; one line when it goes, without a password, and one when it is back."""
    leaving = Leaving()
    study, waits = steady(leaving)
    leaving.n_away_before = 4
    assert [] == study.trials
    assert [0.2, 0.4, 0.8, 1.6] == waits
    said = [record.getMessage() for record in caplog.records if record.name == "tuning.storage"]
    assert [
        "The Optuna storage does not answer (closed by postgresql://***@x): waiting for it.",
        "The Optuna storage answers again.",
    ] == said


def test_what_was_done_before_its_answer_was_lost_is_not_done_twice() -> None:
    """One trial is created, and it is told once."""
    leaving = Leaving()
    study, _ = steady(leaving)
    leaving.n_away_after = 1
    trial = study.ask()
    assert 1 == len(study.trials)
    assert WORKER_ATTR.items() <= study.trials[0].user_attrs[WORKER].items()
    leaving.n_away_after = 1
    study._storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [0.5])
    assert [(TrialState.COMPLETE, 0.5)] == [(each.state, each.value) for each in study.trials]


def test_a_server_that_stays_away_is_an_error_with_the_way_out_and_is_not_waited_for_again() -> None:
    """Whoever closes what runs must not wait as long once more."""
    leaving, now = Leaving(), iter(range(0, 100000, 100))
    study, waits = steady(leaving, clock=lambda: float(next(now)))
    leaving.n_away_before = 1000
    for _ in range(2):
        with pytest.raises(StorageError, match="has not answered for 600 s .*resume"):
            _ = study.trials
    assert 5 == len(waits)


def test_other_errors_are_let_through_at_once() -> None:
    """Waiting mends no full disk and no mistake of ours."""
    study, waits = steady(Leaving())
    with pytest.raises(KeyError):
        study._storage.get_study_id_from_name("unknown")
    assert [] == waits
    assert not is_outage(KeyError())


def test_a_locked_sqlite_file_is_waited_for_but_not_a_full_disk() -> None:
    """Another process holds it for a moment; a full disk stays full."""
    locked, full = (
        OperationalError("INSERT", {}, sqlite3.OperationalError(text)) for text in ("locked", "disk is full")
    )
    assert [True, False] == [is_outage(locked), is_outage(full)]


def test_a_server_that_leaves_in_the_middle_of_a_long_read_is_waited_for() -> None:
    """Optuna repeats such a query on the lost connection: what comes of it hides why the first one failed."""
    second = PendingRollbackError("Can't reconnect until invalid transaction is rolled back.")
    second.__context__ = outage().__cause__
    error = StorageInternalError("An exception is raised during the commit.")
    error.__cause__ = second
    assert is_outage(error)
    second.__context__ = OperationalError("SELECT", {}, sqlite3.OperationalError("disk is full"))
    assert not is_outage(error)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("whole\n", "whole\n"),
        ("half", ""),
        ("whole\nhalf", "whole\n"),
        ("whole\n" + "x" * 200_000, "whole\n"),
        ("x" * 200_000 + "\n" + "y" * 70_000, "x" * 200_000 + "\n"),
    ],
)
def test_a_half_line_is_cut_off(tmp_path: Path, text: str, expected: str) -> None:
    """Whatever its length; what ends with a line end stays as it is."""
    (tmp_path / "journal").write_text(text)
    cut_half_line(tmp_path / "journal")
    assert expected == (tmp_path / "journal").read_text()


def test_a_journal_survives_a_write_that_was_cut_off(tmp_path: Path) -> None:
    """Optuna alone would join the half line to the next one, and read neither, nor anything after it."""
    study = optuna.create_study(study_name="torn", storage=open_storage(None, tmp_path))
    study.add_trial(optuna.trial.create_trial(value=1.0))
    path = tmp_path / "optuna.journal"
    last = path.read_bytes().splitlines()[-1]
    with path.open("ab") as file:
        file.write(last[: len(last) // 2])
    resumed = optuna.load_study(study_name="torn", storage=open_storage(None, tmp_path))
    for value in (2.0, 3.0):
        resumed.add_trial(optuna.trial.create_trial(value=value))
    again = optuna.load_study(study_name="torn", storage=open_storage(None, tmp_path))
    assert [1.0, 2.0, 3.0] == [trial.value for trial in again.trials]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_optunas_grpc_proxy_is_a_storage_like_any_other(tmp_path: Path) -> None:
    """`grpc://host:port`; a trial is signed there too."""
    from optuna.storages._grpc.server import make_server

    port = free_port()
    behind = get_storage(RDBStorage(f"sqlite:///{tmp_path / 'behind.db'}"))
    with ThreadPoolExecutor(2) as threads:
        server = make_server(behind, "127.0.0.1", port, threads)
        server.start()
        try:
            inner = open_storage(f"grpc://127.0.0.1:{port}", tmp_path)
            storage: Any = SteadyStorage(inner, WORKER_ATTR)
            study = optuna.create_study(study_name="there", storage=storage)
            study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
            inner.close()
        finally:
            server.stop(None)
    trials = optuna.load_study(study_name="there", storage=behind).trials
    assert [TrialState.COMPLETE] * 2 == [trial.state for trial in trials]
    assert [1, 2] == [trial.user_attrs[WORKER]["n_created"] for trial in trials]


def test_a_proxy_that_does_not_answer_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time that a server is given."""
    monkeypatch.setattr("tuning.storages._CONNECT_TIMEOUT_SECS", 0.1)
    with pytest.raises(StorageError, match=r"storage grpc://\*\*\*@127.0.0.1:1 cannot be used .*--storage"):
        open_storage("grpc://me:secret@127.0.0.1:1", tmp_path)
