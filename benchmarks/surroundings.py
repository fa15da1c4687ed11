"""What a search depends on, and what can go away and come back: a database, MLflow's server, room on the disk."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import click

from tests import postgresql
from tests.mlflow_server import free_port, mlflow_server

_DISK_MB = 12  # a study of 40 trials takes half of it, most of it MLflow's database and its log


class Needed(Protocol):
    """What a search depends on."""

    def stop(self) -> None:
        """It goes away."""

    def start(self) -> None:
        """It is back."""


@dataclass(frozen=True)
class Place:
    """Where a study is kept, and what of it can go away.

    Args:
        storage: URL of the Optuna storage; None for the journal.
        tracking_uri: Of MLflow; None for the file in the search's folder.
        needed: What goes away.
    """

    storage: str | None = None
    tracking_uri: str | None = None
    needed: Needed | None = None


@contextlib.contextmanager
def place(kind: str, folder: Path) -> Iterator[Place]:
    """A place of a kind: journal, sqlite, postgresql, mlflow-server, full-disk or full-disk-sqlite."""
    sqlite = f"sqlite:///{folder / 'optuna.db'}"
    if kind == "postgresql":
        with database() as server:
            yield Place(server.url, f"sqlite:///{folder / 'mlflow.db'}", server)
    elif kind == "mlflow-server":
        server = MlflowServer(folder)
        server.start()
        try:
            yield Place(None, server.url, server)
        finally:
            server.stop()
    elif kind.startswith("full-disk"):
        with small_disk(folder):
            yield Place(sqlite if kind.endswith("sqlite") else None, None, SmallDisk(folder))
    else:
        yield Place(sqlite if kind == "sqlite" else None)


@contextlib.contextmanager
def database() -> Iterator[postgresql.Server]:
    """A PostgreSQL server, which is stopped as if its machine had lost power."""
    binaries = postgresql.binaries()
    if binaries is None:
        raise click.UsageError("PostgreSQL is not installed.")
    with postgresql.running_server(binaries) as server:
        yield server


class MlflowServer:
    """A server that is killed and started again on the same store.

    Args:
        folder: Of its files.
        store: URL of the database with its runs; None for a file in that folder.
    """

    def __init__(self, folder: Path, store: str | None = None) -> None:
        self._folder, self._port, self._stack = folder, free_port(), contextlib.ExitStack()
        self._store = store or f"sqlite:///{folder / 'server.db'}"
        self.url, self.pid = f"http://127.0.0.1:{self._port}", 0

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = ("--backend-store-uri", self._store, "--artifacts-destination", str(self._folder / "artifacts"))
        self.pid = self._stack.enter_context(mlflow_server(self._folder, self._port, *options)).pid

    def stop(self) -> None:
        """Kill it."""
        self._stack.close()


@dataclass(frozen=True)
class SmallDisk:
    """A file system in which a file takes all the room that is left."""

    folder: Path

    def stop(self) -> None:
        """No room is left."""
        with contextlib.suppress(OSError), (self.folder / "ballast").open("wb", buffering=0) as file:
            while file.write(b"x" * 1024):
                pass

    def start(self) -> None:
        """There is room again."""
        (self.folder / "ballast").unlink()


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a small file system, which only root can do."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_MB}m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        raise click.UsageError("A small file system cannot be mounted here.")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
