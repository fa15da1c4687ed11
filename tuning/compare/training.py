"""A network trained by Keras' `fit`, and measured as this project's engine measures: for engines that do not use it.

Measured are the clean validation metrics of every epoch; the stop rule looks at them, and the weights of the best epoch
are kept. A network of the families that ship keeps the moving average of its weights, as in the engine (Keras'
`SwapEMAWeights`).
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Self

import keras
import numpy as np
from keras_tuner.errors import FailedTrialError
from numpy.typing import NDArray

from models.own_model import takes_one_hot
from search_spaces import Params
from tuning.compare.messages import TunerTask
from tuning.data import TrainingData
from tuning.engine.fit_program import FitProgram, TaskLoss
from tuning.engine.metrics import EpochMetrics, epoch_metrics, value_stderr
from tuning.engine.plan import default_batch_size, default_ema_momentum
from tuning.engine.stopping import StopRule
from tuning.engine.task_criterion import criterion_of
from tuning.own_model import family_of
from tuning.settings import Settings
from tuning.strategy.records import Outcome
from tuning.task import Task
from tuning.trial_attrs import TASK, VALUE_STDERR
from tuning.trial_job import EpochReport, TrialEnd, TrialJob
from tuning.trial_run import input_format
from tuning.units import in_target_units
from tuning.weights import WeightStore

_TRAINED_BY = "KerasTuner (`fit`)"
DIVERGED = "diverged in the first epoch"


class Measured(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Measures every epoch as the engine does, keeps the best weights, and stops by the engine's rule."""

    def __init__(self, data: TrainingData, settings: Settings, report: Callable[[EpochReport], None]) -> None:
        super().__init__()
        self._data, self._goal, self._report = data, settings.goal, report
        self._stop = StopRule()
        self.forget()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # KerasTuner copies callbacks for every trial; this one goes through all of them

    def forget(self) -> None:
        """Before a trial."""
        self.epochs: list[EpochMetrics] = []
        self.best: int | None = None
        self.weights: list[NDArray[np.float32]] = []
        self.stop_reason = ""
        self.n_params = 0
        self._begun = time.perf_counter()

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Now there is a network; one without an input layer is built by its first step."""
        val = self._data.validation
        labels = _as_taken(val.labels, self.model, self._data)
        self._program = FitProgram(self.model, val.inputs, labels, 1, criterion_of(self._data))
        self._labels = labels

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Measure, and put the objective where KerasTuner looks for it."""
        val = self._program.predict(self._data.validation.inputs, self._labels)
        found = epoch_metrics(val, val, self._data.validation.labels, self._program.criterion)
        # Keras' own training loss is no clean one: it contains dropout, L2 and an average over the epoch.
        metrics = replace(found, train_loss=math.nan, train_error=math.nan)
        metric, self.n_params = getattr(metrics, self._goal.metric), int(self.model.count_params())
        if not self.epochs and not math.isfinite(metric):
            raise FailedTrialError(DIVERGED)
        self.epochs.append(metrics)
        logs[self._goal.name] = self._goal.value(metric)
        values = [getattr(each, self._goal.metric) for each in self.epochs]
        if self.best is None or metric < values[self.best - 1]:
            self.best, self.weights = len(values), self.model.get_weights()
        self._report(EpochReport(-1, len(values), metrics))
        self.stop_reason = self._stop.reason_to_stop(values) or ""
        if self.stop_reason:
            self.model.stop_training = True

    def attrs(self) -> dict[str, Any]:
        """What is known of the trial, as user attributes."""
        fields = [name for name in EpochMetrics.__dataclass_fields__ if name.startswith("val") and "_sd" not in name]
        curves = {name: [float(f"{getattr(epoch, name):.6g}") for epoch in self.epochs] for name in fields}
        return {
            "curves": curves,
            "best_epoch": self.best,
            "n_params": self.n_params,
            "trained_by": _TRAINED_BY,
            "stop_reason": self.stop_reason or "all epochs were used",
            "train_secs": round(time.perf_counter() - self._begun, 3),
        }


