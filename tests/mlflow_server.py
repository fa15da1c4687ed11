"""A real MLflow server for tests: started on a free port, killed when it is no longer needed, started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

# An unused server answers after five seconds, one on a busy machine after a minute.
_START_TIMEOUT_SECS = 120.0


def free_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


@contextmanager
def mlflow_server(folder: Path, port: int, *args: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `mlflow server` in a folder until the block ends, or until it is killed."""
    environ = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, "-m", "mlflow", "server", "-w", "1", "--port", str(port), *args]
    with _answering(command, folder, port, environ) as process:
        yield process


@contextmanager
def model_server(folder: Path, port: int, words: list[str], tracking_uri: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command `mlflow models serve ...` in a folder until the block ends."""
    environ = {**os.environ, "MLFLOW_TRACKING_URI": tracking_uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
    # It starts uvicorn by its name.
    environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environ["PATH"]])
    with _answering([sys.executable, "-m", *words], folder, port, environ) as process:
        yield process


@contextmanager
def _answering(
    command: list[str], folder: Path, port: int, environ: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "server.log").open("ab") as log:
        # In a process group of its own, because the server starts others.
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_until_it_answers(process, port, folder / "server.log")
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a server at once, with all that it started; one that has ended stays so."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_SECS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"The MLflow server does not answer: {log.read_text()[-2000:]}")
