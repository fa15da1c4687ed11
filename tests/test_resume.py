"""A long study goes on soon: `benchmarks.resume` in a reduced form, on the default storage."""

import subprocess
import sys

import pytest

# Five seconds are wanted where nothing else runs (benchmarks/RESULTS.md); beside other tests all takes longer.
# That the journal's own reader is what makes it fast shows `tests/test_bulk_journal.py`.
LIMIT_SECS = 15.0


@pytest.mark.slow
def test_a_study_of_10_000_trials_starts_its_next_trial_soon() -> None:
    """The real command on a journal as a search writes it."""
    command = [sys.executable, "-m", "benchmarks.resume", "--trials", "10000", "--storage", "journal", "--turns", "1"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=400).stdout
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in shown.splitlines()]
    (begun,) = [row[2] for row in cells if row[:2] == ["journal", "10000"]]
    assert 0.5 < float(begun) < LIMIT_SECS, shown
