"""Downloads end: with the file, or in time with a reason. A server of this test stands for the real one."""

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tuning.data.download import DownloadError, RemoteFile, fetch_into_keras_cache

CONTENT = b"the bytes of a data set"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves /file, never answers /silent, and answers /stuck only when asked whether it is there."""

    closing = threading.Event()
    stuck = threading.Event()

    def do_HEAD(self) -> None:
        """Say whether the file is there."""
        if self.path == "/silent":
            self.closing.wait()
        self.send_response(200 if self.path in ("/file", "/stuck") else 404)
        self.end_headers()

    def do_GET(self) -> None:
        """Send the file."""
        if self.path == "/stuck":
            self.stuck.set()
            self.closing.wait()
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    """The address of a running server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    Handler.closing.set()
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(url: str, keras_home: Path, *, sha256: str = SHA256, timeout_secs: float = 60.0) -> Path:
    """Fetch a file named own.bin as the product fetches MNIST, past any proxy of this machine."""
    environ = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    return fetch_into_keras_cache(
        RemoteFile("own.bin", url, sha256),
        keras_home=keras_home,
        environ=environ | {"KERAS_HOME": str(keras_home)},
        timeout_secs=timeout_secs,
    )


@pytest.mark.slow
def test_file_arrives_in_the_cache(host: str, tmp_path: Path) -> None:
    """Keras' own loader puts the file where Keras looks for it."""
    path = fetch(f"{host}/file", tmp_path)

    assert path == tmp_path / "datasets/own.bin"
    assert path.read_bytes() == CONTENT


@pytest.mark.slow
def test_another_file_is_refused_and_removed(host: str, tmp_path: Path) -> None:
    """What arrives must have the expected digest, and does not stay in the cache otherwise."""
    with pytest.raises(DownloadError, match="Incomplete or corrupted file"):
        fetch(f"{host}/file", tmp_path, sha256="0" * 64)

    assert list((tmp_path / "datasets").iterdir()) == []


@pytest.mark.slow
def test_silent_server_is_given_up_in_seconds(host: str, tmp_path: Path) -> None:
    """A server that takes the call and never answers is given up before Keras is even imported."""
    start = time.monotonic()

    with pytest.raises(DownloadError, match=r"not there within 2\.5 s"):
        fetch(f"{host}/silent", tmp_path)

    assert time.monotonic() - start < 10.0  # of 62.5; 2.5 on a machine that is not busy


def test_download_ends_when_its_time_is_over(host: str, tmp_path: Path) -> None:
    """The process that downloads is killed, whatever it is doing."""
    start = time.monotonic()

    with pytest.raises(DownloadError, match=r"not there within 0\.5 s"):
        fetch(f"{host}/stuck", tmp_path, timeout_secs=0.5)

    assert time.monotonic() - start < 10.0  # importing Keras alone may take as long


@pytest.mark.slow
def test_stuck_transfer_is_ended(host: str, tmp_path: Path) -> None:
    """The same with Keras long imported and waiting for the first byte, where it would wait for ever."""
    with pytest.raises(DownloadError, match="not there within 20 s"):
        fetch(f"{host}/stuck", tmp_path, timeout_secs=20.0)

    assert Handler.stuck.is_set()


def test_missing_file_is_said(host: str, tmp_path: Path) -> None:
    """The server's own reason is passed on."""
    with pytest.raises(DownloadError, match="Not Found"):
        fetch(f"{host}/gone", tmp_path)
