"""The soak with workers that make up their results; the long one, with real training, is `python -m benchmarks.soak`.

What real workers keep over their trials is tested in `test_workers.py`.
"""

import subprocess
import sys
from pathlib import Path

import pytest

import tuning

PROJECT = Path(tuning.__file__).parents[1]
N_TRIALS = 50


@pytest.mark.slow
def test_a_long_search_keeps_its_memory_files_threads_and_seconds_and_its_files_grow_in_proportion() -> None:
    """All that a search does but train, beginning after the first twenty trials."""
    command = [sys.executable, "-m", "benchmarks.soak", "--light", "--trials", str(N_TRIALS)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert 0 == done.returncode, done.stdout + done.stderr
    verdicts = {cells[1].strip(): cells[-2].strip() for cells in (r.split("|") for r in done.stdout.splitlines()[2:-2])}
    assert {"study: resident memory (MB)", "study: open files", "study: threads"} < verdicts.keys()
    assert ("linear", "linear") == (verdicts["journal (MB)"], verdicts["MLflow's database (MB)"])
    assert {"flat", "linear"} == set(verdicts.values())
