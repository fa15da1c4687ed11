"""The compiled epoch: one call trains an epoch, with the data resident and no Python in the step.

In `keras.Model.fit` a step of a small network spends most of its time outside the arithmetic. Here the whole epoch is
one graph. It shuffles the indices and goes through them in chunks: draw the dropout masks of a chunk's steps, then
run these steps (gather a batch, forward, backward, optimizer), compiled as `Compilation` says.

`ema_momentum` is Keras' own (`optimizers.Adam(use_ema=True)`): the metrics and the kept weights are those of the moving
average of the weights; with momentum 0 the average is the weights themselves.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tuning.engine.compilation import Compilation, steps_per_chunk
from tuning.engine.criterion import CompiledLoss, Criterion
from tuning.engine.metrics import Predictions, train_sample
from tuning.engine.optimizers import FusedAdam, KerasOptimizer, Optimizer
from tuning.engine.runtime_model import RuntimeDropout, RuntimeModel, widest

_EVALUATION_BYTES = 64 * 2**20  # of the widest layer's outputs in an evaluation, whose batch follows from it
# Steps between two updates of the engine's own moving average, which takes their momenta together: in a wide network an
# update goes over as much memory as the optimizer does, and an average over hundreds of steps misses nothing between
# eight. A compiled model that asks for an average gets its own, step by step.
AVERAGED_STEPS = 8

_GRAPH_BYTES = 16 * 2**20  # a traced and compiled epoch without its variables, roughly


class Program:
    """The compiled epoch of one architecture on one training set.

    Args:
        model: A functional or sequential model from raw inputs to outputs. One that is compiled trains with its own
            optimizer and loss, another one with Adam on the loss of the task.
        inputs: Training inputs, resident, shape (n, ...), or a nested structure of such.
        labels: Resident, shape (n, ...), or a nested structure of such.
        batch_size: Examples a step; the last, smaller batch of an epoch is used like `fit` does.
        compilation: By which compiler and in which precision.
        task: The criterion of a model that is not compiled.

    Raises:
        Exception: Whatever Keras or TensorFlow say of a model that cannot be copied or traced.
    """

    def __init__(
        self,
        model: keras.Model,
        inputs: Any,  # noqa: ANN401 - nested
        labels: Any,  # noqa: ANN401 - nested
        batch_size: int,
        compilation: Compilation,
        task: Criterion,
    ) -> None:
        self._trained = RuntimeModel(model, compilation.precision)
        self._averaged = RuntimeModel(model)
        self._variables = [variable.value for variable in self._trained.model.trainable_variables]
        self._averages = [variable.value for variable in self._averaged.model.trainable_variables]
        self.criterion, self._optimizer = _own_or_default(model, self._trained.model, self._variables, task)
        self._inputs, self._labels = inputs, labels
        self._n_examples = n_examples(labels)
        self._batch_size = min(batch_size, self._n_examples)
        self._averaged_steps = 1 if model.compiled else AVERAGED_STEPS
        self._evaluation_batch = max(1, _EVALUATION_BYTES // (4 * widest(model)))
        self._is_first_average = tf.Variable(True, trainable=False)
        self.compilation = compilation
        self._steps = tf.function(self._run_steps, jit_compile=compilation.jit_compile)
        self._epoch = tf.function(self._run_epoch)
        self._evaluate = tf.function(self._run_evaluation, reduce_retracing=True)
        self._measure = tf.function(self._run_measurement, reduce_retracing=True)

    @property
    def n_bytes(self) -> int:
        """Resident memory that the program holds, roughly: weights, averages, the optimizer's state, and its graph."""
        weights = sum(4 * int(tf.size(variable)) for variable in self._variables)
        return _GRAPH_BYTES + 2 * weights + self._optimizer.n_bytes

    def reset(self, model: keras.Model) -> None:
        """Start a new training: weights, rates and factors of `model`, a fresh optimizer."""
        self._trained.load(model)
        self._averaged.load(model)
        self._optimizer.reset()
        self._is_first_average.assign(True)

    def train_epoch(self, learning_rate: float, ema_momentum: float, seed: int, epoch: int) -> None:
        """Train one epoch; the order of the examples and the dropout masks follow from seed and epoch alone."""
        order = tf.constant([seed, epoch], dtype=tf.int64)
        self._epoch(tf.constant(learning_rate, tf.float32), tf.constant(ema_momentum, tf.float32), order)
        self._averaged.take_state(self._trained)
        if self._averaged.normalizations:
            self._measure_statistics()

    def predict(self, inputs: Any, labels: Any) -> Predictions:  # noqa: ANN401 - nested
        """Clean outputs, losses and errors (evaluation mode) of resident examples."""
        n = self._evaluation_batch
        if n_examples(labels) <= n:  # a slice would be a copy
            return Predictions(*tf.nest.map_structure(_joined, self._evaluate(inputs, labels)))
        parts = []
        for first in range(0, n_examples(labels), n):
            batch = tf.nest.map_structure(lambda x, i=first: x[i : i + n], (inputs, labels))
            parts.append(self._evaluate(*batch))
        return Predictions(*tf.nest.map_structure(_joined, *parts))

    def weights(self) -> list[NDArray[np.float32]]:
        """The averaged weights, those that `predict` uses, in the order of `keras.Model.set_weights`."""
        weights: list[NDArray[np.float32]] = self._averaged.model.get_weights()
        return weights

    def _measure_statistics(self) -> None:
        for number, batch in enumerate(self._statistics_batches, start=1):
            self._measure(batch, tf.constant(1.0 / number))

    @cached_property
    def _statistics_batches(self) -> list[tf.Tensor]:
        """Positions of the training examples on which statistics are measured, in parts of about one size."""
        sample = train_sample(self._n_examples)
        return list(map(tf.constant, np.array_split(sample, math.ceil(len(sample) / self._evaluation_batch))))

    def _run_measurement(self, batch: tf.Tensor, share: tf.Tensor) -> None:
        inputs = tf.nest.map_structure(lambda x: tf.gather(x, batch), self._inputs)
        self._averaged.measure_statistics(inputs, share)

    def _run_evaluation(self, inputs: Any, labels: Any) -> tuple[Any, tf.Tensor, tf.Tensor]:  # noqa: ANN401
        outputs = self._averaged.model(inputs, training=False)
        return outputs, self.criterion.losses(labels, outputs), self.criterion.errors(labels, outputs)

    def _run_epoch(self, learning_rate: tf.Tensor, ema_momentum: tf.Tensor, order: tf.Tensor) -> None:
        shuffled = tf.random.experimental.stateless_shuffle(tf.range(self._n_examples), seed=order)
        mask_seed = tf.random.stateless_uniform((2,), order, minval=None, maxval=None, dtype=tf.int32)
        n_full = self._n_examples // self._batch_size
        n_chunk_steps = steps_per_chunk(n_full, self._batch_size * sum(map(_mask_bytes, self._trained.dropouts)))
        n_chunks = math.ceil(n_full / n_chunk_steps)
        padding = tf.zeros((n_chunks * n_chunk_steps - n_full) * self._batch_size, shuffled.dtype)
        full = tf.concat([shuffled[: n_full * self._batch_size], padding], axis=0)
        chunks = tf.reshape(full, (n_chunks, n_chunk_steps, self._batch_size))
        for chunk in tf.range(n_chunks):
            masks = self._draw_masks((n_chunk_steps, self._batch_size), mask_seed + tf.stack([0, chunk]))
            n_steps = tf.minimum(n_chunk_steps, n_full - chunk * n_chunk_steps)
            self._steps(chunks[chunk], masks, n_steps, learning_rate, ema_momentum)
        if n_last := self._n_examples % self._batch_size:
            masks = self._draw_masks((1, n_last), mask_seed + tf.stack([0, n_chunks]))
            last = shuffled[tf.newaxis, n_full * self._batch_size :]
            # One odd step is not worth compiling: TensorFlow's graph runs it.
            self._run_steps(last, masks, tf.constant(1), learning_rate, ema_momentum)

    def _draw_masks(self, shape: tuple[int, int], seed: tf.Tensor) -> list[tf.Tensor]:
        """One mask a dropout layer for a chunk, shape (steps, batch, ...); the seed's first word tells layers apart."""
        return [
            _mask(layer, (*shape, *layer.mask_shape), seed + tf.constant([index, 0]))
            for index, layer in enumerate(self._trained.dropouts)
        ]

    def _run_steps(
        self,
        chunk: tf.Tensor,
        masks: list[tf.Tensor],
        n_steps: tf.Tensor,
        learning_rate: tf.Tensor,
        ema_momentum: tf.Tensor,
    ) -> None:
        i = tf.constant(0)
        while i < n_steps:  # not over ranges, whose ends XLA wants to know when it compiles
            first, end = i, tf.minimum(i + self._averaged_steps, n_steps)
            while i < end:
                self._run_step(chunk[i], [mask[i] for mask in masks], learning_rate)
                i += 1
            self._update_averages(tf.pow(ema_momentum, tf.cast(end - first, tf.float32)))

    def _run_step(self, batch: tf.Tensor, masks: list[tf.Tensor], learning_rate: tf.Tensor) -> None:
        inputs, labels = tf.nest.map_structure(lambda x: tf.gather(x, batch), (self._inputs, self._labels))
        self._optimizer.apply(self._gradients(inputs, labels, masks), learning_rate)

    def _gradients(self, inputs: Any, labels: Any, masks: list[tf.Tensor]) -> list[tf.Tensor]:  # noqa: ANN401
        with tf.GradientTape() as tape:
            outputs = self._trained.training_outputs(inputs, masks)
            loss = tf.reduce_mean(self.criterion.losses(labels, outputs))
            loss += sum(self._trained.model.losses)  # L2 is not among them
        gradients = tape.gradient(loss, self._variables)
        columns = gradients, self._variables, self._trained.l2
        return [self._penalized(*each) for each in zip(*columns, strict=True)]

    def _penalized(self, gradient: tf.Tensor, variable: tf.Variable, l2: tf.Variable | None) -> tf.Tensor:
        if l2 is None:
            return gradient

        def penalized() -> tf.Tensor:
            return gradient + 2.0 * l2 * variable

        # XLA adds the penalty on the way; the graph would go over the whole memory of a wide layer twice more.
        return penalized() if self.compilation.jit_compile else tf.cond(l2 > 0, penalized, lambda: gradient)

    def _update_averages(self, ema_momentum: tf.Tensor) -> None:
        """average = momentum * average + (1 - momentum) * weights; the first time it copies, as in Keras."""
        share = tf.where(self._is_first_average, 1.0, 1.0 - ema_momentum)
        self._is_first_average.assign(False)
        for average, variable in zip(self._averages, self._variables, strict=True):
            average.assign_add(share * (variable - average))


