"""Record learning curves: a grid of units x layers x dropout x L2 x three seeds, trained with the project's engine.

    TUNING_MNIST=mnist.npz python -m benchmarks.curves --limit-secs 400     # again until it says that all is done

Every training goes to its last epoch, whatever a stop rule would say, with the moving average of the weights, the
batch size and the learning rate of a search. Kept per epoch: clean train, validation and test loss and error, the
spread of the validation losses, and the standard error of their rise above the best epoch so far, paired on the
examples; and per training the seconds of an epoch (training and the two measurements of a search, median), on the
machine that the table names.

The grids (`benchmarks/curve_tasks.py`; 3 seeds) are thin, so that all of it takes half an hour of one core: dropout 0,
0.2, 0.4, 0.6 and L2 0, 1e-4, 1e-3, 1e-2 with one to three layers of 16, 64, 128 or 256 units on the tables and digits
(192 configurations each, 24 epochs) and of 16, 64 or 256 on 1,000 MNIST images (144, 24 epochs); on 10,000 images
dropout 0, 0.3, 0.6, L2 0, 1e-4, 1e-3, one or two layers of 32, 128 or 256 units (54, 20 epochs). The shipped seconds
are those of one core to which the process was pinned, while other programs used the other core of the machine.

One file a task in `benchmarks/tables/`, half floats, written aside and renamed: kill it at any moment, run it again.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import tensorflow as tf

from benchmarks.curve_tasks import N_SEEDS, TASKS, CurveData, CurveTask, Grid
from benchmarks.recorded import TABLES
from models.mlp import InputFormat, build_mlp
from search_spaces import Params, learning_rate
from tuning.data.examples import Examples
from tuning.engine.metrics import Predictions, paired_stderr
from tuning.engine.plan import TrainingPlan, default_batch_size, default_ema_momentum
from tuning.engine.programs import Programs
from tuning.engine.task_criterion import CrossEntropyOfLogits

COLUMNS = (
    "train_loss",
    "train_error",
    "val_loss",
    "val_error",
    "test_loss",
    "test_error",
    "val_loss_sd",
    "val_loss_rise_stderr",
)

_TRAIN_SAMPLE_SIZE = 2_500  # as in the engine
_WRITE_EVERY_SECS = 30.0

Place = tuple[int, int, int, int, int]
"""Position of a training: units, layers, dropout, L2, seed."""


@dataclass(frozen=True)
class Training:
    """One recorded training: curves of shape (epochs, columns), the seconds of an epoch, the best validation losses."""

    curves: np.ndarray
    epoch_secs: float
    val_losses: np.ndarray  # of every example, at the epoch of the lowest mean


class Trainer:
    """Trains networks on one task's data; an architecture is compiled once."""

    def __init__(self, data: CurveData) -> None:
        self._data = data
        train, self._val, self._test = (_resident(part) for part in (data.train, data.validation, data.test))
        self._sample = tuple(part[:_TRAIN_SAMPLE_SIZE] for part in train)
        self._programs = Programs(*train, CrossEntropyOfLogits())
        self._batch_size = default_batch_size(len(data.train))

    def train(self, params: Params, seed: int, n_epochs: int) -> Training:
        """One training to its last epoch."""
        data, rate = self._data, learning_rate(params["units"])
        form = InputFormat(
            data.train.inputs.shape[1:], str(data.train.inputs.dtype), data.scaling.offset, data.scaling.scale
        )
        model = build_mlp(params, form, data.n_classes, seed)
        momentum = default_ema_momentum(len(data.train) / self._batch_size)
        program, _ = self._programs.begin(model, TrainingPlan(rate, seed), self._batch_size, rate, momentum)
        rows, secs = [], []
        best: Predictions | None = None
        for epoch in range(1, n_epochs + 1):
            begun = time.perf_counter()
            if epoch > 1:
                program.train_epoch(rate, momentum, seed, epoch)
            train, val = program.predict(*self._sample), program.predict(*self._val)
            secs.append(time.perf_counter() - begun)
            best = val if best is None or val.loss < best.loss else best
            rows.append(_row(train, val, program.predict(*self._test), best))
        losses = np.empty(0) if best is None else best.losses
        return Training(np.array(rows), statistics.median(secs[1:]), losses)


def _row(train: Predictions, val: Predictions, test: Predictions, best: Predictions) -> list[float]:
    pairs = [(part.loss, part.error) for part in (train, val, test)]
    return [*(value for pair in pairs for value in pair), val.loss_sd, paired_stderr(best, val)]


