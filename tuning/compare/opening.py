"""One study of a comparison, opened: everything that can be wrong is checked before anything is created."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing.context import BaseContext

from optuna.study import Study
from optuna.trial import FrozenTrial

from search_spaces import SearchSpace
from tuning.callbacks import TrialCallback
from tuning.compare.engines import OURS, EngineChoice
from tuning.compare.plan import ComparePlan
from tuning.compare.sampler import ConfirmedSampler, ranked_by_value
from tuning.dashboard_notes import NoteCallback
from tuning.data import Dataset, load_dataset
from tuning.model_choice import ModelChoice
from tuning.opening import fingerprint_of, place_of
from tuning.settings import Settings
from tuning.strategy.policy import leader_of
from tuning.study_model import keep_model
from tuning.study_store import DATA_ARGUMENT, close_killed, data_argument, open_study
from tuning.task import Task
from tuning.tracking.mirror import PLACE, Mirror, Place, open_mirror
from tuning.trial_attrs import history_of
from tuning.weights import WeightStore
from tuning.workers import Worker

# A sampler that is resumed must not begin its random numbers again.
_SEEDS_APART = 10_007


@dataclass(frozen=True)
class ComparedStudy:
    """Everything that one running study of a comparison holds."""

    plan: ComparePlan
    engine: EngineChoice
    repeat: int
    settings: Settings
    dataset: Dataset
    model: ModelChoice
    study: Study
    weights: WeightStore
    mirror: Mirror
    sampler: ConfirmedSampler
    callbacks: tuple[TrialCallback, ...]
    context: BaseContext | None = None

    @property
    def space(self) -> SearchSpace:
        """The levers of the model."""
        return self.model.space

    def rank(self, trials: Sequence[FrozenTrial]) -> int | None:
        """Which trial the engine would ship after these: this project's strategy judges itself, others by the value."""
        maximize = self.settings.goal.maximize
        if self.engine.name != OURS:
            return next(iter(ranked_by_value(trials, maximize=maximize)), None)
        history = history_of(list(trials), self.space, maximize=maximize)
        leader = leader_of(history, self.engine.plan(self.plan.budget, self.settings.seed))
        return None if leader is None else leader.configuration.first_complete


def loaded(settings: Settings) -> Dataset:
    """The data of a repeat, its test set sealed."""
    told = Task(settings.task) if settings.task else None
    return load_dataset(settings.data, seed=settings.seed, environ=os.environ, task=told)


def open_compared(plan: ComparePlan, engine: EngineChoice, repeat: int, model: ModelChoice) -> ComparedStudy:
    """Open one study.

    Raises:
        SearchError: If it exists with other settings, or a store cannot be used.
    """
    settings = plan.study_settings(engine, repeat)
    dataset, here = loaded(settings), Worker.this()
    fingerprint = {**fingerprint_of(settings, dataset, model), "sampler": engine.name, **plan.facts()}
    study = open_study(settings, _sampler(plan, engine, settings, model.space), fingerprint)
    study.sampler = sampler = _sampler(plan, engine, settings, model.space, n_done=len(study.trials))
    study.set_user_attr(DATA_ARGUMENT, data_argument(settings.data) or dataset.name)
    keep_model(study, model, settings.study_dir)
    place = study_place(plan, engine, repeat, dataset, model.space)
    study.set_user_attr(PLACE, place.as_dict())
    mirror = open_mirror(study, place, settings.goal, settings.root)
    close_killed(study, here)
    mirror.catch_up()
    if not study.trials and engine.begins_at_start:
        study.enqueue_trial(model.space.start())
    notes = NoteCallback(settings.goal.name)
    notes.catch_up(study)
    weights = WeightStore(settings.study_dir / "weights", keeps_all=True)
    return ComparedStudy(plan, engine, repeat, settings, dataset, model, study, weights, mirror, sampler, (notes,))


def study_place(plan: ComparePlan, engine: EngineChoice, repeat: int, dataset: Dataset, space: SearchSpace) -> Place:
    """Where MLflow shows a study: with its engine, and of which comparison it is."""
    place = place_of(plan.study_settings(engine, repeat), dataset, space)
    params = {"sampler": engine.name, "comparison": plan.name, "repeat": repeat + 1}
    return replace(place, params={**place.params, **params})


def _sampler(
    plan: ComparePlan, engine: EngineChoice, settings: Settings, space: SearchSpace, n_done: int = 0
) -> ConfirmedSampler:
    seed = settings.seed if engine.name == OURS else settings.seed + _SEEDS_APART * n_done
    inner = engine.sampler(space, plan.budget, seed, settings.goal.name)
    return ConfirmedSampler(inner, space, plan.budget, engine.reason)
