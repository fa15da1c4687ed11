"""The compiled epoch: one `tf.function` call trains an epoch, with the data resident and no Python in the step.

In `keras.Model.fit` a step of a small network spends most of its time outside the arithmetic. Here the whole epoch is
one graph: shuffle the indices, gather a batch, forward, backward, one fused Adam kernel a variable.

Adam is Keras' own rule (Kingma and Ba 2015, with the step size corrected for both moments): `ResourceApplyAdam`
computes it in one pass over memory where Keras' optimizer needs about a dozen. `ema_momentum` is Keras' too
(`optimizers.Adam(use_ema=True)`): the metrics and the kept weights are those of the moving average of the weights;
with momentum 0 the average is the weights themselves.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tuning.engine.runtime_model import RuntimeModel

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-7  # the defaults of keras.optimizers.Adam
_EVALUATION_BATCH = 5_000  # bounds the memory of an evaluation; large enough for full speed


class Program:
    """The compiled epoch of one architecture on one training set.

    Args:
        model: A functional or sequential model from raw inputs to logits.
        inputs: Training inputs, resident, shape (n, ...).
        labels: Class numbers, int32, shape (n,).
        batch_size: Examples a step; the last, smaller batch of an epoch is used like `fit` does.
    """

    def __init__(self, model: keras.Model, inputs: tf.Tensor, labels: tf.Tensor, batch_size: int) -> None:
        self._trained, self._averaged = RuntimeModel(model), RuntimeModel(model)
        self._inputs, self._labels = inputs, labels
        self._batch_size = batch_size
        self._variables = [variable.value for variable in self._trained.model.trainable_variables]
        self._averages = [variable.value for variable in self._averaged.model.trainable_variables]
        self._moments = [(_zeros(variable), _zeros(variable)) for variable in self._variables]
        self._n_steps = tf.Variable(0, dtype=tf.int64, trainable=False)
        # Traced once each for the life of the program, and not by XLA: the whole epoch under XLA was 3 times faster for
        # 784-128-10 without dropout but 5 times slower with it (TensorFlow 2.21, 2 cores), and compiles for a second or
        # two an architecture.
        self._epoch = tf.function(self._run_epoch)
        self._logits = tf.function(self._run_logits, reduce_retracing=True)

    def reset(self, model: keras.Model) -> None:
        """Start a new training: weights, rates and factors of `model`, a fresh optimizer."""
        self._trained.load(model)
        self._averaged.load(model)
        self._n_steps.assign(0)
        for pair in self._moments:
            for moment in pair:
                moment.assign(tf.zeros_like(moment))

    def train_epoch(self, learning_rate: float, ema_momentum: float, seed: int, epoch: int) -> None:
        """Train one epoch; the order of the examples and the dropout masks follow from seed and epoch alone."""
        order = tf.constant([seed, epoch], dtype=tf.int64)
        self._epoch(tf.constant(learning_rate, tf.float32), tf.constant(ema_momentum, tf.float32), order)
        self._averaged.take_state(self._trained)

    def logits(self, inputs: tf.Tensor) -> NDArray[np.float32]:
        """Clean logits (evaluation mode) of resident inputs, shape (n, n_classes)."""
        n_examples = int(inputs.shape[0])
        parts = [self._logits(inputs[i : i + _EVALUATION_BATCH]) for i in range(0, n_examples, _EVALUATION_BATCH)]
        return np.concatenate([part.numpy() for part in parts])

    def weights(self) -> list[NDArray[np.float32]]:
        """The averaged weights, those that `logits` uses, in the order of `keras.Model.set_weights`."""
        weights: list[NDArray[np.float32]] = self._averaged.model.get_weights()
        return weights

    def _run_logits(self, inputs: tf.Tensor) -> tf.Tensor:
        return self._averaged.model(inputs, training=False)

    def _run_epoch(self, learning_rate: tf.Tensor, ema_momentum: tf.Tensor, order: tf.Tensor) -> None:
        n_examples = int(self._labels.shape[0])
        shuffled = tf.random.experimental.stateless_shuffle(tf.range(n_examples), seed=order)
        dropout_seed = tf.random.stateless_uniform((2,), order, minval=None, maxval=None, dtype=tf.int32)
        for first in tf.range(0, n_examples, self._batch_size):
            # The step number in the second word keeps the masks of different steps and layers apart.
            self._trained.seed.assign(dropout_seed + tf.stack([0, first]))
            batch = shuffled[first : first + self._batch_size]
            self._run_step(tf.gather(self._inputs, batch), tf.gather(self._labels, batch), learning_rate)
            self._update_averages(ema_momentum)

    def _run_step(self, inputs: tf.Tensor, labels: tf.Tensor, learning_rate: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            logits = self._trained.model(inputs, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses) + sum(self._trained.model.losses)  # L2 is not among them
        gradients = tape.gradient(loss, self._variables)
        self._n_steps.assign_add(1)
        for i, gradient in enumerate(gradients):
            self._apply_adam(i, gradient, learning_rate)

    def _update_averages(self, ema_momentum: tf.Tensor) -> None:
        """average = momentum * average + (1 - momentum) * weights; the first step copies, as in Keras."""
        share = tf.where(self._n_steps > 1, 1.0 - ema_momentum, 1.0)
        for average, variable in zip(self._averages, self._variables, strict=True):
            average.assign_add(share * (variable - average))

    def _apply_adam(self, i: int, gradient: tf.Tensor, learning_rate: tf.Tensor) -> None:
        variable, (first, second), l2 = self._variables[i], self._moments[i], self._trained.l2[i]
        n_steps = tf.cast(self._n_steps, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=first.handle,
            v=second.handle,
            beta1_power=tf.pow(_BETA_1, n_steps),
            beta2_power=tf.pow(_BETA_2, n_steps),
            lr=learning_rate,
            beta1=_BETA_1,
            beta2=_BETA_2,
            epsilon=_EPSILON,
            grad=gradient if l2 is None else gradient + 2.0 * l2 * variable,
        )


def _zeros(variable: tf.Variable) -> tf.Variable:
    return tf.Variable(tf.zeros_like(variable), trainable=False)
