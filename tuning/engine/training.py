"""One trial's training: epochs, clean metrics, early stop, best epoch restored. The one place in the code that trains.

>>> engine = Engine(train_x, train_y, val_x, val_y)                        # doctest: +SKIP
>>> trained = engine.train(model, TrainingPlan(learning_rate=1e-3, seed=0))  # doctest: +SKIP
>>> trained.best.val_error                                                   # doctest: +SKIP
0.0182

Train metrics are *clean*: evaluation mode (no dropout), no L2 term, at the end of the epoch, on a fixed sub-sample of
the training set. Keras' `history` has none of the three, so its train loss cannot be compared with its validation loss.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tuning.engine.criterion import Criterion
from tuning.engine.metrics import EpochMetrics, Predictions, epoch_metrics, paired_stderr, train_sample
from tuning.engine.plan import (
    Diverged,
    TrainedModel,
    TrainingPlan,
    default_batch_size,
    ema_momentum_of,
    learning_rate_of,
)
from tuning.engine.program import n_examples
from tuning.engine.programs import Programs, Trainer
from tuning.engine.task_criterion import CrossEntropyOfLogits

__all__ = ["Diverged", "Engine", "TrainedModel", "TrainingPlan"]

OnEpoch = Callable[[int, EpochMetrics], None]


class Engine:
    """Trains models on one training and validation set, which stay resident; keeps compiled architectures.

    Inputs are arrays, or lists or dicts of arrays for a model that has several; labels likewise.

    Args:
        train_inputs: Shape (n, ...), uint8 or float32.
        train_labels: Class numbers, shape (n,), or whatever a compiled model's loss takes.
        val_inputs: Shape (n_val, ...).
        val_labels: Shape (n_val,).
        criterion: What a model that is not compiled learns, see `task_criterion.criterion_of`; the cross-entropy of
            class numbers where it is not given.
    """

    def __init__(
        self,
        train_inputs: Any,  # noqa: ANN401 - nested
        train_labels: Any,  # noqa: ANN401
        val_inputs: Any,  # noqa: ANN401
        val_labels: Any,  # noqa: ANN401
        criterion: Criterion | None = None,
    ) -> None:
        train, self._val = _resident((train_inputs, train_labels)), _resident((val_inputs, val_labels))
        self._val_labels = val_labels
        self.n_train, self.n_val = n_examples(train[1]), n_examples(self._val[1])
        sample = train_sample(self.n_train)
        self._train_sample = tf.nest.map_structure(lambda x: tf.gather(x, sample), train)
        self.n_train_sample = len(sample)
        self._programs = Programs(train[0], train[1], criterion or CrossEntropyOfLogits())

    def train(self, model: keras.Model, plan: TrainingPlan, on_epoch: OnEpoch | None = None) -> TrainedModel:
        """Train a model from the weights it has; it ends with those of its best epoch.

        A compiled model trains with its own optimizer and loss, any other with Adam on the loss of the engine's task.
        A model whose training cannot be compiled trains by its own `fit`; a line in the log says so. A training whose
        numbers stop being finite ends there, and its best epoch is an earlier one.

        Args:
            model: A Keras model from raw inputs to logits, or whatever its loss takes.
            plan: Learning rate, seed, epochs, monitor and stop rule.
            on_epoch: Called with the epoch (1-based) and its metrics; an exception it raises ends the training.

        Returns:
            The model, and what was measured on the way.

        Raises:
            Diverged: If the first epoch left no finite numbers; a compiled epoch leaves the model its weights.
            ValueError: If the model is not compiled and the plan has no learning rate.
        """
        started = time.perf_counter()
        learning_rate = learning_rate_of(plan, model)
        batch_size = plan.batch_size or default_batch_size(self.n_train)
        momentum = ema_momentum_of(plan, model, self.n_train / batch_size)
        trainer, trained_by = self._programs.begin(model, plan, batch_size, learning_rate, momentum)
        run = _Run(plan, learning_rate)
        for epoch in range(1, plan.max_epochs + 1):
            if epoch > 1:
                trainer.train_epoch(learning_rate, momentum, plan.seed, epoch)
            run.record(*self._measure(trainer), trainer, time.perf_counter() - started)
            if on_epoch is not None and math.isfinite(run.epochs[-1].val_loss):
                on_epoch(epoch, run.epochs[-1])
            if run.stop_reason:
                break
        model.set_weights(run.best_weights)
        val_metrics = _own_metrics(model, self._val, run.best_val)
        return run.finish(model, val_metrics, trained_by, time.perf_counter() - started)

    def _measure(self, trainer: Trainer) -> tuple[EpochMetrics, Predictions]:
        train, val = trainer.predict(*self._train_sample), trainer.predict(*self._val)
        return epoch_metrics(train, val, self._val_labels, trainer.criterion), val


class _Run:
    """What one training gathers while it runs."""

    def __init__(self, plan: TrainingPlan, learning_rate: float) -> None:
        self._plan, self._learning_rate = plan, learning_rate
        self.epochs: list[EpochMetrics] = []
        self.best_weights: Sequence[NDArray[np.float32]] = []
        self.stop_reason = ""
        self._best_epoch = 0
        self.best_val: Predictions
        self._last_val: Predictions
        self._first_epoch_secs = 0.0

    def record(self, metrics: EpochMetrics, val: Predictions, trainer: Trainer, elapsed_secs: float) -> None:
        self.epochs.append(metrics)
        values = [getattr(epoch, self._plan.monitor) for epoch in self.epochs]
        if not math.isfinite(values[0]):
            raise Diverged(self._learning_rate)
        is_best = len(values) == 1 or values[-1] < values[self._best_epoch - 1]  # NaN is less than nothing
        if is_best or not self._plan.restore_best_weights:
            self._best_epoch = len(values)
            self.best_weights, self.best_val = trainer.weights(), val
        self._last_val = val
        self._first_epoch_secs = self._first_epoch_secs or elapsed_secs
        self.stop_reason = self._plan.stop.reason_to_stop(values) or ""

    def finish(
        self, model: keras.Model, val_metrics: dict[str, float], trained_by: str, train_secs: float
    ) -> TrainedModel:
        return TrainedModel(
            model=model,
            epochs=tuple(self.epochs),
            best_epoch=self._best_epoch,
            val=self.best_val,
            val_metrics=val_metrics,
            val_loss_rise_stderr=paired_stderr(self.best_val, self._last_val),
            stop_reason=self.stop_reason or f"all {self._plan.max_epochs} epochs were used",
            trained_by=trained_by,
            train_secs=train_secs,
            first_epoch_secs=self._first_epoch_secs,
        )


def _own_metrics(model: keras.Model, examples: tuple[Any, Any], val: Predictions) -> dict[str, float]:
    """A compiled model's own metrics on the validation set, from predictions that are there already."""
    if not model.compiled:
        return {}
    model.reset_metrics()
    outputs = tf.nest.map_structure(tf.constant, val.outputs)
    measured = model.compute_metrics(*examples, outputs)
    return {name: float(value) for name, value in measured.items() if name != "loss"}


def _resident(values: Any) -> Any:  # noqa: ANN401 - nested
    """As tensors; whole numbers of 64 bits as 32, which is what class numbers need."""
    return tf.nest.map_structure(_tensor, values)


def _tensor(array: NDArray[Any]) -> tf.Tensor:
    array = np.asarray(array)
    return tf.constant(array, tf.int32 if array.dtype == np.int64 else None)
