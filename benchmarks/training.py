"""How long does an epoch take: the compiled epoch against `keras.Model.fit`, side by side in one run.

    TUNING_MNIST=mnist.npz python -m benchmarks.training

Both train the same networks from the same initial weights on MNIST's first 50,000 training images, with Adam, batch
by batch; they take turns, so that a slow minute of the machine hits both. The first epoch of each (tracing included)
is shown apart. `GFLOP/s` counts the matrix products of forward and backward pass, 6 * weights * examples; the
machine's own peak is measured in the same run. Prints a Markdown table.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import click
import keras
import numpy as np
import tensorflow as tf

from models.mlp import InputFormat, build_mlp
from tuning.engine.program import Program

_N_TRAIN = 50_000
_SHAPES = ((128, 1), (512, 2), (1024, 3))  # units, layers
_BATCH_SIZES = (32, 128)
_PIXELS = InputFormat((28, 28), "uint8", 0.0, 1 / 255)
_LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Case:
    """One network at one batch size."""

    units: int
    layers: int
    batch_size: int
    regularized: bool

    def build(self) -> keras.Model:
        """The network, from the same seed each time."""
        dropout, l2 = (0.3, 1e-4) if self.regularized else (0.0, 0.0)
        params = {"units": self.units, "layers": self.layers, "dropout": dropout, "l2": l2}
        return build_mlp(params, _PIXELS, n_classes=10, seed=0)

    @property
    def name(self) -> str:
        """As in the table."""
        suffix = ", dropout 0.3 and L2" if self.regularized else ""
        return f"784{f'-{self.units}' * self.layers}-10{suffix}"


Epoch = Callable[[], None]


def compiled_epoch(case: Case, inputs: tf.Tensor, labels: tf.Tensor) -> Epoch:
    """An epoch of the engine, the moving average of the weights included."""
    model = case.build()
    program = Program(model, inputs, labels, case.batch_size)
    program.reset(model)
    epochs = iter(range(1, 1_000))
    momentum = 1 - case.batch_size / _N_TRAIN
    return lambda: program.train_epoch(_LEARNING_RATE, momentum, 0, next(epochs))


def fit_epoch(case: Case, inputs: np.ndarray, labels: np.ndarray) -> Epoch:
    """An epoch of `fit`, as Optuna's Keras example calls it."""
    model = case.build()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(_LEARNING_RATE), loss=loss, metrics=["accuracy"])
    return lambda: model.fit(inputs, labels, batch_size=case.batch_size, epochs=1, verbose=0)


def elapsed_secs(epoch: Epoch) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    epoch()
    return time.perf_counter() - started


def matrix_product_gflops(size: int = 1024, n_products: int = 200) -> float:
    """The machine's own peak: a square float32 product in a compiled loop."""
    left, right = tf.random.normal((size, size)), tf.Variable(tf.random.normal((size, size)))

    @tf.function
    def products(n: tf.Tensor) -> tf.Tensor:
        total = tf.zeros(())
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


def row(case: Case, inputs: np.ndarray, labels: np.ndarray, n_epochs: int) -> tuple[str, float]:
    """Measure one case; the table's row and how many times faster the compiled epoch is."""
    ours = compiled_epoch(case, tf.constant(inputs), tf.constant(labels, tf.int32))
    theirs = fit_epoch(case, inputs, labels)
    first = elapsed_secs(ours), elapsed_secs(theirs)
    turns = [(elapsed_secs(ours), elapsed_secs(theirs)) for _ in range(n_epochs)]
    mine, fit = (statistics.median(turn[i] for turn in turns) for i in (0, 1))
    spread = [f"{min(turn[i] for turn in turns):.2f} to {max(turn[i] for turn in turns):.2f}" for i in (0, 1)]
    gflops = 6e-9 * case.build().count_params() * _N_TRAIN / mine
    cells = [case.name, case.batch_size, f"{mine:.2f} ({spread[0]})", f"{fit:.2f} ({spread[1]})", f"{fit / mine:.1f}"]
    cells += [f"{gflops:.0f}", f"{first[0]:.1f} / {first[1]:.1f}"]
    return "| " + " | ".join(map(str, cells)) + " |", fit / mine


@click.command()
@click.option("--epochs", default=3, show_default=True, help="Measured epochs a case, after the first one.")
def main(epochs: int) -> None:
    """Measure and print the table."""
    with np.load(os.environ["TUNING_MNIST"]) as mnist:
        inputs, labels = mnist["x_train"][:_N_TRAIN], mnist["y_train"][:_N_TRAIN].astype("int32")
    print(f"{os.cpu_count()} cores, TensorFlow {tf.__version__}, Keras {keras.__version__}, {epochs} epochs each")
    print("\n| network | batch | engine, s an epoch | `fit`, s an epoch | times faster | GFLOP/s | first epochs, s |")
    print("|---|---|---|---|---|---|---|")
    ratios, peaks = [], [matrix_product_gflops()]
    for case in cases():
        line, ratio = row(case, inputs, labels, epochs)
        print(line, flush=True)
        ratios.append(ratio)
        peaks.append(matrix_product_gflops())
    print(f"\nGeometric mean: {statistics.geometric_mean(ratios):.1f} times faster.", end=" ")
    print(f"Matrix product (1024, float32) between the cases: {min(peaks):.0f} to {max(peaks):.0f} GFLOP/s.")


if __name__ == "__main__":
    sys.exit(main())
