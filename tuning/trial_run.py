"""One trial's training, from configuration to value: build, train, report, diagnose. What a worker process does.

A trial always ends in one of the outcomes of `Outcome`, with a reason, and never ends the study: what a configuration
does wrong is evidence about the configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from models.family import Family
from models.inputs import InputFormat
from models.mlp import mlp_family
from models.own_model import UnfitModel, takes_one_hot
from search_spaces import Params, SearchSpace
from tuning.data import Dataset, TrainingData
from tuning.engine.metrics import EpochMetrics, value_stderr
from tuning.engine.plan import learning_rate_of
from tuning.engine.training import Diverged, Engine, TrainedModel, TrainingPlan
from tuning.errors import is_disk_full
from tuning.network_size import TooLarge, check_size
from tuning.result import Shipped
from tuning.settings import Settings
from tuning.strategy.diagnosis import FitDiagnosis, diagnose
from tuning.strategy.example_losses import ExampleLosses
from tuning.strategy.learning_curves import LearningCurves
from tuning.strategy.records import Outcome
from tuning.task import Task
from tuning.trial_attrs import CROSSED_BORDER, EXAMPLE_LOSSES, FIT_STATE, TASK, TRAIN_SECS, VALUE_STDERR
from tuning.trial_job import EpochReport, TrialEnd, TrialJob
from tuning.units import in_target_units
from tuning.user_code import told
from tuning.weights import WeightStore

# Who watches a trial: told of every epoch, answers with a reason to prune the trial or with nothing.
Watcher = Callable[[EpochReport], str]

# Enough to tell a model that never works from one that fails on its first configuration.
_N_OTHERS = 3
_BY_THE_MODEL = (Outcome.FAILED, Outcome.DIVERGED)


class Pruned(Exception):
    """Who watches the trial has seen enough; the message says why."""


@dataclass(frozen=True)
class TrialRunner:
    """Runs trials of one family on one data set."""

    data: TrainingData
    engine: Engine
    settings: Settings
    weights: WeightStore
    family: Family = field(default_factory=mlp_family)

    def run(self, job: TrialJob, watch: Watcher) -> TrialEnd:
        """Train a configuration to its end, whatever the end is."""
        so_far, why_hopeless = _SoFar(), ""
        try:
            return self._train(job, watch, so_far)
        except Pruned as pruned:
            outcome, reason = Outcome.PRUNED, str(pruned)
        except Exception as error:  # the user's model may fail in any way on some configuration
            outcome, reason = _ending(error)
            if outcome is Outcome.FAILED:
                so_far.facts["traceback"] = told(error)
            if job.is_unproven and outcome in _BY_THE_MODEL and self._fails_everywhere(job.params):
                why_hopeless = f"{self.family.name} fails on every configuration that was tried: {_own_words(error)}"
        return TrialEnd(job.number, outcome, reason, attrs=so_far.as_attrs(), why_hopeless=why_hopeless)

    def train(self, params: Params, seed: int) -> TrainedModel:
        """Train a configuration as a trial does, unwatched.

        Raises:
            Exception: Whatever a user's model may raise.
        """
        model = self._built(params, seed)
        return self._engine_of(model).train(model, self._plan(model, params, seed, self.settings.max_epochs))

    def train_again(self, shipped: Shipped) -> tuple[str, ...]:
        """Train a trial once more with its seed where its weights were not kept; what to note then.

        Only the repeats of the confirmation may show which of hundreds of configurations is the best.
        """
        if self.weights.has(shipped.number):
            return ()
        trained = self.train(dict(shipped.params), shipped.seed)
        self.weights.write(shipped.number, trained.model)
        return (f"trial {shipped.number} was trained again with its seed: its weights had not been kept",)

    def _fails_everywhere(self, params: Params) -> bool:
        """Whether an epoch of other configurations fails too: the smallest ones, and a few at random."""
        for other in _others(self.family.space, params, self.settings.seed):
            try:
                model = self._built(other, self.settings.seed)
                self._engine_of(model).train(model, self._plan(model, other, self.settings.seed, max_epochs=1))
            except Exception:
                continue
            return False
        return True

    def _train(self, job: TrialJob, watch: Watcher, so_far: _SoFar) -> TrialEnd:
        goal = self.settings.goal

        def report(epoch: int, metrics: EpochMetrics) -> None:
            why = watch(EpochReport(job.number, epoch, metrics))
            so_far.epochs.append(metrics)
            if why:
                raise Pruned(why)

        # The first run of every configuration has the same seed, and so has the second: what two configurations share
        # of their luck cancels in the comparison.
        seed = self.settings.seed + job.seed_index
        so_far.facts["seed"] = seed
        if self.data.task is not Task.MULTICLASS:
            so_far.facts[TASK] = self.data.task.value
        build = partial(self._built, job.params, seed)
        check_size(build, self.settings.max_params, self.settings.memory_limit_mb)
        model = build()
        plan = self._plan(model, job.params, seed, self.settings.max_epochs)
        so_far.facts |= {"learning_rate": learning_rate_of(plan, model), "n_params": int(model.count_params())}
        trained = self._engine_of(model).train(model, plan, report)
        diagnosis = diagnose(learning_curves(trained, self.data.n_classes, self.engine.n_train_sample))
        self.weights.write(job.number, model)
        stderr = value_stderr(trained.best, goal.metric, self.engine.n_val)
        attrs = so_far.facts | _findings(trained, diagnosis, stderr)
        if examples := ExampleLosses.of(trained.val.costs(goal.metric)):
            attrs[EXAMPLE_LOSSES] = examples.as_attr()
        return TrialEnd(job.number, Outcome.COMPLETE, "", goal.value(getattr(trained.best, goal.metric)), attrs)

    def _built(self, params: Params, seed: int) -> keras.Model:
        model = self.family.build(params, input_format(self.data), self.data.n_outputs, seed)
        return in_target_units(model, self.data)

    def _plan(self, model: keras.Model, params: Params, seed: int, max_epochs: int) -> TrainingPlan:
        """A model that is compiled has its own learning rate; a lever called `batch_size` sets that of any model."""
        settings = self.settings
        rate = None if model.compiled else self.family.learning_rate(params)
        batch_size = int(params["batch_size"]) if "batch_size" in params else settings.batch_size
        return TrainingPlan(rate, seed, max_epochs, settings.goal.metric, batch_size, precision=settings.precision)

    def _engine_of(self, model: keras.Model) -> Engine:
        """The engine whose labels are what the model's loss takes."""
        return self._one_hot_engine if takes_one_hot(model) else self.engine

    @cached_property
    def _one_hot_engine(self) -> Engine:
        return one_hot_engine(self.data)


