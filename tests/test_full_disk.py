"""A disk that is full when the command begins: one line, and the same command goes on once there is room."""

import subprocess
import sys
from pathlib import Path

import pytest

ON_A_FULL_DISK = 'mount -t tmpfs -o size=64k tmpfs "$1" && cd "$1" && (cat /dev/zero > filler; shift; exec "$@")'


@pytest.mark.slow
def test_a_disk_that_is_full_from_the_beginning_is_one_clear_error(tmp_path: Path) -> None:
    """Nothing of the data or the model is at fault, and there is no traceback."""
    mounted = subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root can mount a file system")
    search = [sys.executable, "-m", "tuning.search", "--data", "digits", "--trials", "2", "--quiet"]
    ended = subprocess.run(
        ["unshare", "--mount", "sh", "-c", ON_A_FULL_DISK, "sh", str(tmp_path), *search],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert 2 == ended.returncode, ended.stderr
    assert "Traceback" not in ended.stderr
    (said,) = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert said.startswith("error: The study stopped: [Errno 28] No space left on device: make room")