class Training:
    """How networks are built and trained here.

    Args:
        task: What the process is to do.

    Raises:
        ModelError: If the model cannot be imported.
    """

    def __init__(self, task: TunerTask) -> None:
        self.task, self.family = task, family_of(task.model)
        self._weights = WeightStore(task.folder / "weights", keeps_all=True)
        # What holds for the start's network is taken to hold for all of them.
        self.takes_one_hot, self._averages = False, False
        with contextlib.suppress(Exception):  # a user's model may fail there: its trials will say so
            first = self.network(self.family.space.start(), task.settings.seed)
            self.takes_one_hot, self._averages = takes_one_hot(first), bool(first.optimizer.use_ema)

    @property
    def batch_size(self) -> int:
        """Examples a step."""
        return self.task.settings.batch_size or default_batch_size(len(self.task.data.train))

    def network(self, params: Params, seed: int) -> keras.Model:
        """A compiled network."""
        data = self.task.data
        model = self.family.build(params, input_format(data), data.n_outputs, seed)
        if not model.compiled:
            model = in_target_units(model, data)
            n_steps = len(data.train) / self.batch_size
            rate, momentum = self.family.learning_rate(params), default_ema_momentum(n_steps)
            model.compile(keras.optimizers.Adam(rate, use_ema=True, ema_momentum=momentum), _loss(data))
        return model

    def train_labels(self) -> NDArray[Any]:
        """Of the training part, as the networks' loss takes them."""
        labels = self.task.data.train.labels
        return one_hot(labels, self.task.data) if self.takes_one_hot else labels

    def callbacks(self, measured: Measured) -> list[keras.callbacks.Callback]:
        """Averaged weights first, where the optimizer averages: they are what is measured."""
        return [*([keras.callbacks.SwapEMAWeights(swap_on_epoch=True)] if self._averages else []), measured]

    def measured(self, report: Callable[[EpochReport], None]) -> Measured:
        """What watches a training."""
        return Measured(self.task.data, self.task.settings, report)

    def completed(self, number: int, measured: Measured) -> TrialEnd:
        """Keep the weights of a trial, and say how it ended."""
        goal, data = self.task.settings.goal, self.task.data
        best = measured.epochs[(measured.best or 1) - 1]
        self._weights.write_arrays(number, measured.weights)
        attrs = measured.attrs() | {VALUE_STDERR: value_stderr(best, goal.metric, len(data.validation))}
        if data.task is not Task.MULTICLASS:
            attrs[TASK] = data.task.value
        return TrialEnd(number, Outcome.COMPLETE, "", goal.value(getattr(best, goal.metric)), attrs)

    def confirm(self, job: TrialJob, send: Callable[[Any], None]) -> TrialEnd:
        """Train a configuration again with another seed, as the tuner trains it."""
        measured = self.measured(lambda report: send(replace(report, number=job.number)))
        seed = self.task.settings.seed + job.seed_index
        try:
            keras.backend.clear_session()
            model = self.network(job.params, seed)
            keras.utils.set_random_seed(seed)
            model.fit(
                self.task.data.train.inputs,
                self.train_labels(),
                batch_size=int(job.params.get("batch_size", self.batch_size)),
                epochs=self.task.settings.max_epochs,
                callbacks=self.callbacks(measured),
                verbose=0,
            )
        except FailedTrialError as error:
            return TrialEnd(job.number, Outcome.DIVERGED, str(error))
        except Exception as error:  # the user's model may fail in any way on some configuration
            return TrialEnd(job.number, Outcome.FAILED, f"{type(error).__name__}: {error}")
        return self.completed(job.number, measured)


def _loss(data: TrainingData) -> keras.losses.Loss:
    """The loss of a task, for a network of logits or values."""
    if data.task is Task.MULTICLASS:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if data.task is Task.REGRESSION:
        return TaskLoss(criterion_of(data))
    return keras.losses.BinaryCrossentropy(from_logits=True)


def one_hot(labels: NDArray[Any], data: TrainingData) -> NDArray[Any]:
    """Class numbers as rows, shape (n, classes)."""
    rows: NDArray[Any] = np.eye(data.n_classes, dtype=np.float32)[labels]
    return rows


def _as_taken(labels: NDArray[Any], model: keras.Model, data: TrainingData) -> NDArray[Any]:
    return one_hot(labels, data) if takes_one_hot(model) else labels