def one_hot_engine(data: TrainingData) -> Engine:
    """The engine for models whose loss takes one-hot labels."""
    train, val, eye = data.train, data.validation, np.eye(data.n_classes, dtype=np.float32)
    return Engine(train.inputs, eye[train.labels], val.inputs, eye[val.labels])


def _ending(error: Exception) -> tuple[Outcome, str]:
    """What an exception says of the configuration, and in words; a full disk says nothing of it."""
    if isinstance(error, Diverged):
        return Outcome.DIVERGED, str(error)
    if isinstance(error, TooLarge):
        return Outcome.INFEASIBLE, str(error)
    if is_disk_full(error):
        return Outcome.KILLED, f"{error}: make room, and resume the study with the same command"
    if isinstance(error, (MemoryError, tf.errors.ResourceExhaustedError)):
        return Outcome.OUT_OF_MEMORY, f"not enough memory ({type(error).__name__})"
    return Outcome.FAILED, str(error) if isinstance(error, UnfitModel) else f"{type(error).__name__}: {error}"


def _own_words(error: Exception) -> str:
    """An error of the user's with its traceback; one of ours in a sentence."""
    if isinstance(error, Diverged):
        return f"{error}. Is the data scaled, and does the loss suit the model's outputs?"
    return f"{error}." if isinstance(error, UnfitModel) else f"\n{told(error)}"


def _others(space: SearchSpace, params: Params, seed: int) -> list[Params]:
    """A few configurations that have little in common with this one."""
    rng = np.random.default_rng(seed)
    lowest = tuple(lever.bottom for lever in space.levers)
    drawn = [tuple(float(rng.choice(lever.grid())) for lever in space.levers) for _ in range(_N_OTHERS)]
    configurations = [space.params(space.snap(point)) for point in (lowest, *drawn)]
    return [other for other in configurations if other != params]


def input_format(dataset: Dataset | TrainingData) -> InputFormat:
    """How the data set's raw inputs look and are scaled."""
    scaling = dataset.scaling
    return InputFormat(dataset.input_shape, str(dataset.train.inputs.dtype), scaling.offset, scaling.scale)


def learning_curves(trained: TrainedModel, n_classes: int, n_train: int) -> LearningCurves:
    """The curves of a training as the diagnosis reads them."""
    epochs = trained.epochs
    return LearningCurves(
        train_loss=tuple(epoch.train_loss for epoch in epochs),
        train_error=tuple(epoch.train_error for epoch in epochs),
        val_loss=tuple(epoch.val_loss for epoch in epochs),
        val_error=tuple(epoch.val_error for epoch in epochs),
        n_classes=n_classes,
        n_train=n_train,
        n_val=len(trained.val.losses),
        val_loss_sd=trained.best.val_loss_sd,
        val_loss_rise_stderr=trained.val_loss_rise_stderr,
    )


@dataclass
class _SoFar:
    """What is known of a trial so far, for one that does not get to its end."""

    facts: dict[str, Any] = field(default_factory=dict)
    epochs: list[EpochMetrics] = field(default_factory=list)

    def as_attrs(self) -> dict[str, Any]:
        """As user attributes."""
        return {**self.facts, "curves": _curves(self.epochs)} if self.epochs else self.facts


def _curves(epochs: Sequence[EpochMetrics]) -> dict[str, list[float]]:
    fields = EpochMetrics.__dataclass_fields__
    return {name: [float(f"{getattr(epoch, name):.6g}") for epoch in epochs] for name in fields}


def _findings(trained: TrainedModel, diagnosis: FitDiagnosis, stderr: float) -> dict[str, Any]:
    """What the trial found, as user attributes."""
    return {
        FIT_STATE: diagnosis.state.value,
        CROSSED_BORDER: diagnosis.crossed_border,
        VALUE_STDERR: stderr,
        "diagnosis": {"sentence": diagnosis.sentence, "numbers": dict(diagnosis.numbers)},
        "curves": _curves(trained.epochs),
        "best_epoch": trained.best_epoch,
        "trained_by": trained.trained_by,
        "stop_reason": trained.stop_reason,
        TRAIN_SECS: round(trained.train_secs, 3),
    }
