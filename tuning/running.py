"""What the loop of a study needs, and what it asks of whom: a single search and a study of a comparison both fit."""

from __future__ import annotations

from collections.abc import Mapping
from multiprocessing.context import BaseContext
from typing import Any, Protocol

from optuna.study import Study
from optuna.trial import FrozenTrial

from search_spaces import SearchSpace, Value
from tuning.callbacks import TrialCallback
from tuning.data import Dataset
from tuning.engine.metrics import EpochMetrics
from tuning.model_choice import ModelChoice
from tuning.settings import Settings
from tuning.strategy.actions import Action
from tuning.strategy.shrink import Smaller
from tuning.tracking.mirror import Mirror
from tuning.weights import WeightStore


class Decider(Protocol):
    """What the loop asks of a study's sampler."""

    def next_action(self, study: Study) -> Action | None:
        """A `Stop` where nothing is left to try."""

    def ranking(self, study: Study) -> list[int]:
        """Numbers of the trials that may be shipped, best first."""

    def smallest(self, study: Study) -> Smaller | None:
        """The smallest network that is worth shipping, if one was looked for."""


class Running(Protocol):
    """What the loop needs of a search: `tuning.opening.Search`, or one study of a comparison."""

    @property
    def settings(self) -> Settings:
        """Of the study."""

    @property
    def dataset(self) -> Dataset:
        """What is learned; its test part stays sealed."""

    @property
    def model(self) -> ModelChoice:
        """What is searched."""

    @property
    def space(self) -> SearchSpace:
        """Its levers."""

    @property
    def study(self) -> Study:
        """Where the trials are."""

    @property
    def weights(self) -> WeightStore:
        """Where the weights of trials are kept."""

    @property
    def mirror(self) -> Mirror:
        """What tells MLflow."""

    @property
    def sampler(self) -> Decider:
        """Who decides."""

    @property
    def context(self) -> BaseContext | None:
        """How processes are started; None for the best way of this system."""

    @property
    def callbacks(self) -> tuple[TrialCallback, ...]:
        """Who else is told of every trial that has ended."""


class View(Protocol):
    """Who watches the loop."""

    def say(self, line: str) -> None:
        """Take one line."""

    def resume(self, n_counted: int) -> None:
        """Hear how many trials there are already."""

    def started(self, number: int, params: Mapping[str, Value], decision: Mapping[str, Any]) -> None:
        """Hear what is tried, and why."""

    def epoch(self, number: int, epoch: int, metrics: EpochMetrics) -> None:
        """Hear of an epoch."""

    def ended(self, trial: FrozenTrial, best: FrozenTrial | None) -> None:
        """Hear how a trial ended."""
