"""`.ci/audit`: fails on a known vulnerability, and only then; against a server that speaks OSV's interface."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import tuning

AUDIT = Path(tuning.__file__).parents[1] / ".ci" / "audit"

pytestmark = pytest.mark.slow  # pip-audit takes a second to start

# As https://api.osv.dev/v1/query answers; the schema is https://ossf.github.io/osv-schema/.
FINDING = {
    "id": "PYSEC-2099-1",
    "schema_version": "1.6.0",
    "summary": "Pickles are read.",
    "affected": [
        {
            "package": {"name": "leaky", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}],
        }
    ],
}


@contextmanager
def database(known: dict[str, Any]) -> Iterator[str]:
    """A server that has these vulnerabilities, by package; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = {"vulns": [known[query["package"]["name"]]]} if query["package"]["name"] in known else {}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def audit(folder: Path, url: str) -> tuple[int, str]:
    """Audit an environment of two packages; the exit code, and what was printed."""
    for name in ("leaky", "sound"):
        about = folder / f"{name}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    environ = {**os.environ, "PIP_AUDIT_VULNERABILITY_SERVICE": "osv", "PIP_AUDIT_OSV_URL": url}
    command = [sys.executable, str(AUDIT), "--path", str(folder), "--cache-dir", str(folder / "cache")]
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    assert "" == done.stderr
    return done.returncode, done.stdout


def test_a_known_vulnerability_fails(tmp_path: Path) -> None:
    """It is named with the release that mends it."""
    with database({"leaky": FINDING}) as url:
        code, said = audit(tmp_path, url)
    assert 1 == code
    assert "audit: leaky 1.0: PYSEC-2099-1, mended in 1.1\n" in said
    assert "audit: 2 packages looked up, 1 known vulnerabilities.\n" in said


def test_sound_packages_pass(tmp_path: Path) -> None:
    """And it is said how many were looked up."""
    with database({}) as url:
        assert (0, "audit: 2 packages looked up, 0 known vulnerabilities.\n") == audit(tmp_path, url)


def test_without_a_database_nothing_fails(tmp_path: Path) -> None:
    """But it is said that nothing was looked up."""
    code, said = audit(tmp_path, "http://127.0.0.1:1/v1/query")
    assert (0, True) == (code, "nothing was looked up" in said)
