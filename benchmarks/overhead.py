"""What a search costs beside the training: its start, Optuna and MLflow for each trial, the export.

    TUNING_MNIST=mnist.npz python -m benchmarks.overhead

The start is that of the real command in an empty folder, from the command to the end of the first epoch of the first
trial (tracing included): the first step lies before that. Optuna and MLflow are timed on trials of 30 epochs that are
told but not trained, in a study with few and in one with 2,000 trials. Prints a Markdown table.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import optuna
import psutil

from search_spaces import SearchSpace, mlp_space
from tuning import processes
from tuning.dashboard_notes import NoteCallback
from tuning.engine.metrics import EpochMetrics
from tuning.pruner import CatchUpPruner
from tuning.sampler import OverfitBackoffSampler
from tuning.settings import Settings
from tuning.strategy.diagnosis import FitState
from tuning.strategy.records import Outcome
from tuning.study_store import n_counted, open_storage
from tuning.tracking.mirror import Mirror
from tuning.tracking.tracker import DatasetFacts, Store, Tracker
from tuning.trial_attrs import best_of
from tuning.trial_job import EpochReport, TrialEnd
from tuning.trials import RunningTrials
from tuning.weights import WeightStore
from tuning.workers import Worker

_N_EPOCHS = 30


def first_epoch_secs(data: str, folder: Path) -> tuple[float, float]:
    """Seconds from the command to the end of the first epoch, and from the end of the trial to the end of all."""
    command = [sys.executable, "-m", "tuning.search", "--data", data, "--trials", "1", "--epochs", "1"]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    begun = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, text=True) as process:
        seen = next(time.perf_counter() for line in process.stdout or () if line.startswith("   saw"))
        process.communicate()
    return seen - begun, time.perf_counter() - seen


def epochs(value: float) -> list[EpochMetrics]:
    """A learning curve that falls to a value: a trial with a new best one is asked by the pruner but never pruned."""
    return [EpochMetrics(*[value + 0.5 / epoch - 0.5 / _N_EPOCHS] * 6) for epoch in range(1, _N_EPOCHS + 1)]


def findings(value: float) -> dict[str, Any]:
    """What a trial finds, of the usual size."""
    curves = {name: [getattr(epoch, name) for epoch in epochs(value)] for name in EpochMetrics.__dataclass_fields__}
    return {
        "fit_state": FitState.OVERFIT_CONFIDENCE.value,
        "crossed_border": True,
        "value_stderr": 0.1 * value,
        "diagnosis": {"sentence": "it overfits in confidence: " + 80 * "x", "numbers": {"gap": 0.1, "rise": 0.2}},
        "curves": curves,
        "best_epoch": _N_EPOCHS,
        "n_params": 269_322,
        "learning_rate": 1e-3,
        "seed": 0,
        "stop_reason": "all 30 epochs were used",
        "train_secs": 10.0,
    }


class Bookkeeping:
    """A study with its mirror and everything else that is done for each trial, but no training.

    Args:
        folder: Of the study and of MLflow's database.
        n_before: Trials that the study has already.
        sampler: The study's.
    """

    def __init__(self, folder: Path, n_before: int, sampler: optuna.samplers.BaseSampler) -> None:
        settings, self.space = Settings(folder, "overhead"), mlp_space()
        pruner = CatchUpPruner(_N_EPOCHS)
        storage = open_storage(None, folder)
        self.study = optuna.create_study(study_name="overhead", storage=storage, sampler=sampler, pruner=pruner)
        self.study.add_trials(list(known_trials(n_before, self.space)))
        self.trials = RunningTrials(self.study, self.space, settings.goal, Worker.this(), n_val=12_000)
        store = Store(f"sqlite:///{folder / 'mlflow.db'}", folder / "mlruns", "overhead")
        tracker = Tracker(store, "overhead")
        facts = DatasetFacts("mnist", 64 * "0", "nowhere", 1, 1, 1)
        tracker.open_study(tags={}, params={}, dataset=facts)
        self.mirror = Mirror(tracker, self.study, settings.goal)
        self.notes = NoteCallback(settings.goal.name)
        self.weights = WeightStore(folder / "weights")

    def trial(self) -> tuple[float, float]:
        """Seconds in Optuna, its note for the dashboard included, and in MLflow of one trial."""
        begun = time.perf_counter()
        n_counted(self.study)
        number = self.trials.ask().number
        value = 1.0 / (number + 1)
        for epoch, metrics in enumerate(epochs(value), start=1):
            self.trials.report(EpochReport(number, epoch, metrics))
        self.trials.tell(TrialEnd(number, Outcome.COMPLETE, value=value, attrs=findings(value)))
        if best := best_of(self.study):
            self.weights.clean(self.study.get_trials(deepcopy=False), [best.number])
        told = time.perf_counter()
        if trouble := self.mirror.trial(number):
            sys.exit(trouble)
        mirrored = time.perf_counter()
        self.notes(self.study, self.trials.frozen(number))
        return told - begun + time.perf_counter() - mirrored, mirrored - told


def known_trials(n_trials: int, space: SearchSpace) -> Iterator[optuna.trial.FrozenTrial]:
    """Complete trials with all that real ones carry, at random places."""
    random = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for number in range(n_trials):
        asked = random.ask(space.distributions())
        yield optuna.trial.create_trial(
            value=1.0 / (number + 1),
            params=asked.params,
            distributions=asked.distributions,
            user_attrs=findings(1.0),
            intermediate_values=dict.fromkeys(range(1, _N_EPOCHS + 1), 0.5),
        )


def export_secs(folder: Path) -> float:
    """Seconds of the export of a 784-512-512-10 network, both files checked; runs where TensorFlow is."""
    import numpy as np

    from models.mlp import InputFormat, build_mlp
    from tuning.export.writing import export_model

    params = {"units": 512, "layers": 2, "dropout": 0.3, "l2": 1e-4}
    model = build_mlp(params, InputFormat((28, 28), "uint8", 0.0, 1 / 255), n_classes=10, seed=0)
    begun = time.perf_counter()
    export_model(model, folder / "exported", np.zeros((1000, 28, 28), np.uint8), {})
    return time.perf_counter() - begun


@contextmanager
def fresh_folder() -> Iterator[Path]:
    """An empty folder for a while."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def row(what: str, values: list[float], unit: str) -> None:
    """Print a line of the table: the median and the range."""
    print(f"| {what} | {statistics.median(values):.2f} {unit} | {min(values):.2f} to {max(values):.2f} |", flush=True)


