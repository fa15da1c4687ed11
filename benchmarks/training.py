"""How long does a training take: the engine, `keras.Model.fit`, KerasTuner and scikit-learn, side by side in one run.

    TUNING_MNIST=mnist.npz python -m benchmarks.training

All train the same networks on MNIST's first 50,000 training images with Adam at the same batch size, and are scored on
the other 10,000. Engine and `fit` (as Optuna's Keras example calls it) start from the same weights and take turns epoch
by epoch, so that a slow minute of the machine hits both; then each network is trained once more by KerasTuner's
RandomSearch and, without dropout, by scikit-learn's MLPClassifier, at batch 128 only. The first epoch (tracing and
compiling included) is shown apart. `GFLOP/s` counts the matrix products of forward and backward pass, 6 * weights *
examples; the machine's own peak is measured between the cases. Prints Markdown tables.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import click
import keras
import numpy as np
import tensorflow as tf

from models.mlp import InputFormat, build_mlp
from tuning.engine.compilation import choose_compilation
from tuning.engine.metrics import epoch_metrics
from tuning.engine.program import Program
from tuning.engine.task_criterion import CrossEntropyOfLogits

_N_TRAIN = 50_000
_SHAPES = ((128, 1), (512, 2), (1024, 3))  # units, layers
_BATCH_SIZES = (32, 128, 512)
_PEERS_BATCH_SIZE = 128
_PIXELS = InputFormat((28, 28), "uint8", 0.0, 1 / 255)
_LEARNING_RATE = 1e-3
_N_TRAIN_SAMPLE = 2_500


@dataclass(frozen=True)
class Data:
    """MNIST's training images, in two parts."""

    x: np.ndarray
    y: np.ndarray
    val_x: np.ndarray
    val_y: np.ndarray

    @classmethod
    def load(cls, path: str) -> Data:
        """From Keras' file."""
        with np.load(path) as mnist:
            x, y = mnist["x_train"], mnist["y_train"].astype("int32")
        return cls(x[:_N_TRAIN], y[:_N_TRAIN], x[_N_TRAIN:], y[_N_TRAIN:])


@dataclass(frozen=True)
class Case:
    """One network at one batch size."""

    units: int
    layers: int
    batch_size: int
    regularized: bool

    def build(self) -> keras.Model:
        """The network, from the same seed each time."""
        regularization = {"dropout": 0.3, "l2": 1e-4} if self.regularized else {}
        params = {"units": self.units, "layers": self.layers, **regularization}
        return build_mlp(params, _PIXELS, n_classes=10, seed=0)

    def compiled(self) -> keras.Model:
        """The network as a Keras user compiles it."""
        model = self.build()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer=keras.optimizers.Adam(_LEARNING_RATE), loss=loss, metrics=["accuracy"])
        return model

    @property
    def name(self) -> str:
        """As in the table."""
        suffix = ", dropout 0.3 and L2" if self.regularized else ""
        return f"784{f'-{self.units}' * self.layers}-10{suffix}"


@dataclass(frozen=True)
class Arm:
    """One way to train, an epoch a call, and its validation error so far."""

    epoch: Callable[[], object]
    val_error: Callable[[], float]


def engine_arm(case: Case, data: Data) -> tuple[Arm, Program]:
    """The engine as a search uses it, the moving average of the weights included."""
    model = case.build()
    compilation = choose_compilation(model, case.batch_size)
    program = Program(
        model, tf.constant(data.x), tf.constant(data.y), case.batch_size, compilation, CrossEntropyOfLogits()
    )
    program.reset(model)
    epochs, momentum = iter(range(1, 1_000)), 1 - case.batch_size / _N_TRAIN
    val = tf.constant(data.val_x), tf.constant(data.val_y)
    run = lambda: program.train_epoch(_LEARNING_RATE, momentum, 0, next(epochs))  # noqa: E731
    return Arm(run, lambda: program.predict(*val).error), program


