"""What one example costs: its loss, and its error.

`CompiledLoss` is whatever a user's model was compiled with, for one output or several; the losses of models that are
not compiled are in `task_criterion.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

_SPARSE = keras.losses.SparseCategoricalCrossentropy, keras.losses.sparse_categorical_crossentropy
_ONE_HOT = keras.losses.CategoricalCrossentropy, keras.losses.categorical_crossentropy
_BINARY = keras.losses.BinaryCrossentropy, keras.losses.binary_crossentropy


class Criterion(Protocol):
    """Measures outputs against labels, an entry an example; traced into the compiled epoch.

    `has_values` says whether outputs are values in the unit of the labels, as in a regression.
    """

    has_values: bool

    def losses(self, labels: Any, outputs: Any) -> tf.Tensor:  # noqa: ANN401 - nested where there are several outputs
        """Losses, float32, shape (n,)."""

    def errors(self, labels: Any, outputs: Any) -> tf.Tensor:  # noqa: ANN401
        """Errors as fractions, bool or float32, shape (n,); shape (0,) where the loss says nothing of errors."""

    def logits(self, outputs: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Outputs as logits of classes or labels, whose temperature can be fitted; None where they are no such."""


class CompiledLoss:
    """The loss of a compiled Keras model, output by output, with its loss weights.

    Args:
        model: It is compiled.
        task: The criterion of the task, which says what an error is where the loss does not.

    Raises:
        ValueError: If the model's loss has no value an example.
    """

    def __init__(self, model: keras.Model, task: Criterion) -> None:
        self._task, self.has_values = task, task.has_values
        self._names: list[str] = list(getattr(model, "output_names", []))  # only functional models have such names
        self._losses = [_checked(keras.losses.get(loss)) for loss in self._by_output(model.loss)]
        weights = model.get_compile_config().get("loss_weights")
        self._weights = [1.0] * len(self._losses) if weights is None else list(self._by_output(weights))

    def losses(self, labels: Any, outputs: Any) -> tf.Tensor:  # noqa: ANN401
        """The weighted sum over the outputs of each one's mean over all but the first axis."""
        columns = self._losses, self._weights, self._by_output(labels), self._by_output(outputs)
        return tf.add_n(
            [weight * _by_example(loss, y, output) for loss, weight, y, output in zip(*columns, strict=True)]
        )

    def errors(self, labels: Any, outputs: Any) -> tf.Tensor:  # noqa: ANN401
        """By the largest output; by each one's side of the threshold for yes or no; else what the task says of values.

        Empty where there are several outputs, or values of another shape than the labels.
        """
        (y, *more), (output, *_) = self._by_output(labels), self._by_output(outputs)
        if self._is(_BINARY):
            threshold = 0.0 if self._from_logits() else 0.5
            y = tf.reshape(y, tf.shape(output))
            is_other = (tf.cast(output, tf.float32) > threshold) != (tf.cast(y, tf.float32) > 0.5)
            return _mean_by_example(tf.cast(is_other, tf.float32))
        if (self._is(_SPARSE) or self._is(_ONE_HOT)) and output.shape.rank == 2:
            classes = tf.argmax(y, axis=1) if self._is(_ONE_HOT) else tf.reshape(y, (-1,))
            return tf.argmax(output, axis=1, output_type=tf.int32) != tf.cast(classes, tf.int32)
        if not more and self._task.has_values and output.shape.rank == 2:
            return self._task.errors(y, output)
        return tf.zeros((0,), tf.bool)

    def logits(self, outputs: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Of a cross-entropy of class numbers or of yes and no: the outputs, or the logits of the probabilities."""
        if outputs.ndim != 2 or not (self._is(_SPARSE) or self._is(_BINARY)):
            return None
        if self._from_logits():
            return outputs
        tiny = keras.config.epsilon()
        logits: NDArray[np.float32] = np.log(np.maximum(outputs, tiny))
        return logits if self._is(_SPARSE) else logits - np.log(np.maximum(1.0 - outputs, tiny))

    def _is(self, kinds: tuple[type, Callable[..., Any]]) -> bool:
        only, (kind, function) = self._losses[0], kinds
        return len(self._losses) == 1 and (type(only) is kind or only is function)

    def _from_logits(self) -> bool:
        loss: Any = self._losses[0]
        return isinstance(loss, keras.losses.Loss) and bool(loss.get_config().get("from_logits", False))

    def _by_output(self, values: Any) -> Sequence[Any]:  # noqa: ANN401
        """What Keras takes as a dict by name, as a list, or alone where there is one output: always as a list."""
        if isinstance(values, dict):
            return [values[name] for name in self._names]
        return values if isinstance(values, list | tuple) else [values]


def _checked(loss: Any) -> Callable[..., tf.Tensor]:  # noqa: ANN401
    if not callable(loss):
        raise ValueError(f"its loss is {loss!r}")
    if isinstance(loss, keras.losses.Loss) and loss.reduction != "sum_over_batch_size":
        raise ValueError(f"its loss is reduced by {loss.reduction!r}")
    return loss  # type: ignore[no-any-return]


def _by_example(loss: Callable[..., tf.Tensor], y: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
    """Keras' reduction over a batch is the mean of these."""
    output = tf.cast(output, tf.float32)
    y = tf.cast(y, tf.float32)  # as `keras.losses.Loss.__call__` does
    if y.shape.rank == output.shape.rank - 1 and output.shape[-1] == 1:
        y = y[..., tf.newaxis]  # as Keras does: one column of outputs may be compared with a row of labels
    values = loss.call(y, output) if isinstance(loss, keras.losses.Loss) else loss(y, output)
    return _mean_by_example(values)


def _mean_by_example(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.reshape(values, (tf.shape(values)[0], -1)), axis=1)
