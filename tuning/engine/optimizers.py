"""What a gradient does to the weights: the engine's Adam in one kernel a variable, or a Keras optimizer as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import keras
import tensorflow as tf

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-7  # the defaults of keras.optimizers.Adam


class Optimizer(Protocol):
    """Traced into the compiled epoch."""

    n_bytes: int  # resident state

    def reset(self) -> None:
        """Forget all earlier steps."""

    def apply(self, gradients: Sequence[tf.Tensor], learning_rate: tf.Tensor) -> None:
        """Change the weights by one step."""


class FusedAdam:
    """Adam with Keras' defaults (Kingma and Ba 2015, with the step size corrected for both moments).

    `ResourceApplyAdam` computes it in one pass over memory where Keras' optimizer needs about a dozen.
    """

    def __init__(self, variables: Sequence[tf.Variable]) -> None:
        self._variables = variables
        self._moments = [(_zeros(variable), _zeros(variable)) for variable in variables]
        self._n_steps = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.n_bytes = 2 * sum(4 * int(tf.size(variable)) for variable in variables)

    def reset(self) -> None:
        """Moments and step count are zero again."""
        self._n_steps.assign(0)
        for pair in self._moments:
            for moment in pair:
                moment.assign(tf.zeros_like(moment))

    def apply(self, gradients: Sequence[tf.Tensor], learning_rate: tf.Tensor) -> None:
        """One step of Adam."""
        n_steps = tf.cast(self._n_steps.assign_add(1), tf.float32)
        for variable, (first, second), gradient in zip(self._variables, self._moments, gradients, strict=True):
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
                grad=gradient,
            )


class KerasOptimizer:
    """A copy of the optimizer that a model was compiled with.

    Args:
        optimizer: Any Keras optimizer; its own moving average of the weights is left to the program.
        variables: The Keras variables to train.
    """

    def __init__(self, optimizer: keras.optimizers.Optimizer, variables: Sequence[keras.Variable]) -> None:
        config = optimizer.get_config() | {"use_ema": False}
        self._optimizer = type(optimizer).from_config(config)
        self._optimizer.build(variables)
        self._variables = variables
        self._initial = [tf.identity(variable.value) for variable in self._optimizer.variables]
        self._has_schedule = has_schedule(optimizer)
        self.n_bytes = sum(4 * int(tf.size(value)) for value in self._initial)

    def reset(self) -> None:
        """Every variable of the optimizer as it was built."""
        for variable, value in zip(self._optimizer.variables, self._initial, strict=True):
            variable.assign(value)

    def apply(self, gradients: Sequence[tf.Tensor], learning_rate: tf.Tensor) -> None:
        """One step of the optimizer; a schedule of its own goes before `learning_rate`."""
        if not self._has_schedule:
            self._optimizer.learning_rate.assign(learning_rate)
        self._optimizer.apply(gradients, self._variables)


def has_schedule(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether the optimizer's learning rate is a schedule, which nobody sets from outside."""
    return not isinstance(optimizer._learning_rate, keras.Variable)


def _zeros(variable: tf.Variable) -> tf.Variable:
    return tf.Variable(tf.zeros_like(variable), trainable=False)
