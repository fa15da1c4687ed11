"""The searches of `benchmarks.live`, each from a data set and a seed to its best model and the seconds it took."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import keras
import keras_tuner
import numpy as np
from numpy.typing import NDArray
from optuna.samplers import TPESampler
from optuna.trial import TrialState

from benchmarks.engine_study import EngineStudy
from models.mlp import build_mlp
from search_spaces import Lever, Params, Scale, learning_rate, mlp_space
from tuning.data import Dataset
from tuning.data.examples import Examples
from tuning.engine.plan import default_batch_size
from tuning.engine.stopping import StopRule
from tuning.sampler import OverfitBackoffSampler
from tuning.settings import Settings
from tuning.trial_run import input_format

N_TRIALS, MAX_EPOCHS = 20, 30

_TIME_IS_OVER = "the time is over"


@dataclass(frozen=True)
class Searched:
    """What a search found: its best model by validation, and where it has one the start's."""

    best: keras.Model
    params: Params
    val_loss: float
    n_trials: int
    secs: float
    start: keras.Model | None = None


def _settings(dataset: Dataset, seed: int, folder: str) -> Settings:
    return Settings(Path(folder), "live", dataset.name, N_TRIALS, max_epochs=MAX_EPOCHS, seed=seed)


def _searched(search: EngineStudy, number: int, *, with_start: bool = False) -> Searched:
    """The result, with this trial as the best one."""
    trial, secs = search.study.trials[number], search.elapsed_secs
    value = math.inf if trial.value is None else trial.value
    start = search.model(0) if with_start else None
    return Searched(search.model(number), trial.params, value, len(search.study.trials), secs, start)


def ours(dataset: Dataset, seed: int) -> Searched:
    """The project's sampler, 20 trials; its start is its first trial."""
    sampler = OverfitBackoffSampler(mlp_space(), seed, "val_loss", n_trials=N_TRIALS)
    with tempfile.TemporaryDirectory() as folder:
        search = EngineStudy(dataset, _settings(dataset, seed, folder), sampler, math.inf)
        search.run_trials(sampler)
        return _searched(search, sampler.ranking(search.study)[0], with_start=True)


def tpe_from_start(dataset: Dataset, seed: int, limit_secs: float) -> Searched:
    """Optuna's TPE, told to begin with the same start."""
    with tempfile.TemporaryDirectory() as folder:
        search = EngineStudy(dataset, _settings(dataset, seed, folder), TPESampler(seed=seed), limit_secs)
        search.study.enqueue_trial(mlp_space().start())
        while not search.is_over:
            search.run_trial()
        complete = search.study.get_trials(states=(TrialState.COMPLETE,))
        return _searched(search, min(complete, key=lambda trial: trial.value or math.inf).number)


class KeepBest(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Keeps the best weights of all trials, and ends the search when its time is over."""

    def __init__(self, limit_secs: float) -> None:
        super().__init__()
        self._begun, self._limit_secs = time.monotonic(), limit_secs
        self.building: Params = {}
        self.best_params: Params = {}  # `params` is the attribute of Keras
        self.weights: list[NDArray[np.float32]] = []
        self.val_loss = math.inf

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # KerasTuner copies callbacks for every trial; this one goes through all of them

    @property
    def elapsed_secs(self) -> float:
        """Since the search began."""
        return time.monotonic() - self._begun

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Compare with the best so far; then look at the clock."""
        if logs["val_nll"] < self.val_loss:
            self.val_loss, self.best_params = logs["val_nll"], self.building
            self.weights = self.model.get_weights()
        if self.elapsed_secs > self._limit_secs:
            raise keras_tuner.errors.FatalError(_TIME_IS_OVER)  # the only error that ends a search


def keras_tuner_space(lever: Lever, hp: keras_tuner.HyperParameters) -> float:
    """A lever as KerasTuner declares it, with our start as its default."""
    if lever.scale in (Scale.INTEGER, Scale.LOG2_INTEGER):
        sampling = "log" if lever.scale is Scale.LOG2_INTEGER else "linear"
        return int(hp.Int(lever.name, int(lever.low), int(lever.high), sampling=sampling, default=int(lever.start)))
    if lever.scale is Scale.LINEAR:
        return float(hp.Float(lever.name, lever.low, lever.high, default=lever.start))
    if lever.scale is Scale.LOG10:
        return float(hp.Float(lever.name, lever.low, lever.high, sampling="log", default=lever.start))
    return float(hp.Choice(lever.name, [float(lever.value(x)) for x in lever.grid()], default=float(lever.start)))


def keras_tuner_arm(kind: str, dataset: Dataset, seed: int, limit_secs: float) -> Searched:
    """One of KerasTuner's tuners, with its own training, until the time is over."""
    keeper = KeepBest(limit_secs)

    def build(hp: keras_tuner.HyperParameters) -> keras.Model:
        params = {lever.name: keras_tuner_space(lever, hp) for lever in mlp_space().levers}
        keeper.building = params
        model = build_mlp(params, input_format(dataset), dataset.n_classes, seed)
        rate = learning_rate(params["units"], params["learning_rate_scale"])
        nll = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        clean = keras.metrics.SparseCategoricalCrossentropy(name="nll", from_logits=True)  # without the L2 term
        model.compile(keras.optimizers.Adam(rate), nll, metrics=[clean])
        return model

    stop = keras.callbacks.EarlyStopping("val_nll", patience=StopRule().patience, mode="min")
    with tempfile.TemporaryDirectory() as folder:
        tuner = _TUNERS[kind](build, folder, seed)
        try:
            tuner.search(
                dataset.train.inputs,
                dataset.train.labels,
                batch_size=default_batch_size(len(dataset.train.labels)),
                epochs=MAX_EPOCHS,
                validation_data=(dataset.validation.inputs, dataset.validation.labels),
                callbacks=[stop, keeper],
                verbose=0,
            )
        except keras_tuner.errors.FatalError as error:
            if str(error) != _TIME_IS_OVER:
                raise
    model = build_mlp(keeper.best_params, input_format(dataset), dataset.n_classes, seed)
    model.set_weights(keeper.weights)
    return Searched(model, keeper.best_params, keeper.val_loss, len(tuner.oracle.trials), keeper.elapsed_secs)


_GOAL = keras_tuner.Objective("val_nll", "min")
_UNLIMITED = 10_000
_TUNERS: dict[str, Callable[[Callable[..., keras.Model], str, int], keras_tuner.Tuner]] = {
    "BayesianOptimization": lambda build, folder, seed: keras_tuner.BayesianOptimization(
        build, _GOAL, max_trials=_UNLIMITED, seed=seed, directory=folder
    ),
    "Hyperband": lambda build, folder, seed: keras_tuner.Hyperband(
        build, _GOAL, max_epochs=MAX_EPOCHS, hyperband_iterations=_UNLIMITED, seed=seed, directory=folder
    ),
}


def tested(model: keras.Model, test: Examples) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Loss in nats, and whether the decision is wrong, of every test example: plain Keras and numpy."""
    logits = np.asarray(model.predict(test.inputs, verbose=0), np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(test)), test.labels]
    return losses, logits.argmax(axis=1) != test.labels
