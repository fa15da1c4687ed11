"""Hundreds of short trials with two workers: what grows, and what should not?

    python -m benchmarks.soak                       # 500 trials: some 26 minutes on one core
    python -m benchmarks.soak --light --trials 80   # workers make up their results: seconds

The real command searches scikit-learn's digits, two epochs a trial, networks of up to 8,000 weights. Once a second
this process looks at the one that holds the study and at its workers, and at the sizes of the journal and of MLflow's
database (see `watched_search.py`); when all is over, at the seconds of the trials. What counts as flat and as linear
is said in `trends.py`. Exit code 1 if anything is not.

A worker keeps the program of every architecture that it has compiled, and is recycled by rule once it has grown by a
quarter, or after 50 trials: so what is flat is what all of them have together, and the most that each ever has.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from operator import attrgetter
from pathlib import Path

import click
import optuna
from optuna.trial import FrozenTrial

from benchmarks.trends import MIN_POINTS, Quantity, flat, linear, table
from benchmarks.watched_search import STUDY, Sample, log_of, running, watched
from tuning.study_store import load_study
from tuning.trial_attrs import TRAIN_SECS

_SETTLING_SHARE, _SETTLING_TRIALS = 0.1, 20  # until then libraries are loaded, threads started and tables created
_WORKER_SETTLING = 5  # trials of a worker, as in `tuning/pool.py`


def quantities(samples: Sequence[Sample], trials: Sequence[FrozenTrial]) -> Iterator[Quantity]:
    """What was seen of processes, files and trials, each over the number of trials."""
    n_settling = max(int(_SETTLING_SHARE * len(trials)), _SETTLING_TRIALS)
    settled = [sample for sample in samples if sample.n_ended >= n_settling]
    ended = [sample.n_ended for sample in settled]
    of_study = [sample.study for sample in settled]
    yield Quantity("study: resident memory (MB)", ended, [each.resident_mb for each in of_study], flat)
    yield Quantity("study: open files", ended, [each.n_files for each in of_study], flat)
    yield Quantity("study: threads", ended, [each.n_threads for each in of_study], flat)
    yield from _of_workers(settled)
    # Of light workers no trial has any: their seconds are the strategy's, which has phases.
    late = [trial for trial in trials[n_settling:] if trial.user_attrs.get(TRAIN_SECS)]
    secs = [(each.datetime_complete - each.datetime_start).total_seconds() for each in late]
    beside = [each - trial.user_attrs[TRAIN_SECS] for each, trial in zip(secs, late, strict=True)]
    yield Quantity("a trial: seconds", range(len(late)), secs, flat)
    yield Quantity("a trial: seconds beside its training", range(len(late)), beside, flat)
    yield Quantity("journal (MB)", ended, [sample.journal_mb for sample in settled], linear)
    yield Quantity("MLflow's database (MB)", ended, [sample.mlflow_mb for sample in settled], linear)


def _of_workers(samples: Sequence[Sample]) -> Iterator[Quantity]:
    """Over the trials of the study."""
    pairs = [(sample.n_ended, each) for sample in samples for each in sample.workers]
    pairs = [(n, each) for n, each in pairs if each.n_trials >= _WORKER_SETTLING]
    ended, workers = [n for n, _ in pairs], [each for _, each in pairs]
    yield Quantity("workers: resident memory (MB)", ended, [each.resident_mb for each in workers], flat)
    yield Quantity("workers: open files", ended, [each.n_files for each in workers], flat)
    yield Quantity("workers: threads", ended, [each.n_threads for each in workers], flat)
    last_seen = {each.pid: n for n, each in pairs}
    largest = [max(each.resident_mb for each in workers if each.pid == pid) for pid in last_seen]
    yield Quantity("each worker: most resident memory (MB)", list(last_seen.values()), largest, flat)


@dataclass(frozen=True)
class Soak:
    """What was seen of a search, its trials in the order of their ends, and its exit code."""

    samples: Sequence[Sample]
    trials: Sequence[FrozenTrial]
    code: int


def soak(folder: Path, n_trials: int, n_workers: int, tick_secs: float, *, is_light: bool) -> Soak:
    """Run the search."""
    with running(folder, n_trials, n_workers, is_light=is_light) as search:
        samples = list(watched(search, folder, n_trials, n_workers, tick_secs))
        code = search.wait()
    trials = [trial for trial in load_study(folder, STUDY, None).trials if trial.state.is_finished()]
    return Soak(samples, sorted(trials, key=attrgetter("datetime_complete")), code)


@click.command()
@click.option("--trials", "n_trials", default=500, show_default=True)
@click.option("--workers", "n_workers", default=2, show_default=True)
@click.option("--light", "is_light", is_flag=True, help="Workers make up their results, and nobody looks at them.")
@click.option("--samples", "kept", type=click.Path(path_type=Path), help="File for all that was seen, as JSON.")
def main(n_trials: int, n_workers: int, is_light: bool, kept: Path | None) -> None:
    """Watch a search, and print the table."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name) / "soak" / "search"
        seen = soak(folder, n_trials, n_workers, 0.1 if is_light else 1.0, is_light=is_light)
        said = log_of(folder).read_text(encoding="utf-8")
    if kept is not None:
        kept.write_text(json.dumps([asdict(sample) for sample in seen.samples]), encoding="utf-8")
    found = [each for each in quantities(seen.samples, seen.trials) if len(each.at) >= MIN_POINTS]
    n_processes = len({worker.pid for sample in seen.samples for worker in sample.workers})
    print(table(found))
    print(f"\n{len(seen.trials)} trials, {n_processes} worker processes seen, {time.monotonic() - begun:.0f} s")
    if seen.code:
        print(f"The search ended with exit code {seen.code}: {said[-2000:]}")
    sys.exit(bool(seen.code) or not all(each.is_right for each in found))


if __name__ == "__main__":
    main()
