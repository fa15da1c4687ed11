"""Downloads from real servers on this machine: the module arrives, or the stand-in comes in good time."""

import hashlib
import io
import shutil
import socket
import tarfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from models.hub_download import HubUnavailableError, cached_module
from models.pretrained import STAND_IN_DIR, PretrainedBaseline, load_baseline


@pytest.fixture(autouse=True)
def _no_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy and the cache of whoever runs the tests play no part in them."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("TFHUB_CACHE_DIR", raising=False)


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    """A server that answers as TF Hub does, with 403 to all that is not among its archives."""
    archives = {
        "/cnn/1": tar_of(STAND_IN_DIR),
        "/no-model/1": tar_of(STAND_IN_DIR / "variables"),
        "/page/1": b"<html>Sign in to the network</html>",
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            known = path in archives and query == "tf-hub-format=compressed"
            self.send_response(200 if known else 403)
            self.end_headers()
            self.wfile.write(archives[path] if known else b"")

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def tar_of(folder: Path) -> bytes:
    """A gzipped archive of what is in the folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.add(folder, arcname=".")
    return buffer.getvalue()


def cache_entry(cache: Path, handle: str) -> Path:
    """Where tensorflow_hub looks for a handle."""
    return cache / hashlib.sha1(handle.encode()).hexdigest()


def assert_is_downloaded_cnn(baseline: PretrainedBaseline) -> None:
    """Checks that a baseline is the module that the server has, under the name of its handle."""
    images = np.random.default_rng(0).uniform(-1, 1, size=(3, 28, 28, 1)).astype(np.float32)
    shipped = load_baseline("stand-in", cache_dir=Path("unused"))
    np.testing.assert_array_equal(baseline.logits(images), shipped.logits(images))
    assert (baseline.name, baseline.is_stand_in, baseline.note) == ("baseline-cnn", False, "")


def test_module_is_downloaded_once_and_then_read_from_the_cache(tmp_path: Path, hub: str) -> None:
    """The cache holds the module alone, and the second load needs no time on the network."""
    assert_is_downloaded_cnn(load_baseline(f"{hub}/cnn/1", cache_dir=tmp_path / "cache"))
    assert [cache_entry(tmp_path / "cache", f"{hub}/cnn/1")] == list((tmp_path / "cache").iterdir())
    assert_is_downloaded_cnn(load_baseline(f"{hub}/cnn/1", cache_dir=tmp_path / "cache", timeout_secs=1e-6))


def test_stale_lock_in_the_cache_holds_nobody(tmp_path: Path, hub: str) -> None:
    """What tensorflow_hub leaves behind when it is killed does not delay a download."""
    cache_entry(tmp_path, f"{hub}/cnn/1").with_suffix(".lock").write_text("host.1.0123456789abcdef")
    assert_is_downloaded_cnn(load_baseline(f"{hub}/cnn/1", cache_dir=tmp_path, timeout_secs=5))


@pytest.mark.parametrize(
    ("path", "note"),
    [
        ("/forbidden/1", "127.0.0.1 answered 403 Forbidden"),
        ("/page/1", "127.0.0.1 sent no module ("),
        ("/no-model/1", "127.0.0.1 sent an archive without a SavedModel"),
    ],
)
def test_server_without_the_module_gives_the_stand_in(tmp_path: Path, hub: str, path: str, note: str) -> None:
    """The search goes on, the note says what the server did, and the cache stays clean."""
    baseline = load_baseline(hub + path, cache_dir=tmp_path)
    assert (baseline.is_stand_in, baseline.name, baseline.handle) == (True, "baseline-stand-in", "stand-in")
    assert baseline.note.startswith(note)
    assert not list(tmp_path.iterdir())


def test_silent_server_is_given_up_in_time(tmp_path: Path) -> None:
    """A server that accepts and never answers costs the time limit, not the search."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/m/1"
        started = time.monotonic()
        baseline = load_baseline(url, cache_dir=tmp_path, timeout_secs=0.5)
    assert time.monotonic() - started < 5
    assert baseline.note == "127.0.0.1 did not answer within 0.5 s"
    assert not list(tmp_path.iterdir())


def test_unknown_server_is_given_up_at_once(tmp_path: Path) -> None:
    """A name that does not resolve (RFC 2606) does not use up the time limit."""
    started = time.monotonic()
    baseline = load_baseline("http://hub.invalid/m/1", cache_dir=tmp_path, timeout_secs=60)
    assert time.monotonic() - started < 20
    assert baseline.note.startswith("hub.invalid could not be reached (")


def test_cache_that_cannot_be_written_gives_the_stand_in(tmp_path: Path, hub: str) -> None:
    """A file where the cache should be is reported, not raised."""
    (tmp_path / "file").touch()
    baseline = load_baseline(f"{hub}/cnn/1", cache_dir=tmp_path / "file" / "cache")
    assert "cannot be written" in baseline.note


def test_a_cache_that_others_can_fill_is_not_read(tmp_path: Path) -> None:
    """A module is a program: in a folder for temporary files, another user may have put one there first."""
    module = cache_entry(tmp_path / "cache", "http://hub.example/cnn/1")
    shutil.copytree(STAND_IN_DIR, module)
    assert module == cached_module("http://hub.example/cnn/1", tmp_path / "cache", 1.0)
    (tmp_path / "cache").chmod(0o777)
    with pytest.raises(HubUnavailableError, match="belongs to somebody else: name another one by TFHUB_CACHE_DIR"):
        cached_module("http://hub.example/cnn/1", tmp_path / "cache", 1.0)
