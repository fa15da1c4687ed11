"""Two workers with one thread each against one worker with two: the same trials, in turns, in one run.

    TUNING_MNIST=mnist.npz python -m benchmarks.workers
    python -m benchmarks.workers --determinism      # what --deterministic costs, one worker, in turns

The configurations are fixed (a study's own would depend on which trial ends first), as a study meets them: 128 to 1024
units, one to three layers, with and without dropout and L2. What is timed is a whole pool, from the first trial handed
out to the last one back, start of the workers and tracing included. A second table shows the resident memory of a
worker over many trials. Prints Markdown.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click

from search_spaces import mlp_space
from tuning import processes
from tuning.data import Dataset, load_dataset
from tuning.model_choice import ModelChoice
from tuning.pool import Pool, share_of_cores
from tuning.settings import Settings
from tuning.trial_job import EpochReport, TrialEnd, TrialJob

_SHAPES = ((128, 1), (256, 2), (512, 2), (256, 3), (1024, 1), (512, 3))  # units, layers
_N_WORKERS = (1, 2)


def jobs() -> list[TrialJob]:
    """Every shape bare and regularized: the second one of a shape finds its epoch compiled, as in a study."""
    rates = ((0.0, 0.0), (0.3, 1e-4))
    configurations = [(*shape, *rate) for shape in _SHAPES for rate in rates]
    names = ("units", "layers", "dropout", "l2")
    return [
        TrialJob(number, {**dict(zip(names, values, strict=True)), "learning_rate_scale": 1.0})
        for number, values in enumerate(configurations)
    ]


def elapsed_secs(pool: Pool, todo: list[TrialJob], on_epoch: Callable[[], None] = lambda: None) -> float:
    """Seconds from the first trial handed out to the last one back."""
    begun, todo = time.perf_counter(), todo[::-1]
    while todo or pool.running:
        while todo and not pool.is_full:
            pool.submit(todo.pop())
        for event in pool.wait():
            if isinstance(event, EpochReport):
                on_epoch()
                pool.answer(event, "")
            elif not isinstance(event, TrialEnd) or event.value is None:
                sys.exit(f"{event}: a trial of this benchmark has to be complete.")
    return time.perf_counter() - begun


def trials_a_minute(
    dataset: Dataset, n_epochs: int, n_workers: int, folder: Path, *, deterministic: bool = False
) -> float:
    """Train all configurations with a fresh pool."""
    settings = Settings(folder, "benchmark", max_epochs=n_epochs, deterministic=deterministic)
    model = ModelChoice("mlp", mlp_space())
    args = (dataset.for_training, settings, model, folder / "weights", share_of_cores(n_workers))
    with Pool(lambda slot: processes.start("tuning.worker_main", "run_trials", *args, slot), n_workers) as pool:
        return 60 * len(jobs()) / elapsed_secs(pool, jobs())


def resident_mb(dataset: Dataset, n_trials: int, max_trials: int, folder: Path) -> list[float]:
    """Resident memory of one worker in each of so many trials of one epoch, the configurations over and over."""
    settings = Settings(folder, "benchmark", max_epochs=1)
    args = (dataset.for_training, settings, ModelChoice("mlp", mlp_space()), folder / "weights", share_of_cores(1))
    resident: list[float] = []
    with Pool(lambda slot: processes.start("tuning.worker_main", "run_trials", *args, slot), 1, max_trials) as pool:
        for number in range(n_trials):
            job = jobs()[number % len(jobs())]
            elapsed_secs(pool, [job], on_epoch=lambda: resident.append(pool.resident_bytes / 1e6))
    return resident


def print_memory(n_trials: int) -> None:
    """A table of resident memory with recycling and without."""
    dataset = load_dataset("digits", seed=0, environ=os.environ)
    print(f"\n| one worker, digits, resident MB in | trial 20 | trial {n_trials} | most |\n|---|---|---|---|")
    for name, max_trials in (("recycled as in a search", 50), ("never recycled by count", n_trials + 1)):
        with tempfile.TemporaryDirectory() as folder:
            mb = resident_mb(dataset, n_trials, max_trials, Path(folder))
        print(
            f"| {name} | {mb[19]:.0f} | {mb[-1]:.0f} ({100 * (mb[-1] / mb[19] - 1):+.0f} %) | {max(mb):.0f} |",
            flush=True,
        )


def print_determinism(turns: int, n_epochs: int) -> None:
    """A row: the same trials without and with `--deterministic`, in turns."""
    dataset, rates = load_dataset("mnist5k", seed=0, environ=os.environ), dict[bool, list[float]]()
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(turns):
            for flag in (False, True):
                rate = trials_a_minute(dataset, n_epochs, 1, Path(folder), deterministic=flag)
                rates.setdefault(flag, []).append(rate)
    cells = [f"{statistics.median(r):.1f} ({min(r):.1f} to {max(r):.1f})" for r in rates.values()]
    ratio = statistics.median(rates[True]) / statistics.median(rates[False])
    print(f"| mnist5k, {n_epochs} epochs | without | with `--deterministic` | ratio |\n|---|---|---|---|")
    print(f"| trials a minute, {turns} turns | {cells[0]} | {cells[1]} | {ratio:.2f} |", flush=True)


@click.command()
@click.option("--turns", default=3, show_default=True, help="Measurements of each number of workers.")
@click.option("--epochs", default=5, show_default=True, help="Epochs a trial on mnist5k; full MNIST gets 1.")
@click.option("--memory-trials", default=200, show_default=True, help="Trials after which memory is measured; > 20.")
@click.option("--determinism", is_flag=True, help="Only what --deterministic costs.")
def main(turns: int, epochs: int, memory_trials: int, *, determinism: bool) -> None:
    """Measure and print the tables."""
    processes.warm_up()
    processes.call("time", "time").result()  # the fork server is ready
    if determinism:
        print_determinism(turns, epochs)
        return
    print(f"{share_of_cores(1)} cores, {len(jobs())} trials, {turns} turns: median (range) of trials a minute\n")
    print("| data | epochs | 1 worker | 2 workers | ratio |\n|---|---|---|---|---|")
    for name, n_epochs in (("mnist5k", epochs), ("mnist", 1)):
        dataset = load_dataset(name, seed=0, environ=os.environ)
        rates: dict[int, list[float]] = {n: [] for n in _N_WORKERS}
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(turns):
                for n_workers in _N_WORKERS:
                    rates[n_workers].append(trials_a_minute(dataset, n_epochs, n_workers, Path(folder)))
        cells = [f"{statistics.median(r):.1f} ({min(r):.1f} to {max(r):.1f})" for r in rates.values()]
        ratio = statistics.median(rates[2]) / statistics.median(rates[1])
        print(f"| {name} | {n_epochs} | {cells[0]} | {cells[1]} | {ratio:.2f} |", flush=True)
    print_memory(memory_trials)


if __name__ == "__main__":
    main()
