"""How soon a long study goes on: seconds from the command to its next trial.

    python -m benchmarks.resume --trials 10000

A real study of one trial on scikit-learn's digits is multiplied (see `long_study`), in its storage and in MLflow's
database, and the command itself is started on it: until it says that the next trial has begun, and until that trial's
end has come back. Then it is killed, and started again for the next turn. The same is measured on a study of one trial:
what the command takes anyway.
"""

from __future__ import annotations

import itertools
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

import tuning
from benchmarks.long_study import made_up_runs, multiply, multiply_mlflow
from benchmarks.surroundings import place
from tuning.settings import study_dir
from tuning.storages import open_storage

_PROJECT = Path(tuning.__file__).parents[1]
_ARGS = ("--data", "digits", "--study", "long", "--epochs", "10")


def command(*args: str) -> list[str]:
    """The search."""
    return [sys.executable, "-m", "tuning.search", *_ARGS, *args]


def environ() -> dict[str, str]:
    """Of the search."""
    return {**os.environ, "PYTHONPATH": str(_PROJECT), "MLFLOW_DISABLE_TELEMETRY": "true"}


def secs_to_next_trial(folder: Path, url: str | None, n_trials: int) -> tuple[float, float]:
    """Seconds until the next trial has begun, and until its worker has trained it."""
    args = ("--trials", str(2 * n_trials), *(("--storage", url) if url else ()))
    begun, pipe = time.perf_counter(), subprocess.PIPE
    with subprocess.Popen(command(*args), cwd=folder, env=environ(), stdout=pipe, text=True) as search:
        assert search.stdout is not None  # noqa: S101
        moments = []
        for line in search.stdout:
            if re.match(r"trial \d+ " if not moments else "   saw", line):
                moments.append(time.perf_counter() - begun)
            if len(moments) == 2:
                break
        search.kill()
    return moments[0], moments[1]


def measure(kind: str, folder: Path, url: str | None, n_trials: int, n_turns: int) -> None:
    """Print a row."""
    secs = [secs_to_next_trial(folder, url, max(n_trials, 10)) for _ in range(n_turns)]
    first, ended = ([each[i] for each in secs] for i in (0, 1))
    spread, median = f"{min(first):.1f} to {max(first):.1f}", statistics.median
    print(f"| {kind} | {n_trials} | {median(first):.1f} | {spread} | {median(ended):.1f} |", flush=True)


@click.command()
@click.option("--trials", "n_trials", default=10_000, show_default=True)
@click.option("--turns", "n_turns", default=3, show_default=True)
@click.option("--storage", "kinds", multiple=True, default=("journal", "sqlite", "postgresql"), show_default=True)
def main(n_trials: int, n_turns: int, kinds: tuple[str, ...]) -> None:
    """Measure, and print the table."""
    print("| storage | trials | next trial begins (s) | range | it has ended (s) |\n|---|---|---|---|---|", flush=True)
    runs = made_up_runs(n_trials - 1)
    for kind, made_up in itertools.product(kinds, ([], runs)):
        with tempfile.TemporaryDirectory(prefix="resume-") as name, place(kind, Path(name)) as there:
            folder = Path(name)
            args = ("--trials", "1", "--quiet", *(("--storage", there.storage) if there.storage else ()))
            subprocess.run(command(*args), cwd=folder, env=environ(), check=True, stdout=subprocess.DEVNULL)
            if made_up:
                multiply(open_storage(there.storage, study_dir(folder, "long")), "long", made_up)
                multiply_mlflow(folder / "mlflow.db", len(made_up))
            measure(kind, folder, there.storage, 1 + len(made_up), n_turns)


if __name__ == "__main__":
    main()
