"""Before the first trial: check everything that can be wrong, then create what is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from multiprocessing.context import BaseContext

from optuna.study import Study

from search_spaces import Role, SearchSpace
from tuning import baseline, processes
from tuning.baseline import BaselineFacts
from tuning.callbacks import TrialCallback
from tuning.dashboard_notes import NoteCallback
from tuning.data import Dataset
from tuning.export.target import check_target
from tuning.model_choice import ModelChoice, choose_model, roles_of
from tuning.sampler import OverfitBackoffSampler
from tuning.settings import Settings, check_objective
from tuning.study_model import keep_model
from tuning.study_store import (
    DATA_ARGUMENT,
    MODEL_SOURCE,
    check_fingerprint,
    data_argument,
    is_others,
    open_study,
)
from tuning.tracking.events import DatasetFacts
from tuning.tracking.mirror import PLACE, Mirror, Place, open_mirror
from tuning.tracking.store import check as check_store
from tuning.weights import WeightStore
from tuning.workers import Worker

Facts = BaselineFacts | None


@dataclass(frozen=True)
class Search:
    """Everything that a running search holds."""

    settings: Settings
    dataset: Dataset
    model: ModelChoice
    baseline: Facts
    study: Study
    weights: WeightStore
    open_mirror: Callable[[], Mirror]
    sampler: OverfitBackoffSampler
    context: BaseContext | None  # how processes are started
    callbacks: tuple[TrialCallback, ...] = ()

    @property
    def space(self) -> SearchSpace:
        """The levers of the model."""
        return self.model.space

    @cached_property
    def mirror(self) -> Mirror:
        """What tells MLflow. Opened when it is first asked for, which takes seconds: while the first trial is trained.

        Raises:
            StorageError: If the store cannot be used after all.
        """
        return self.open_mirror()


def open_search(
    settings: Settings, dataset: Dataset, context: BaseContext | None = None, model: ModelChoice | None = None
) -> Search:
    """Check everything that can be wrong, then create what is missing.

    Args:
        settings: Checked settings.
        dataset: The data.
        context: How processes are started.
        model: What is searched; None for the model that the settings name.

    Raises:
        SearchError: Before anything is written.
    """
    check_objective(settings.goal, dataset.task)
    baseline.check_trust(settings.baseline, is_trusted=settings.trust)
    check_target(settings.export_folder)
    callbacks = _callbacks(settings)
    model = model or chosen_model(settings, dataset, context)
    space = model.space
    place = place_of(settings, dataset, space)
    check_store(place.store(settings.root))
    loading = _loading_baseline(settings, dataset, context)
    sampler = OverfitBackoffSampler(
        space,
        settings.seed,
        settings.goal.name,
        n_trials=settings.n_trials,
        is_timed=settings.timeout_secs is not None,
        target=settings.target,
        shrink=settings.shrink,
    )
    fingerprint, here = fingerprint_of(settings, dataset, model), Worker.this()
    study = open_study(settings, sampler, fingerprint)
    study.set_user_attr(DATA_ARGUMENT, data_argument(settings.data) or dataset.name)
    keep_model(study, model, settings.study_dir)
    study.set_user_attr(PLACE, place.as_dict())
    mirror = partial(open_mirror, study, place, settings.goal, settings.root, lambda trial: not is_others(trial, here))
    weights = WeightStore(settings.study_dir / "weights")
    facts = loading()
    check_fingerprint(study, fingerprint)
    return Search(settings, dataset, model, facts, study, weights, mirror, sampler, context, callbacks)


def _callbacks(settings: Settings) -> tuple[TrialCallback, ...]:
    """Who else is told of every trial that has ended."""
    notes = NoteCallback(settings.goal.name)
    if settings.tensorboard is None:
        return (notes,)
    from tuning.tensorboard_log import TensorBoardCallback  # one of its files imports tensorboard

    return notes, TensorBoardCallback(settings.root / settings.tensorboard, settings.goal.name)


def chosen_model(settings: Settings, dataset: Dataset, context: BaseContext | None = None) -> ModelChoice:
    """The model that the settings name."""
    return choose_model(
        settings.model,
        dataset.input_shape,
        space_file=settings.space,
        roles=roles_of(settings.roles),
        folder=settings.root,
        context=context,
    )


def _loading_baseline(settings: Settings, dataset: Dataset, context: BaseContext | None) -> Callable[[], Facts]:
    """Begin to load the baseline, which needs TensorFlow, in another process; gives its facts when it is called.

    One that the user named is waited for, because it may be unusable; in the place of another one the stand-in comes.
    """
    if not baseline.applies(settings.baseline, dataset):
        return lambda: None
    answer = processes.call("tuning.baseline", "facts", settings.baseline, context=context)
    if settings.baseline is None:
        return answer.result
    facts: BaselineFacts = answer.result()
    return lambda: facts


def fingerprint_of(settings: Settings, dataset: Dataset, model: ModelChoice) -> dict[str, object]:
    """What makes the trials of a study comparable."""
    return {
        "data": dataset.name,
        "data digest": dataset.digest,
        "space": model.space.fingerprint(),
        "objective": settings.objective,
        "epochs": settings.max_epochs,
        "seed": settings.seed,
        # None where the default holds, so that studies from before these settings are resumed as they were.
        "model": model.reference if model.is_own else None,
        "batch size": settings.batch_size,
        "precision": None if settings.precision == "auto" else settings.precision,
        "task": settings.task,
        MODEL_SOURCE: model.source,
    }


def place_of(settings: Settings, dataset: Dataset, space: SearchSpace) -> Place:
    """Where MLflow is to show the study, and what it is told of it."""
    facts = DatasetFacts(
        dataset.name,
        dataset.digest,
        dataset.source,
        len(dataset.train.labels),
        len(dataset.validation.labels),
        dataset.test.n_examples,
    )
    return Place(
        tracking_uri=settings.tracking_uri,
        experiment=settings.experiment,
        objective=settings.objective,
        greater_is_better=settings.goal.maximize,
        params={"objective": settings.objective, "epochs": settings.max_epochs, "seed": settings.seed},
        levers=[lever.name for lever in space.levers if lever.role is not Role.NUISANCE],
        dataset=asdict(facts),
    )


def notes(search: Search) -> tuple[str, ...]:
    """What to know when the result is read, a sentence each."""
    noted = (*search.dataset.notes, *search.model.notes)
    if search.baseline is None:
        return (*noted, "no pretrained baseline: it needs 28x28 images of ten classes")
    return (*noted, *search.baseline.sentences())
