"""The servers of optuna-dashboard and TensorBoard, started by the commands of docs/dashboards.md and asked by HTTP."""

import json
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import make_server

GUIDE = "dashboards.md"
_PATIENCE_SECS = 120.0


@contextmanager
def served(words: list[str], folder: Path) -> Iterator[str]:
    """The address of a server that a command of the guide starts, on a port that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = Path(sys.executable).with_name(words[0])
    options = ["--host", "127.0.0.1", "--port", str(port)]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen([program, *words[1:], *options], cwd=folder, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


@contextmanager
def answering(app: Any) -> Iterator[str]:  # noqa: ANN401 - a WSGI application
    """The address of an application that a thread of this process serves."""
    server = make_server("127.0.0.1", 0, app)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def asked(
    url: str,
    is_complete: Callable[[Any], bool] = lambda answer: True,
    body: dict[str, Any] | None = None,
) -> Any:  # noqa: ANN401 - JSON
    """What a server answers, once it does, and once it has read all of its files."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    deadline = time.monotonic() + _PATIENCE_SECS
    while True:
        try:
            with urllib.request.urlopen(request) as response:
                answer = json.load(response)
            if is_complete(answer):
                return answer
            assert time.monotonic() < deadline, answer
        except (urllib.error.URLError, ConnectionError) as error:
            if isinstance(error, urllib.error.HTTPError) or time.monotonic() > deadline:
                raise
        time.sleep(0.2)


def details(dashboard: str) -> dict[str, Any]:
    """The only study that a dashboard shows."""
    (study,) = asked(f"{dashboard}/api/studies")["study_summaries"]
    found: dict[str, Any] = asked(f"{dashboard}/api/studies/{study['study_id']}?after=0")
    return found


def attributes(trial: dict[str, Any]) -> dict[str, str]:
    """A trial's user attributes as the dashboard shows them."""
    return {each["key"]: each["value"] for each in trial["user_attrs"]}
