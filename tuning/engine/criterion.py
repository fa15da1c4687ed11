"""What one example costs: its loss, and whether its class is wrong.

`CrossEntropyOfLogits` is the loss of the project's own models. `CompiledLoss` is whatever a user's model was compiled
with, for one output or several.
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
    """Measures outputs against labels, an entry an example; traced into the compiled epoch."""

    def losses(self, labels: Any, outputs: Any) -> tf.Tensor:  # noqa: ANN401 - nested where there are several outputs
        """Losses, float32, shape (n,)."""

    def is_wrong(self, labels: Any, outputs: Any) -> tf.Tensor:  # noqa: ANN401
        """Errors, bool, shape (n,); shape (0,) where there is no right or wrong."""

    def logits(self, outputs: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Outputs as logits of classes, whose temperature can be fitted; None where the labels are no class numbers."""


class CrossEntropyOfLogits:
    """Classes as numbers against logits, in nats."""

    def losses(self, labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """-log of the true class's probability."""
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, tf.cast(outputs, tf.float32))

    def is_wrong(self, labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Whether the largest logit is another class's."""
        return tf.argmax(outputs, axis=1, output_type=tf.int32) != tf.cast(labels, tf.int32)

    def logits(self, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """They are."""
        return outputs


class CompiledLoss:
    """The loss of a compiled Keras model, output by output, with its loss weights.

    Raises:
        ValueError: If the model's loss has no value an example.
    """

    def __init__(self, model: keras.Model) -> None:
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

    def is_wrong(self, labels: Any, outputs: Any) -> tf.Tensor:  # noqa: ANN401
        """By the largest output, or by its side of the threshold for a single one; empty for other losses."""
        (y, *_), (output, *_) = self._by_output(labels), self._by_output(outputs)
        if self._is(_BINARY):
            threshold = 0.0 if self._from_logits() else 0.5
            y = tf.reshape(y, tf.shape(output))
            is_other = (tf.cast(output, tf.float32) > threshold) != (tf.cast(y, tf.float32) > 0.5)
            return tf.reduce_any(tf.reshape(is_other, (tf.shape(output)[0], -1)), axis=1)
        if not (self._is(_SPARSE) or self._is(_ONE_HOT)) or output.shape.rank != 2:
            return tf.zeros((0,), tf.bool)
        classes = tf.argmax(y, axis=1) if self._is(_ONE_HOT) else tf.reshape(y, (-1,))
        return tf.argmax(output, axis=1, output_type=tf.int32) != tf.cast(classes, tf.int32)

    def logits(self, outputs: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Of a sparse cross-entropy: the outputs, or the logarithm of the probabilities that they are."""
        if not self._is(_SPARSE) or outputs.ndim != 2:
            return None
        return outputs if self._from_logits() else np.log(np.maximum(outputs, keras.config.epsilon()))

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
    return tf.reduce_mean(tf.reshape(values, (tf.shape(values)[0], -1)), axis=1)
