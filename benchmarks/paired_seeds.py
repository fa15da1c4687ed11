"""Does it pay to train the three seeds of a raced configuration as one batched network? Measured for narrow ones.

    python -m benchmarks.paired_seeds

An epoch of K networks of one configuration, each with its own weights, order of examples and dropout masks: as one
batched network (every product with a leading axis of K) and one after the other, both compiled by XLA from the same
code, in turns. Prints a Markdown table.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import click
import numpy as np
import tensorflow as tf

_N_FEATURES, _N_CLASSES, _N_SEEDS = 784, 10, 3
_RATE, _LEARNING_RATE = 0.3, 1e-3


def epoch_of(n_networks: int, units: int, n_examples: int, batch_size: int) -> Callable[[], None]:
    """A compiled epoch of so many networks with one hidden layer, trained at once on random images."""
    rng = np.random.default_rng(0)
    inputs = tf.constant(rng.integers(0, 256, (n_examples, _N_FEATURES), dtype=np.uint8))
    labels = tf.constant(rng.integers(0, _N_CLASSES, n_examples).astype(np.int32))
    shapes = [(n_networks, _N_FEATURES, units), (n_networks, 1, units), (n_networks, units, _N_CLASSES)]
    variables = [tf.Variable(tf.random.normal(shape, stddev=0.05)) for shape in (*shapes, (n_networks, 1, _N_CLASSES))]
    moments = [(tf.Variable(tf.zeros_like(v)), tf.Variable(tf.zeros_like(v))) for v in variables]
    n_steps = n_examples // batch_size

    @tf.function(jit_compile=True)
    def steps(orders: tf.Tensor, masks: tf.Tensor) -> None:
        for i in tf.range(n_steps):
            batch = orders[:, i]
            x = tf.cast(tf.gather(inputs, batch), tf.float32) / 255.0
            with tf.GradientTape() as tape:
                hidden = tf.nn.relu(x @ variables[0] + variables[1]) * tf.cast(masks[:, i], tf.float32) / (1 - _RATE)
                logits = hidden @ variables[2] + variables[3]
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.gather(labels, batch), logits)
                loss = tf.reduce_sum(tf.reduce_mean(losses, axis=1))
            power = tf.cast(i + 1, tf.float32)
            for v, (m, s), g in zip(variables, moments, tape.gradient(loss, variables), strict=True):
                tf.raw_ops.ResourceApplyAdam(
                    var=v.handle, m=m.handle, v=s.handle, beta1_power=0.9**power, beta2_power=0.999**power,
                    lr=_LEARNING_RATE, beta1=0.9, beta2=0.999, epsilon=1e-7, grad=g,
                )  # fmt: skip

    @tf.function
    def epoch() -> None:
        orders = tf.stack([tf.random.shuffle(tf.range(n_examples)) for _ in range(n_networks)])
        orders = tf.reshape(orders[:, : n_steps * batch_size], (n_networks, n_steps, batch_size))
        steps(orders, tf.random.uniform((n_networks, n_steps, batch_size, units)) >= _RATE)

    return lambda: (epoch(), variables[0][0, 0, 0].numpy())[1]


def row(units: int, n_examples: int, batch_size: int, n_turns: int) -> str:
    """Measure one shape."""
    together, alone = (epoch_of(k, units, n_examples, batch_size) for k in (_N_SEEDS, 1))
    together(), alone()
    secs = [(_secs(together, 1), _secs(alone, _N_SEEDS)) for _ in range(n_turns)]
    batched, in_turn = (statistics.median(turn[i] for turn in secs) for i in (0, 1))
    return f"| {units} | {n_examples} | {batch_size} | {batched:.3f} | {in_turn:.3f} | {in_turn / batched:.2f} |"


def _secs(epoch: Callable[[], None], n_times: int) -> float:
    started = time.perf_counter()
    for _ in range(n_times):
        epoch()
    return time.perf_counter() - started


@click.command()
@click.option("--turns", default=3, show_default=True)
def main(turns: int) -> None:
    """Measure and print."""
    print("| units | examples | batch | three as one, s an epoch | one after the other, s | times faster |")
    print("|---|---|---|---|---|---|")
    for units in (16, 64, 128, 256):
        for n_examples, batch_size in ((4_000, 32), (48_000, 128)):
            print(row(units, n_examples, batch_size, turns), flush=True)


if __name__ == "__main__":
    sys.exit(main())
