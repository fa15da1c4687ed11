"""Passwords of storages and tracking servers are said nowhere, in whatever form a library repeats them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import optuna
import psycopg
import pytest
from psycopg import sql

from tests import postgresql
from tuning import cli
from tuning.errors import StorageError
from tuning.explain import explain
from tuning.masking import masked, one_line, shown_url
from tuning.steady_storage import SteadyStorage
from tuning.storages import open_storage
from tuning.tracking.store import Store, check
from tuning.tracking.tracker import DatasetFacts, Tracker
from tuning.workers import Worker

SECRET = "s3cr3t/@#?: %n"  # holds all that separates the parts of a URL
PIECES = ("s3cr3t", quote(SECRET, safe=""))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:s3cr3t@host/db", "postgresql://***@host/db"),
        ("postgresql://me:s3c@r3t@host/db", "postgresql://***@host/db"),
        ("postgresql://me:s3c/r3t@host/db", "postgresql://***@host/db"),
        ("postgresql://me:two words@host/db", "postgresql://***@host/db"),
        ("postgresql://host/db?user=me&password=s3cr3t&x=1", "postgresql://host/db?user=me&password=***&x=1"),
        ("postgresql://host/db?sslpassword=s3cr3t", "postgresql://host/db?sslpassword=***"),
        ("http://host:5000?token=s3cr3t", "http://host:5000?token=***"),
        ("sqlite:////home/me/optuna.db", "sqlite:////home/me/optuna.db"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    """The host stays readable, also where the password holds what separates the parts of a URL."""
    assert shown == shown_url(url)


@pytest.mark.parametrize(
    "said",
    [
        "could not translate host name 'r3t@host'",
        "authentication failed for me with 's3c/r3t'",
        "cannot parse postgresql://me:s3c%2Fr3t@host/db",
        "nonnumeric port: 's3c'",
        "connection string: host=h PASSWORD = whatever user=me",
        "{'password': 's3c/r3t'}",
    ],
)
def test_a_message_does_not_repeat_it(said: str) -> None:
    """Whole, decoded, or the half that was taken for something else."""
    shown = masked(said, "postgresql://me:s3c%2Fr3t@host/db")
    assert [] == [piece for piece in ("s3c", "r3t", "whatever") if piece in shown]
    assert "***" in shown


def test_what_steers_a_terminal_is_written_as_its_escape() -> None:
    """Letters of any script stay."""
    assert "Zürich \\x1b[31m\\n\\u202e数" == one_line("Zürich \x1b[31m\n\u202e数")


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+psycopg://me:{PIECES[1]}@127.0.0.1:1/db",
        "postgresql+psycopg://me:s3cr3t/x@127.0.0.1:1/db",
        "postgresql+psycopg://me:x@s3cr3t@127.0.0.1:1/db",
        "postgresql+psycopg://127.0.0.1:1/db?user=me&password=s3cr3t",
        "postgresql+psycopg://127.0.0.1:1/db?pasword=s3cr3t&token=s3cr3t",
        "postgresql+nothing://me:s3cr3t@127.0.0.1:1/db",
        "postgresql://me:s3cr3t@127.0.0.1:port/db",
        "grpc://me:s3cr3t/x@127.0.0.1:1",
        "s3cr3t://me:s3cr3t@127.0.0.1",
    ],
)
def test_a_storage_that_cannot_be_reached_does_not_say_it(url: str, tmp_path: Path) -> None:
    """The real errors of SQLAlchemy, its driver and gRPC."""
    with pytest.raises(StorageError) as raised:
        open_storage(url, tmp_path)
    shown = str(raised.value).replace("s3cr3t://", "").replace("pasword=s3cr3t", "").replace("'s3cr3t'", "")
    assert "s3cr3t" not in shown


@pytest.mark.parametrize("place", ["me:s3cr3t@127.0.0.1:1", "me:s3cr3t/x@127.0.0.1:1", "127.0.0.1:1/?password=s3cr3t"])
def test_a_server_that_cannot_be_reached_does_not_say_it(place: str, tmp_path: Path) -> None:
    """Before anything is written, MLflow is not asked yet."""
    with pytest.raises(StorageError) as raised:
        check(Store(f"http://{place}", tmp_path, "masked"))
    assert "s3cr3t" not in str(raised.value)


@pytest.mark.parametrize("words", [["--storage"], ["--no-such-option"], ["--study", "known"], []])
def test_a_url_in_the_wrong_place_is_said_without_it(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command repeats what it does not understand."""
    monkeypatch.chdir(tmp_path)
    assert 2 == cli.run(explain, [*words, "postgresql://me:s3cr3t@127.0.0.1:1/db"])
    assert "s3cr3t" not in capsys.readouterr().err