def _resident(part: Examples) -> tuple[tf.Tensor, tf.Tensor]:
    return tf.constant(part.inputs), tf.constant(part.labels.astype(np.int32))


class Table:
    """A task's recording as it grows, on disk and in memory."""

    def __init__(self, path: Path, grid: Grid, sizes: tuple[int, int, int, int]) -> None:
        self._path, self._grid, self._sizes = path, grid, sizes
        shape = (*grid.shape, N_SEEDS)
        self.is_done = np.zeros(shape, bool)
        self._curves = np.zeros((*shape, grid.n_epochs, len(COLUMNS)), np.float16)
        self._epoch_secs = np.zeros(shape, np.float32)
        if path.exists():
            with np.load(path) as file:
                self.is_done, self._curves = file["is_done"], file["curves"]
                self._epoch_secs = file["epoch_secs"]

    def missing(self) -> Iterator[Place]:
        """Trainings that are not recorded, those of one architecture together, narrow networks first."""
        grid = self._grid.shape
        for layers, units in sorted(np.ndindex(grid[1], grid[0]), key=lambda at: (at[1], at[0])):
            for dropout, l2, seed in np.ndindex(grid[2], grid[3], N_SEEDS):
                if not self.is_done[units, layers, dropout, l2, seed]:
                    yield units, layers, dropout, l2, seed

    def params(self, place: Place) -> Params:
        """The configuration of a place."""
        grid, (units, layers, dropout, l2, _) = self._grid, place
        return {
            "units": grid.units[units],
            "layers": grid.layers[layers],
            "dropout": grid.dropout[dropout],
            "l2": grid.l2[l2],
        }

    def record(self, place: Place, training: Training) -> None:
        """Keep a training; in memory until `write`."""
        self._curves[place], self._epoch_secs[place] = training.curves, training.epoch_secs
        self.is_done[place] = True

    def write(self) -> None:
        """Write aside, then rename: a reader finds the old table or the new one."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        aside = self._path.with_suffix(".writing")
        axes = {name: np.array(getattr(self._grid, name)) for name in ("units", "layers", "dropout", "l2")}
        sizes = dict(zip(("n_train", "n_val", "n_test", "n_classes"), self._sizes, strict=True))
        with aside.open("wb") as file:
            np.savez_compressed(
                file,
                curves=self._curves,
                epoch_secs=self._epoch_secs,
                is_done=self.is_done,
                columns=np.array(COLUMNS),
                machine=np.array(machine()),
                **axes,
                **sizes,
            )
        aside.replace(self._path)


def machine() -> str:
    """Where the seconds were measured."""
    return f"{os.cpu_count()} cores ({platform.machine()}), TensorFlow {tf.__version__}"


def record_task(task: CurveTask, path: Path, deadline: float, n_trainings: int | None = None) -> int:
    """Record what is missing of one task until the deadline (of `time.monotonic`); returns how many are still missing.

    Args:
        task: What to record.
        path: The table's file.
        deadline: No training begins later.
        n_trainings: At most so many; None for all.
    """
    data = task.read(os.environ)
    sizes = len(data.train), len(data.validation), len(data.test), data.n_classes
    table, trainer, written = Table(path, task.grid, sizes), Trainer(data), time.monotonic()
    for place in list(table.missing())[:n_trainings]:
        if time.monotonic() > deadline:
            break
        table.record(place, trainer.train(table.params(place), place[-1], task.grid.n_epochs))
        if time.monotonic() - written > _WRITE_EVERY_SECS:
            table.write()
            written = time.monotonic()
    table.write()
    return sum(1 for _ in table.missing())


@click.command()
@click.option("--tasks", default=";".join(TASKS), show_default=True, help="Separated by semicolons.")
@click.option("--folder", type=click.Path(path_type=Path), default=TABLES, help="Of the tables.")
@click.option("--limit-secs", type=float, default=float("inf"), help="Begin no training later than this.")
def main(tasks: str, folder: Path, limit_secs: float) -> None:
    """Record what is missing, task after task."""
    deadline = time.monotonic() + limit_secs
    for name in tasks.split(";"):
        if time.monotonic() < deadline:
            begun = time.monotonic()
            n_left = record_task(TASKS[name], folder / f"{name}.npz", deadline)
            print(f"{name}: {n_left} trainings are left, {time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
