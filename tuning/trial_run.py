"""One trial's training, from configuration to value: build, train, report, diagnose. What a worker process does.

A trial always ends in one of the outcomes of `Outcome`, with a reason, and never ends the study: what a configuration
does wrong is evidence about the configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import tensorflow as tf

from models.mlp import InputFormat, build_mlp
from search_spaces import learning_rate
from tuning.data import Dataset, TrainingData
from tuning.engine.metrics import EpochMetrics, value_stderr
from tuning.engine.training import Diverged, Engine, TrainedModel, TrainingPlan
from tuning.errors import is_disk_full
from tuning.network_size import TooLarge, check_size
from tuning.settings import Settings
from tuning.strategy.diagnosis import FitDiagnosis, LearningCurves, diagnose
from tuning.strategy.history import Outcome
from tuning.trial_attrs import CROSSED_BORDER, FIT_STATE, VALUE_STDERR
from tuning.trial_job import EpochReport, TrialEnd, TrialJob
from tuning.weights import WeightStore

# Who watches a trial: told of every epoch, answers with a reason to prune the trial or with nothing.
Watcher = Callable[[EpochReport], str]


class Pruned(Exception):
    """Who watches the trial has seen enough; the message says why."""


@dataclass(frozen=True)
class TrialRunner:
    """Runs trials of the MLP on one data set."""

    data: TrainingData
    engine: Engine
    settings: Settings
    weights: WeightStore

    def run(self, job: TrialJob, watch: Watcher) -> TrialEnd:
        """Train a configuration to its end, whatever the end is."""
        so_far = _SoFar()
        try:
            return self._train(job, watch, so_far)
        except Pruned as pruned:
            outcome, reason = Outcome.PRUNED, str(pruned)
        except Diverged as diverged:
            outcome, reason = Outcome.DIVERGED, str(diverged)
        except TooLarge as too_large:
            outcome, reason = Outcome.INFEASIBLE, str(too_large)
        except Exception as error:  # the user's model may fail in any way on some configuration
            outcome, reason = _failure(error)
        return TrialEnd(job.number, outcome, reason, attrs=so_far.as_attrs())

    def _train(self, job: TrialJob, watch: Watcher, so_far: _SoFar) -> TrialEnd:
        params, goal = job.params, self.settings.goal
        rate = learning_rate(params["units"], params["learning_rate_scale"])

        def report(epoch: int, metrics: EpochMetrics) -> None:
            why = watch(EpochReport(job.number, epoch, metrics))
            so_far.epochs.append(metrics)
            if why:
                raise Pruned(why)

        # The first run of every configuration has the same seed, and so has the second: what two configurations share
        # of their luck cancels in the comparison.
        seed = self.settings.seed + job.seed_index
        so_far.facts |= {"learning_rate": rate, "seed": seed}
        build = partial(build_mlp, params, input_format(self.data), self.data.n_classes, seed)
        check_size(build, self.settings.max_params, self.settings.memory_limit_mb)
        model = build()
        so_far.facts["n_params"] = int(model.count_params())
        batch_size, precision = self.settings.batch_size, self.settings.precision
        plan = TrainingPlan(rate, seed, self.settings.max_epochs, goal.metric, batch_size, precision=precision)
        trained = self.engine.train(model, plan, report)
        diagnosis = diagnose(learning_curves(trained, self.data.n_classes, self.engine.n_train_sample))
        self.weights.write(job.number, model)
        stderr = value_stderr(trained.best, goal.metric, self.engine.n_val)
        attrs = so_far.facts | _findings(trained, diagnosis, stderr)
        return TrialEnd(job.number, Outcome.COMPLETE, "", goal.value(getattr(trained.best, goal.metric)), attrs)


def _failure(error: Exception) -> tuple[Outcome, str]:
    """What an exception says of the configuration, and in words; a full disk says nothing of it."""
    if is_disk_full(error):
        return Outcome.KILLED, f"{error}: make room, and resume the study with the same command"
    if isinstance(error, (MemoryError, tf.errors.ResourceExhaustedError)):
        return Outcome.OUT_OF_MEMORY, f"not enough memory ({type(error).__name__})"
    return Outcome.FAILED, f"{type(error).__name__}: {error}"


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
        "train_secs": round(trained.train_secs, 3),
    }