def n_examples(labels: Any) -> int:  # noqa: ANN401 - nested
    """Length of the first axis of labels, or of the first of several."""
    return int(tf.nest.flatten(labels)[0].shape[0])


def _own_or_default(
    model: keras.Model, trained: keras.Model, variables: list[tf.Variable], task: Criterion
) -> tuple[Criterion, Optimizer]:
    """Loss and optimizer of a compiled model, for its run-time copy; the engine's own for one that is not compiled."""
    if not model.compiled:
        return task, FusedAdam(variables)
    return CompiledLoss(model, task), KerasOptimizer(model.optimizer, trained.trainable_variables)


def _joined(*parts: tf.Tensor) -> NDArray[Any]:
    return parts[0].numpy() if len(parts) == 1 else np.concatenate([part.numpy() for part in parts])


def _mask(layer: RuntimeDropout, shape: tuple[int, ...], seed: tf.Tensor) -> tf.Tensor:
    """True with a probability of 1 - rate (to 1/65536): two values from each random word, none where nothing drops."""
    n_values = math.prod(shape)

    def draw() -> tf.Tensor:
        words = tf.random.stateless_uniform((math.ceil(n_values / 2),), seed, None, None, tf.uint32)
        halves = tf.reshape(tf.bitcast(words, tf.uint16), (-1,))[:n_values]
        threshold = tf.cast(tf.round(65536.0 * layer.rate), tf.uint16)
        return tf.reshape(halves >= threshold, shape)

    return tf.cond(layer.rate > 0, draw, lambda: tf.ones(shape, tf.bool))


def _mask_bytes(layer: RuntimeDropout) -> int:
    return math.prod(layer.mask_shape)
