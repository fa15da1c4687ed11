"""A PostgreSQL server of the tests' own: on loopback, in a folder of its own, gone when the tests end.

It can be stopped and started again in between, as an administrator would, or a machine that fails.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from optuna.storages import BaseStorage, RDBStorage

_DEBIAN = "/usr/lib/postgresql"
_USER = "postgres"  # the server refuses to run as root; Debian's package creates this user


def binaries() -> Path | None:
    """The folder of `initdb` and `pg_ctl`; None where PostgreSQL is not installed."""
    on_path = shutil.which("initdb")
    folders = sorted(Path(_DEBIAN).glob("*/bin")) if on_path is None else [Path(on_path).parent]
    return next((folder for folder in reversed(folders) if (folder / "initdb").exists()), None)


@dataclass(frozen=True)
class Server:
    """A server's binaries, its data and its port."""

    binaries: Path
    data: Path
    port: int

    @property
    def url(self) -> str:
        """The storage URL, without a password: whoever connects is trusted."""
        return f"postgresql+psycopg://{_USER}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        options = (
            f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories={self.data} -c fsync=off"
        )
        _run(self.binaries / "pg_ctl", "-D", self.data, "-o", options, "-l", self.data / "log", "-w", "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it: `fast` rolls back what is open, `immediate` is like a machine that loses its power."""
        _run(self.binaries / "pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")


@contextmanager
def running_server(folder: Path) -> Iterator[Server]:
    """Run a server with the binaries of this folder."""
    data = Path(tempfile.mkdtemp(prefix="tuning-postgresql-"))
    if os.geteuid() == 0:
        shutil.chown(data, _USER)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    _run(folder / "initdb", "-D", data, "-A", "trust", "-U", _USER, "--no-sync")
    server = Server(folder, data, port)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(data)


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Run a server with the binaries of this folder; yields a storage URL."""
    with running_server(folder) as running:
        yield running.url


@contextmanager
def closing(storage: BaseStorage) -> Iterator[BaseStorage]:
    """Close a storage's connections at the end: psycopg warns of an open one whenever it happens to be collected."""
    try:
        yield storage
    finally:
        rdb = getattr(storage, "_backend", storage)  # Optuna's cache in front of it has no public way through
        assert isinstance(rdb, RDBStorage)
        rdb.remove_session()
        rdb.engine.dispose()


def _run(*command: object) -> None:
    as_user = ["runuser", "-u", _USER, "--"] if os.geteuid() == 0 else []
    words = [*as_user, *map(str, command)]
    done = subprocess.run(words, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)} failed: {done.stderr}")