def per_trial(n_before: int, sampler: optuna.samplers.BaseSampler, n_trials: int) -> tuple[list[float], list[float]]:
    """Milliseconds in Optuna and in MLflow of each of some trials."""
    with fresh_folder() as folder:
        bookkeeping = Bookkeeping(folder, n_before, sampler)
        secs = [bookkeeping.trial() for _ in range(n_trials)]
    return [1000 * optuna_secs for optuna_secs, _ in secs], [1000 * mlflow_secs for _, mlflow_secs in secs]


def resident_mb() -> list[float]:
    """Resident memory of this process after 20 and after 200 trials."""
    with fresh_folder() as folder:
        bookkeeping = Bookkeeping(folder, 0, optuna.samplers.RandomSampler(seed=2))
        resident = []
        for _ in range(200):
            bookkeeping.trial()
            resident.append(psutil.Process().memory_info().rss / 1e6)
    return [resident[19], resident[-1]]


@click.command()
@click.option("--turns", default=3, show_default=True, help="Starts of each command.")
def main(turns: int) -> None:
    """Measure and print the table."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print("| what | median | range |\n|---|---|---|")
    for data in ("mnist5k", *(["mnist"] if "TUNING_MNIST" in os.environ else [])):
        starts = []
        for _ in range(turns):
            with fresh_folder() as folder:
                starts.append(first_epoch_secs(data, folder))
        row(f"command to the end of the first epoch, {data}", [start for start, _ in starts], "s")
        row(f"last trial to the end: comparison, export, picture, {data}", [end for _, end in starts], "s")
    space = mlp_space()
    for n_before in (0, 2000):
        random = per_trial(n_before, optuna.samplers.RandomSampler(seed=1), 20)
        row(f"Optuna a trial of {_N_EPOCHS} epochs, after {n_before} trials, random sampler", random[0], "ms")
        row(f"MLflow a trial of {_N_EPOCHS} epochs, after {n_before} trials", random[1], "ms")
    ours = per_trial(0, OverfitBackoffSampler(space), 20)
    row(f"Optuna a trial of {_N_EPOCHS} epochs, trials 0 to 19, our sampler", ours[0], "ms")
    row("resident memory of the study's process after 20 and 200 trials", resident_mb(), "MB")
    processes.warm_up()
    with fresh_folder() as folder:
        exports = [processes.call("benchmarks.overhead", "export_secs", folder).result() for _ in range(turns)]
    row("export and check, 784-512-512-10", exports, "s")


if __name__ == "__main__":
    main()