def fit_arm(case: Case, data: Data) -> Arm:
    """`fit`, as Optuna's Keras example calls it."""
    model = case.compiled()
    run = lambda: model.fit(data.x, data.y, batch_size=case.batch_size, epochs=1, verbose=0)  # noqa: E731
    return Arm(run, lambda: 1 - model.evaluate(data.val_x, data.val_y, 1000, verbose=0, return_dict=True)["accuracy"])


def elapsed_secs(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def repeat_secs(case: Case, program: Program) -> float:
    """From a new model of a compiled architecture to the moment its first step can begin."""
    model = case.build()
    return elapsed_secs(lambda: program.reset(model))


def metrics_secs(program: Program, data: Data) -> float:
    """The clean metrics of an epoch as the engine measures them: a train sample and the validation set."""
    train = tf.constant(data.x[:_N_TRAIN_SAMPLE]), tf.constant(data.y[:_N_TRAIN_SAMPLE])
    val = tf.constant(data.val_x), tf.constant(data.val_y)

    def measure() -> None:
        epoch_metrics(program.predict(*train), program.predict(*val), data.val_y, program.criterion)

    measure()
    return statistics.median(elapsed_secs(measure) for _ in range(3))


def keras_tuner_secs(case: Case, data: Data, n_epochs: int) -> tuple[float, float]:
    """Seconds of one trial of KerasTuner's RandomSearch with this network, and its validation error."""
    import keras_tuner

    with tempfile.TemporaryDirectory() as folder:
        tuner = keras_tuner.RandomSearch(
            lambda _: case.compiled(), "val_accuracy", max_trials=1, directory=folder, overwrite=True
        )
        fit = {"epochs": n_epochs, "batch_size": case.batch_size, "validation_data": (data.val_x, data.val_y)}
        secs = elapsed_secs(lambda: tuner.search(data.x, data.y, verbose=0, **fit))
        return secs, 1 - tuner.oracle.get_best_trials(1)[0].score


def sklearn_secs(case: Case, data: Data, n_epochs: int) -> tuple[float, float]:
    """Seconds of scikit-learn's MLPClassifier, and its validation error."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    x, val_x = (part.reshape(len(part), -1).astype(np.float32) / 255 for part in (data.x, data.val_x))
    hidden, size = (case.units,) * case.layers, case.batch_size
    model = MLPClassifier(hidden, alpha=0.0, batch_size=size, max_iter=n_epochs, learning_rate_init=_LEARNING_RATE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        secs = elapsed_secs(lambda: model.fit(x, data.y))
    return secs, 1 - float(model.score(val_x, data.val_y))


def peak_gflops(dtype: tf.DType, size: int = 1024, n_products: int = 60) -> float:
    """The machine's own peak: a square product in a compiled loop."""
    left, right = (tf.cast(tf.random.normal((size, size)), dtype) for _ in range(2))

    @tf.function
    def products(n: tf.Tensor) -> tf.Tensor:
        total = tf.zeros((), dtype)
        for _ in tf.range(n):
            total += tf.matmul(left, right)[0, 0]
        return total

    products(tf.constant(2))
    return 2e-9 * size**3 * n_products / elapsed_secs(lambda: products(tf.constant(n_products)).numpy())


def cases() -> Iterator[Case]:
    """Every shape at every batch size, bare and regularized."""
    for units, layers in _SHAPES:
        for batch_size in _BATCH_SIZES:
            for regularized in (False, True):
                yield Case(units, layers, batch_size, regularized)


def row(case: Case, data: Data, n_epochs: int, peak: float) -> tuple[str, float]:
    """Measure one case; the table's row and how many times faster the engine is."""
    ours, program = engine_arm(case, data)
    theirs = fit_arm(case, data)
    first = elapsed_secs(ours.epoch), elapsed_secs(theirs.epoch)
    turns = [(elapsed_secs(ours.epoch), elapsed_secs(theirs.epoch)) for _ in range(n_epochs)]
    mine, fit = (statistics.median(turn[i] for turn in turns) for i in (0, 1))
    spread = [f"{min(turn[i] for turn in turns):.2f} to {max(turn[i] for turn in turns):.2f}" for i in (0, 1)]
    gflops = 6e-9 * case.build().count_params() * _N_TRAIN / mine
    cells = [case.name, case.batch_size, program.compilation, f"{mine:.2f} ({spread[0]})", f"{fit:.2f} ({spread[1]})"]
    cells += [f"{fit / mine:.1f}", f"{gflops:.0f} ({100 * gflops / peak:.0f} %)", f"{first[0]:.1f} / {first[1]:.1f}"]
    cells += [f"{100 * ours.val_error():.2f} / {100 * theirs.val_error():.2f}"]
    cells += [f"{1000 * repeat_secs(case, program):.0f}", f"{100 * metrics_secs(program, data) / mine:.0f}"]
    return "| " + " | ".join(map(str, cells)) + " |", fit / mine


def engine_table(data: Data, n_epochs: int) -> None:
    """Engine against `fit`."""
    header = (
        "network, batch, compiled by, engine (s an epoch), `fit` (s an epoch), times faster, GFLOP/s (float32 peak)"
    )
    header += ", first epochs (s), validation errors (%), repeated architecture (ms to its first step)"
    header += ", clean metrics (% of an epoch)"
    print(f"\n| {header.replace(', ', ' | ')} |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    ratios, peaks = [], {dtype: [peak_gflops(dtype)] for dtype in (tf.float32, tf.bfloat16)}
    for case in cases():
        line, ratio = row(case, data, n_epochs, max(peaks[tf.float32]))
        print(line, flush=True)
        ratios.append(ratio)
        for dtype, measured in peaks.items():
            measured.append(peak_gflops(dtype))
    print(f"\nGeometric mean: {statistics.geometric_mean(ratios):.1f} times faster.", end=" ")
    spans = [f"{min(p):.0f} to {max(p):.0f} GFLOP/s in {dtype.name}" for dtype, p in peaks.items()]
    print(f"Square product of 1024 between the cases: {', '.join(spans)}.")


def peers_table(data: Data, n_epochs: int) -> None:
    """Whole trainings by everyone, tracing and compiling included."""
    print(f"\n| network, batch {_PEERS_BATCH_SIZE}, {n_epochs} epochs | engine | `fit` | KerasTuner | scikit-learn |")
    print("|---|---|---|---|---|")
    for units, layers in _SHAPES:
        case = Case(units, layers, _PEERS_BATCH_SIZE, regularized=False)
        cells = [case.name]
        for make in (lambda: engine_arm(case, data)[0], lambda: fit_arm(case, data)):  # noqa: B023 - called at once
            arm: list[Arm] = []
            secs = elapsed_secs(lambda: _whole(arm, make, n_epochs))  # noqa: B023 - called at once
            cells.append(f"{secs:.1f} s, {100 * arm[0].val_error():.2f} %")
        for measure in (keras_tuner_secs, sklearn_secs):
            secs, error = measure(case, data, n_epochs)
            cells.append(f"{secs:.1f} s, {100 * error:.2f} %")
        print("| " + " | ".join(cells) + " |", flush=True)


def _whole(made: list[Arm], make: Callable[[], Arm], n_epochs: int) -> None:
    made.append(make())
    for _ in range(n_epochs):
        made[0].epoch()


@click.command()
@click.option("--epochs", default=2, show_default=True, help="Measured epochs a case, after the first one.")
@click.option(
    "--tables",
    type=click.Choice(["both", "engine", "peers"]),
    default="both",
    show_default=True,
    help="What to measure.",
)
def main(epochs: int, tables: str) -> None:
    """Measure and print the tables."""
    data = Data.load(os.environ["TUNING_MNIST"])
    print(f"{os.cpu_count()} cores, TensorFlow {tf.__version__}, Keras {keras.__version__}, {epochs} epochs each")
    if tables != "peers":
        engine_table(data, epochs)
    if tables != "engine":
        peers_table(data, epochs + 1)


if __name__ == "__main__":
    sys.exit(main())
