"""An Optuna study whose trials the project's engine trains, in this process: without MLflow, console and workers."""

from __future__ import annotations

import time

import keras
import optuna
from optuna.samplers import BaseSampler

from models.mlp import build_mlp
from search_spaces import mlp_space
from tuning.data import Dataset
from tuning.engine.training import Engine
from tuning.pruner import CatchUpPruner
from tuning.sampler import OverfitBackoffSampler
from tuning.settings import Settings
from tuning.strategy.policy import Stop
from tuning.trial_job import EpochReport
from tuning.trial_run import TrialRunner, input_format
from tuning.trials import RunningTrials
from tuning.weights import WeightStore
from tuning.workers import Worker

_TIME_IS_OVER = "the time is over"


class EngineStudy:
    """A study on one data set, with the engine, the stop rule and the pruner of a search.

    Args:
        dataset: What is learned.
        settings: Of the search; its root holds the weights.
        sampler: Who suggests.
        limit_secs: When `is_over`, from now on.
    """

    def __init__(self, dataset: Dataset, settings: Settings, sampler: BaseSampler, limit_secs: float) -> None:
        self._begun, self._limit_secs = time.monotonic(), limit_secs
        self.dataset, self.settings = dataset, settings
        data, goal = dataset.for_training, settings.goal
        self.engine = Engine(data.train.inputs, data.train.labels, data.validation.inputs, data.validation.labels)
        self._weights = WeightStore(settings.root / "weights")
        self._runner = TrialRunner(data, self.engine, settings, self._weights)
        pruner = CatchUpPruner(settings.max_epochs)
        self.study = optuna.create_study(sampler=sampler, pruner=pruner, direction=goal.direction)
        self._trials = RunningTrials(self.study, mlp_space(), goal, Worker.this(), len(data.validation.labels))

    @property
    def elapsed_secs(self) -> float:
        """Since the study began, building the engine included."""
        return time.monotonic() - self._begun

    @property
    def is_over(self) -> bool:
        """Whether its seconds are spent."""
        return self.elapsed_secs > self._limit_secs

    def run_trial(self) -> None:
        """One trial; it is pruned where the time ends."""

        def watch(report: EpochReport) -> str:
            return self._trials.report(report) or (_TIME_IS_OVER if self.is_over else "")

        self._trials.tell(self._runner.run(self._trials.ask(), watch))

    def run_trials(self, sampler: OverfitBackoffSampler) -> None:
        """Trials of the project's own sampler until the budget is used up or nothing is left to try."""
        while len(self.study.trials) < self.settings.n_trials:
            if isinstance(sampler.next_action(self.study), Stop):
                return
            self.run_trial()

    def model(self, number: int) -> keras.Model:
        """The very weights of a complete trial."""
        params = self.study.trials[number].params
        model = build_mlp(params, input_format(self.dataset), self.dataset.n_classes, self.settings.seed)
        self._weights.load(number, model)
        return model