@pytest.fixture
def health() -> Iterator[tuple[int, list[str]]]:
    """A server that has the page `/health`: its port, and the pages that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port, asked
        server.shutdown()
        thread.join()


def test_a_tracking_server_with_a_password_in_its_url_is_found(
    health: tuple[int, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As MLflow's client takes it; the password is no part of the host's name."""
    monkeypatch.setenv("no_proxy", "*")
    port, asked = health
    check(Store(f"http://me:s3cr3t@127.0.0.1:{port}/mlflow/", tmp_path, "masked"))
    assert ["/mlflow/health"] == asked


@pytest.fixture(scope="module")
def server() -> Iterator[postgresql.Server]:
    """PostgreSQL with a user `me` who needs the password, and a database for MLflow."""
    binaries = postgresql.binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed")
    with postgresql.running_server(binaries) as running:
        plain = running.url.replace("+psycopg", "")
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE me LOGIN SUPERUSER PASSWORD '{SECRET}'")
            connection.execute("CREATE DATABASE mlflow")
            rules = "host all me 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
            (running.data / "pg_hba.conf").write_text(rules)
            connection.execute("SELECT pg_reload_conf()")
        yield running


def rows_of(url: str, database: str) -> str:
    """Every row of every table, as text."""
    tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    with psycopg.connect(url.replace("+psycopg", "").removesuffix("postgres") + database) as connection:
        names = [name for (name,) in connection.execute(tables)]
        assert len(names) > 5
        queries = [sql.SQL("SELECT * FROM {}").format(sql.Identifier(name)) for name in names]
        return "".join(str(connection.execute(query).fetchall()) for query in queries)


@pytest.mark.slow
def test_a_real_server_is_used_and_its_password_is_written_nowhere(
    server: postgresql.Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Optuna and MLflow on one PostgreSQL: nothing of it is in the databases, the files, the log, an error."""
    caplog.set_level(logging.DEBUG)
    url = server.url.replace("postgres@", f"me:{quote(SECRET, safe='')}@")
    inner: Any = open_storage(url, tmp_path)
    storage: Any = SteadyStorage(inner, Worker.this().as_attr(), 0.1, url=url)
    study = optuna.create_study(study_name="masked", storage=storage)
    study.add_trial(optuna.trial.create_trial(value=1.0))
    tracker = Tracker(Store(url.removesuffix("postgres") + "mlflow", tmp_path / "mlruns", "masked"), "masked")
    facts = DatasetFacts("digits", "0" * 64, "here", 1, 1, 1)
    tracker.open_study(tags={}, params={"seed": 0}, dataset=facts)
    written = "".join(rows_of(server.url, database) for database in ("postgres", "mlflow"))
    assert "masked" in written
    with pytest.raises(StorageError) as wrong:
        open_storage(url.replace("s3cr3t", "s3cr3tx"), tmp_path)
    server.stop()
    with pytest.raises(StorageError) as away:
        tracker.keys()
    with pytest.raises(StorageError) as gone:
        study.add_trial(optuna.trial.create_trial(value=2.0))
    server.start()
    assert tracker._opened is not None
    for engine in (inner._backend.engine, tracker._opened.client._tracking_client.store.engine):
        engine.dispose()  # psycopg warns of connections that are left open
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    said = "".join([written, caplog.text, *(str(each.value) for each in (wrong, away, gone)), files.decode("latin-1")])
    assert "password authentication failed" in str(wrong.value)
    assert [] == [piece for piece in PIECES if piece in said]
