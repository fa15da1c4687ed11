"""A PostgreSQL server of the tests' own: on loopback, in a folder of its own, gone when the tests end."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DEBIAN = "/usr/lib/postgresql"
_USER = "postgres"  # the server refuses to run as root; Debian's package creates this user


def binaries() -> Path | None:
    """The folder of `initdb` and `pg_ctl`; None where PostgreSQL is not installed."""
    on_path = shutil.which("initdb")
    folders = sorted(Path(_DEBIAN).glob("*/bin")) if on_path is None else [Path(on_path).parent]
    return next((folder for folder in reversed(folders) if (folder / "initdb").exists()), None)


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Run a server with the binaries of this folder; yields a storage URL."""
    data = Path(tempfile.mkdtemp(prefix="tuning-postgresql-"))
    if os.geteuid() == 0:
        shutil.chown(data, _USER)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    _run(folder / "initdb", "-D", data, "-A", "trust", "-U", _USER, "--no-sync")
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={data} -c fsync=off"
    _run(folder / "pg_ctl", "-D", data, "-o", options, "-l", data / "log", "-w", "start")
    try:
        yield f"postgresql+psycopg2://{_USER}@127.0.0.1:{port}/postgres"
    finally:
        _run(folder / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(data)


def _run(*command: object) -> None:
    as_user = ["runuser", "-u", _USER, "--"] if os.geteuid() == 0 else []
    words = [*as_user, *map(str, command)]
    done = subprocess.run(words, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)} failed: {done.stderr}")
