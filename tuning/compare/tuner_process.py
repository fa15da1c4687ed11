"""KerasTuner's own search, through its own API, in a process of its own; then trainings that confirm.

What the study's process and this one tell each other is in `messages.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

import keras
import keras_tuner
import tensorflow as tf
from keras_tuner.errors import FatalError

from models.as_hypermodel import completed, declared
from tuning.compare.messages import HYPERBAND, Begun, TunerTask
from tuning.compare.sampler import COST
from tuning.compare.training import DIVERGED, Training
from tuning.own_model import hypermodel_of
from tuning.strategy.records import Outcome
from tuning.trial_job import TrialEnd

_OVER = "the budget is used up"
_UNLIMITED = 10_000


def run_tuner(connection: Connection, task: TunerTask) -> None:
    """Search, then confirm until the connection closes or None comes."""
    tf.config.threading.set_intra_op_parallelism_threads(task.n_threads)
    tf.config.threading.set_inter_op_parallelism_threads(task.n_threads)
    training = Training(task)
    if not task.is_searched:
        _search(connection, task, training)
    connection.send(None)
    while (job := connection.recv()) is not None:
        connection.send(training.confirm(job, connection.send))


def _search(connection: Connection, task: TunerTask, training: Training) -> None:
    watch = _Watch(connection, training)
    tuner = _tuner(task, watch, _hypermodel(training, watch.begin))
    train = task.data.train
    try:
        tuner.search(
            train.inputs,
            training.train_labels(),
            batch_size=training.batch_size,
            epochs=task.settings.max_epochs,
            callbacks=training.callbacks(watch.measured),
            verbose=0,
        )
    except FatalError as error:  # the only error that ends a search
        if str(error) != _OVER:
            raise


class _Watch:
    """Tells the study's process what the tuner does, trial by trial.

    Args:
        connection: To that process.
        training: How networks are trained.
    """

    def __init__(self, connection: Connection, training: Training) -> None:
        self._connection, self._training = connection, training
        self._ended = time.perf_counter()
        self._number: int | None = None  # of the running trial, once its network is built
        self.measured = training.measured(lambda report: connection.send(replace(report, number=self._number or 0)))

    def begin(self, values: Mapping[str, Any]) -> None:
        """Ask for a number, or hear that it is over.

        After the network was built: what it asked for the first time has its value only then.
        """
        params = completed(self._training.family.space, values)
        self._connection.send(Begun(params, round(time.perf_counter() - self._ended, 4)))
        self.measured.forget()
        self._number = self._connection.recv()
        if self._number is None:
            raise FatalError(_OVER)

    def end(self, trial: Any) -> None:  # noqa: ANN401 - of KerasTuner
        """Hand over what was measured; KerasTuner writes the trial down once that is recorded."""
        if self._number is None:  # its network could not be built
            self.begin(trial.hyperparameters.values)
        number, is_complete = self._number or 0, str(trial.status) == "COMPLETED"
        end = self._training.completed(number, self.measured) if is_complete else self._failed(number, trial.message)
        task, n_epochs = self._training.task, len(self.measured.epochs)
        if task.kind == HYPERBAND:
            end = replace(end, attrs={**end.attrs, COST: n_epochs / task.settings.max_epochs})
        self._connection.send(end)
        self._connection.recv()
        self._number, self._ended = None, time.perf_counter()

    def _failed(self, number: int, message: str | None) -> TrialEnd:
        """Of a trial that gave no value."""
        reason = (message or "").strip().splitlines()
        outcome = Outcome.DIVERGED if any(DIVERGED in line for line in reason) else Outcome.FAILED
        attrs = self.measured.attrs() if self.measured.epochs else {}
        return TrialEnd(number, outcome, reason[-1] if reason else "", attrs=attrs)


def _hypermodel(training: Training, begin: Callable[[Mapping[str, Any]], None]) -> keras_tuner.HyperModel:
    """What KerasTuner builds: a hypermodel of the user's as it is, anything else from its levers."""
    task, space = training.task, training.family.space
    seed = task.settings.seed
    build = hypermodel_of(task.model) or (lambda hp: training.network(declared(space, hp), seed))
    return _Seeded(build, seed, begin)


class _Seeded(keras_tuner.HyperModel):  # type: ignore[misc]  # KerasTuner ships no types
    """A hypermodel whose every network is seeded alike, as in this project: trials differ in nothing else."""

    def __init__(
        self,
        build: Callable[[keras_tuner.HyperParameters], keras.Model],
        seed: int,
        begin: Callable[[Mapping[str, Any]], None],
    ) -> None:
        super().__init__()
        self._build, self._seed, self._begin = build, seed, begin

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """The user's network."""
        keras.utils.set_random_seed(self._seed)
        return self._build(hp)

    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """As KerasTuner; a hyperparameter called `batch_size` is obeyed, as it is in this project."""
        self._begin(hp.values)
        if "batch_size" in hp:
            kwargs["batch_size"] = int(hp.get("batch_size"))
        return model.fit(*args, **kwargs)


def _tuner(task: TunerTask, watch: _Watch, hypermodel: keras_tuner.HyperModel) -> keras_tuner.Tuner:
    """KerasTuner's tuner, which tells what it does in the hooks that it has for that; an earlier search is resumed."""
    kind = getattr(keras_tuner, task.kind)

    class Watched(kind):  # type: ignore[misc, valid-type]
        """Tells the watch when a trial has ended."""

        def on_trial_end(self, trial: Any) -> None:  # noqa: ANN401
            watch.end(trial)
            super().on_trial_end(trial)

    goal = task.settings.goal
    objective = keras_tuner.Objective(goal.name, "max" if goal.maximize else "min")
    limits: dict[str, Any] = {"max_trials": task.n_search or _UNLIMITED}
    if task.kind == HYPERBAND:
        limits = {"max_epochs": task.settings.max_epochs, "hyperband_iterations": _UNLIMITED}
    return Watched(
        hypermodel,
        objective,
        seed=task.settings.seed + 1,  # 0 would be a random seed
        directory=str(task.folder),
        project_name="keras_tuner",
        max_consecutive_failed_trials=_UNLIMITED,
        **limits,
    )
