"""`model.fit` in the place of the compiled epoch, for models that cannot be compiled: slower, the same interface."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tuning.engine.criterion import CompiledLoss, Criterion
from tuning.engine.metrics import Predictions
from tuning.engine.optimizers import has_schedule

_EVALUATION_BATCH = 1024


class FitProgram:
    """Trains one model by its own `fit`, an epoch a call.

    Args:
        model: Any Keras model; one that is not compiled gets Adam and the loss of the task.
        inputs: Training inputs, shape (n, ...), or a nested structure of such.
        labels: Shape (n, ...), or a nested structure of such.
        batch_size: Examples a step.
        task: The criterion of a model that is not compiled.
    """

    def __init__(
        self,
        model: keras.Model,
        inputs: Any,  # noqa: ANN401 - nested
        labels: Any,  # noqa: ANN401 - nested
        batch_size: int,
        task: Criterion,
    ) -> None:
        is_compiled = model.compiled
        if not is_compiled:
            model.compile("adam", TaskLoss(task))
        self._model, self._batch_size = model, batch_size
        self._inputs, self._labels = _arrays(inputs), _arrays(labels)
        self._own_loss = _CompiledAsAWhole()
        try:
            self.criterion: Criterion = CompiledLoss(model, task) if is_compiled else task
        except ValueError:
            self.criterion = self._own_loss

    def train_epoch(self, learning_rate: float, ema_momentum: float, seed: int, epoch: int) -> None:
        """Train one epoch, in an order that follows from seed and epoch; averaging is left to the optimizer."""
        if not has_schedule(self._model.optimizer):
            self._model.optimizer.learning_rate = learning_rate
        order = np.random.default_rng([seed, epoch]).permutation(len(tf.nest.flatten(self._labels)[0]))
        shuffled = tf.nest.map_structure(lambda x: x[order], (self._inputs, self._labels))
        self._model.fit(*shuffled, batch_size=self._batch_size, epochs=1, shuffle=False, verbose=0)

    def predict(self, inputs: Any, labels: Any) -> Predictions:  # noqa: ANN401 - nested
        """Clean outputs, losses and errors (evaluation mode)."""
        inputs = _arrays(inputs)
        outputs = self._model.predict(inputs, batch_size=_EVALUATION_BATCH, verbose=0)
        if self.criterion is self._own_loss:
            penalty = sum(float(loss) for loss in self._model.losses)
            whole = self._model.evaluate(inputs, _arrays(labels), _EVALUATION_BATCH, verbose=0, return_dict=True)
            return Predictions(outputs, np.array([whole["loss"] - penalty], np.float32), np.empty(0, bool))
        tensors = tf.nest.map_structure(tf.constant, outputs)
        losses, errors = self.criterion.losses(labels, tensors), self.criterion.errors(labels, tensors)
        return Predictions(outputs, losses.numpy(), errors.numpy())

    def weights(self) -> list[NDArray[np.float32]]:
        """The weights, in the order of `keras.Model.set_weights`."""
        weights: list[NDArray[np.float32]] = self._model.get_weights()
        return weights


class TaskLoss(keras.losses.Loss):  # type: ignore[misc]  # Keras ships no types
    """A criterion as a loss that Keras compiles."""

    def __init__(self, task: Criterion) -> None:
        super().__init__(name="task_loss")
        self._task = task

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """A value an example."""
        return self._task.losses(y_true, y_pred)


class _CompiledAsAWhole:
    """Stands for a loss that has no value an example: Keras' `evaluate` gives its mean, nothing gives its noise."""

    has_values = False

    def losses(self, labels: Any, outputs: Any) -> tf.Tensor:  # noqa: ANN401
        raise NotImplementedError("the loss of this model is known for whole batches only")

    def errors(self, labels: Any, outputs: Any) -> tf.Tensor:  # noqa: ANN401
        raise NotImplementedError("the loss of this model is known for whole batches only")

    def logits(self, outputs: NDArray[np.float32]) -> None:
        return None


def _arrays(values: Any) -> Any:  # noqa: ANN401 - nested
    return tf.nest.map_structure(np.asarray, values)
