"""The benchmark of kills in a small form: nothing is lost or doubled, and the rest is as if nothing had happened.

Searches with light workers are killed at random moments on each storage, while the database, the room on the disk and
the right time go away and come back. The long form is `python -m benchmarks.kills`.
"""

import subprocess
import sys
from pathlib import Path

import pytest

import tuning
from tests import postgresql

PROJECT = Path(tuning.__file__).parents[1]
N_TRIALS, N_KILLS = 10, 3


def forms() -> list[str]:
    """What can be done here: a database may not be installed, and only root can mount a file system."""
    found = ["journal, 2 workers", "sqlite", "clock", "parts"]
    found += ["postgresql"] if postgresql.binaries() else []
    mounted = subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True)
    return found + (["full-disk"] if mounted.returncode == 0 else [])


def cells(line: str) -> list[str]:
    """Of a row of a table."""
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.slow
def test_kills_and_outages_lose_nothing_and_change_nothing() -> None:
    """One row a form: what was done to it, and what came of it; everything that is wrong is printed below its row."""
    chosen = [word for form in forms() for word in ("--form", form)]
    sizes = ["--kills", str(N_KILLS), "--trials", str(N_TRIALS)]
    command = [sys.executable, "-m", "benchmarks.kills", *chosen, *sizes]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert 0 == done.returncode, done.stdout + done.stderr
    head, _, *lines = done.stdout.splitlines()
    rows = [dict(zip(cells(head), cells(line), strict=True)) for line in lines if line.startswith("|")]
    assert forms() == [row["form"] for row in rows]
    assert {("0", "0")} == {(row["lost"], row["doubled"]) for row in rows}
    assert {"yes"} == {row["identical"] for row in rows} - {"not compared"}
    assert sum(int(row["kills: study"]) + int(row["worker"]) for row in rows) >= N_KILLS
