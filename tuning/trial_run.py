"""One trial, from configuration to value: suggest, build, train, report, diagnose, record. The study's objective.

A trial always ends in one of the outcomes of `Outcome`, with a reason, and never ends the study: what a configuration
does wrong is evidence about the configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import optuna
import tensorflow as tf
from optuna.study import Study
from optuna.trial import Trial, TrialState

from models.mlp import InputFormat, build_mlp
from search_spaces import Params, SearchSpace, learning_rate
from tuning.data import Dataset
from tuning.engine.metrics import EpochMetrics
from tuning.engine.training import Diverged, Engine, TrainedModel, TrainingPlan
from tuning.settings import Objective, Settings
from tuning.strategy.diagnosis import FitDiagnosis, LearningCurves, diagnose
from tuning.strategy.history import Outcome
from tuning.trial_attrs import CROSSED_BORDER, FIT_STATE, OUTCOME, OUTCOME_REASON, VALUE_STDERR, decision_of, seed_index
from tuning.weights import WeightStore
from tuning.workers import WORKER, Worker


class TrialView(Protocol):
    """Who watches a trial while it runs."""

    def started(self, number: int, params: Mapping[str, float], decision: Mapping[str, Any]) -> None:
        """The configuration is decided; training begins."""

    def epoch(self, number: int, metrics: EpochMetrics) -> None:
        """An epoch (1-based) is over."""


@dataclass(frozen=True)
class TrialRunner:
    """Runs trials of the MLP on one data set."""

    study: Study
    space: SearchSpace
    dataset: Dataset
    engine: Engine
    settings: Settings
    weights: WeightStore
    worker: Worker

    def run(self, view: TrialView) -> int:
        """Ask for a configuration, try it, and tell the study; returns the trial's number."""
        trial = self.study.ask(self.space.distributions())
        trial.set_user_attr(WORKER, self.worker.as_attr())
        try:
            decision = decision_of(self.study.get_trials(deepcopy=False)[trial.number])
            view.started(trial.number, trial.params, decision)
            value = self._train(trial, trial.params, view)
        except KeyboardInterrupt:
            self._end(trial, Outcome.KILLED, "interrupted by Ctrl-C", TrialState.FAIL)
            raise
        except optuna.TrialPruned as pruned:
            self._end(trial, Outcome.PRUNED, str(pruned), TrialState.PRUNED)
        except Diverged as diverged:
            self._end(trial, Outcome.DIVERGED, str(diverged), TrialState.FAIL)
        except (MemoryError, tf.errors.ResourceExhaustedError) as error:
            self._end(trial, Outcome.OUT_OF_MEMORY, f"not enough memory ({type(error).__name__})", TrialState.FAIL)
        except Exception as error:  # the user's model may fail in any way on some configuration
            self._end(trial, Outcome.FAILED, f"{type(error).__name__}: {error}", TrialState.FAIL)
        else:
            self._end(trial, Outcome.COMPLETE, "", TrialState.COMPLETE, value)
        return trial.number

    def _train(self, trial: Trial, params: Params, view: TrialView) -> float:
        goal, rate = self.settings.goal, learning_rate(params["units"], params["learning_rate_scale"])

        def report(epoch: int, metrics: EpochMetrics) -> None:
            view.epoch(epoch, metrics)
            trial.report(goal.value(getattr(metrics, goal.metric)), epoch)
            if trial.should_prune():
                raise optuna.TrialPruned(f"at epoch {epoch} its curve could not catch up with the best trial's")

        # The first run of every configuration has the same seed, and so has the second: what two configurations share
        # of their luck cancels in the comparison.
        seed = self.settings.seed + seed_index(trial)
        model = build_mlp(params, input_format(self.dataset), self.dataset.n_classes, seed)
        plan = TrainingPlan(rate, seed, self.settings.max_epochs, goal.metric)
        trained = self.engine.train(model, plan, report)
        diagnosis = diagnose(learning_curves(trained, self.dataset.n_classes, self.engine.n_train_sample))
        value = goal.value(getattr(trained.best, goal.metric))
        _record(trial, trained, diagnosis, plan, value_stderr(trained, goal, self.engine.n_val))
        self.weights.keep(trial.number, model)
        return value

    def _end(self, trial: Trial, outcome: Outcome, why: str, state: TrialState, value: float | None = None) -> None:
        trial.set_user_attr(OUTCOME, outcome.value)
        trial.set_user_attr(OUTCOME_REASON, why)
        # A pruned trial's last report would be taken for its value if none were given: that is Optuna's convention.
        self.study.tell(trial, values=value, state=state)


def input_format(dataset: Dataset) -> InputFormat:
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
        n_val=len(trained.val_logits),
        val_loss_sd=trained.best.val_loss_sd,
        val_loss_rise_stderr=trained.val_loss_rise_stderr,
    )


def value_stderr(trained: TrainedModel, goal: Objective, n_val: int) -> float:
    """Standard error of a trial's value on the validation examples."""
    if goal.metric == "val_error":
        error = trained.best.val_error
        # One error more or less: a perfect score on n examples is no proof of a perfect model.
        return float(np.sqrt(max(error * (1 - error), 1 / n_val) / n_val))
    return trained.best.val_loss_sd / float(np.sqrt(n_val))


def _record(trial: Trial, trained: TrainedModel, diagnosis: FitDiagnosis, plan: TrainingPlan, stderr: float) -> None:
    """Write what the trial found while it can still be written: a finished trial is immutable."""
    fields = EpochMetrics.__dataclass_fields__
    curves = {name: [float(f"{getattr(epoch, name):.6g}") for epoch in trained.epochs] for name in fields}
    attrs = {
        FIT_STATE: diagnosis.state.value,
        CROSSED_BORDER: diagnosis.crossed_border,
        VALUE_STDERR: stderr,
        "diagnosis": {"sentence": diagnosis.sentence, "numbers": dict(diagnosis.numbers)},
        "curves": curves,
        "best_epoch": trained.best_epoch,
        "n_params": int(trained.model.count_params()),
        "learning_rate": plan.learning_rate,
        "seed": plan.seed,
        "stop_reason": trained.stop_reason,
        "train_secs": round(trained.train_secs, 3),
    }
    for name, value in attrs.items():
        trial.set_user_attr(name, value)
