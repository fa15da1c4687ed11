"""A search that is looked at while it runs: memory, open files and threads of its processes, sizes of its files.

    with running(folder, n_trials=500, n_workers=2, is_light=False) as search:
        samples = list(watched(search, folder, 500, 2, tick_secs=1.0))

The strategy would find nothing left to try long before hundreds of trials: so a few without parameters are always
enqueued, which the search decides itself, at random where it would end.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
import psutil

import tuning
from benchmarks.disturbed_search import ForkedSearch
from tuning.data import load_dataset
from tuning.errors import SearchError
from tuning.settings import Settings, study_dir
from tuning.storages import JOURNAL
from tuning.study_store import load_study

STUDY = "soak"
_PROJECT = Path(tuning.__file__).parents[1]
_SHORT = ("--data", "digits", "--epochs", "2", "--max-params", "8000")  # a large network takes seconds to compile
_N_ENQUEUED = 20  # more than end between two looks
_MB = 2**20


@dataclass(frozen=True)
class Process:
    """A process at one moment; `n_trials` have ended since it was first seen, or its share of them."""

    pid: int
    n_trials: float
    resident_mb: float
    n_files: int
    n_threads: int


@dataclass(frozen=True)
class Sample:
    """One look: how many trials have ended, the processes, the sizes of the files."""

    n_ended: int
    study: Process
    workers: Sequence[Process]
    journal_mb: float
    mlflow_mb: float


@dataclass
class Watch:
    """Looks at a running search.

    Args:
        search: Its process.
        folder: In which it runs.
        n_workers: How many share the trials.
    """

    search: psutil.Process
    folder: Path
    n_workers: int

    def __post_init__(self) -> None:
        self._first_seen: dict[int, int] = {}

    def look(self, n_ended: int) -> Sample:
        """Look once.

        Raises:
            psutil.Error: If the search has ended.
        """
        study, workers = self._process(self.search, n_ended, 1), []
        for worker in (each for server in self.search.children() for each in server.children()):
            with contextlib.suppress(psutil.Error):  # recycled at this moment
                workers.append(self._process(worker, n_ended, self.n_workers))
        journal_mb = (study_dir(self.folder, STUDY) / JOURNAL).stat().st_size / _MB
        return Sample(n_ended, study, workers, journal_mb, _database_mb(self.folder / "mlflow.db"))

    def _process(self, process: psutil.Process, n_ended: int, n_sharing: int) -> Process:
        first = self._first_seen.setdefault(process.pid, n_ended)
        with process.oneshot():
            resident_mb, n_files = process.memory_info().rss / _MB, process.num_fds()
            return Process(process.pid, (n_ended - first) / n_sharing, resident_mb, n_files, process.num_threads())


def _database_mb(path: Path) -> float:
    """Size of an SQLite database, with what its write-ahead log holds; nothing before there is one."""
    if not path.exists():
        return 0.0
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        n_pages, page_bytes = (connection.execute(f"PRAGMA page_{what}").fetchone()[0] for what in ("count", "size"))
    return float(n_pages * page_bytes / _MB)


def log_of(folder: Path) -> Path:
    """What a search in this folder prints, beside the folder's own."""
    return folder.parent.with_suffix(".log")


@contextlib.contextmanager
def running(folder: Path, n_trials: int, n_workers: int, *, is_light: bool) -> Iterator[psutil.Process]:
    """Start the search; it is killed if it still runs in the end."""
    folder.mkdir(parents=True)
    search = (_light if is_light else _real)(folder, n_trials, n_workers)
    try:
        yield search
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            search.kill()
            search.wait()


def _real(folder: Path, n_trials: int, n_workers: int) -> psutil.Process:
    args = ["--study", STUDY, "--trials", str(n_trials), "--workers", str(n_workers), *_SHORT]
    environ = {**os.environ, "PYTHONPATH": str(_PROJECT), "MLFLOW_DISABLE_TELEMETRY": "true"}
    with log_of(folder).open("wb") as log:
        command = [sys.executable, "-m", "tuning.search", *args]
        return psutil.Popen(command, cwd=folder, env=environ, stdout=log, stderr=subprocess.STDOUT)


def _light(folder: Path, n_trials: int, n_workers: int) -> psutil.Process:
    settings = Settings(folder, STUDY, "digits", n_trials, max_epochs=10, n_workers=n_workers, quiet=True)
    dataset = load_dataset("digits", seed=0, environ=os.environ)
    return psutil.Process(ForkedSearch(settings, dataset, epoch_secs=0.0).start())


def study_of(folder: Path, search: psutil.Process) -> optuna.Study:
    """The study, as soon as there is one."""
    while True:
        with contextlib.suppress(SearchError):
            return load_study(folder, STUDY, None)
        if not _runs(search):
            sys.exit("The search has ended before there was a study.")
        time.sleep(0.1)


def _runs(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def watched(search: psutil.Process, folder: Path, n_trials: int, n_workers: int, tick_secs: float) -> Iterator[Sample]:
    """Look at a search, and keep it going, until all of its trials have ended."""
    study, watch = study_of(folder, search), Watch(search, folder, n_workers)
    while _runs(search):
        trials = study.get_trials(deepcopy=False)
        n_ended = sum(trial.state.is_finished() for trial in trials)
        if n_ended >= n_trials:
            return
        n_waiting = sum(trial.state is optuna.trial.TrialState.WAITING for trial in trials)
        for _ in range(_N_ENQUEUED - n_waiting):
            study.enqueue_trial({})
        with contextlib.suppress(psutil.Error):
            yield watch.look(n_ended)
        time.sleep(tick_secs)
