"""Before the first trial: check everything that can be wrong, then create what is missing."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from optuna.study import Study

from models.pretrained import BaselineError, PretrainedBaseline, applies_to, load_baseline
from search_spaces import SearchSpace, mlp_space
from tuning.data import Dataset
from tuning.engine.training import Engine
from tuning.errors import SettingsError
from tuning.exporting import check_target
from tuning.mirror import Mirror
from tuning.sampler import OverfitBackoffSampler
from tuning.settings import Settings
from tuning.study_store import DATA_ARGUMENT, close_killed, open_study
from tuning.tracking import DatasetFacts, Store, Tracker
from tuning.tracking_store import check as check_store
from tuning.weights import WeightStore
from tuning.workers import Worker


@dataclass(frozen=True)
class Search:
    """Everything that a running search holds."""

    settings: Settings
    dataset: Dataset
    space: SearchSpace
    baseline: PretrainedBaseline | None
    study: Study
    engine: Engine
    weights: WeightStore
    mirror: Mirror
    sampler: OverfitBackoffSampler


def open_search(settings: Settings, dataset: Dataset) -> Search:
    """Check everything that can be wrong, then create what is missing.

    Raises:
        SearchError: Before anything is written.
    """
    check_target(settings.export_folder)
    check_store(_store(settings))
    baseline = _load_baseline(settings, dataset)
    space = mlp_space()
    is_timed = settings.timeout_secs is not None
    sampler = OverfitBackoffSampler(
        space, settings.seed, settings.goal.name, n_trials=settings.n_trials, is_timed=is_timed
    )
    fingerprint = {
        "data": dataset.name,
        "data digest": dataset.digest,
        "space": space.fingerprint(),
        "objective": settings.objective,
        "epochs": settings.max_epochs,
        "seed": settings.seed,
    }
    study = open_study(settings, sampler, fingerprint)
    study.set_user_attr(
        DATA_ARGUMENT,
        str(Path(settings.data).absolute()) if settings.data and Path(settings.data).is_file() else dataset.name,
    )
    tracker = _open_tracker(settings, dataset)
    mirror = Mirror(tracker, study, settings.goal)
    close_killed(study, Worker.this())
    mirror.catch_up()
    engine = Engine(dataset.train.inputs, dataset.train.labels, dataset.validation.inputs, dataset.validation.labels)
    weights = WeightStore(settings.study_dir / "weights")
    return Search(settings, dataset, space, baseline, study, engine, weights, mirror, sampler)


def _load_baseline(settings: Settings, dataset: Dataset) -> PretrainedBaseline | None:
    if not applies_to(dataset.input_shape, dataset.n_classes):
        if settings.baseline is not None:
            raise SettingsError(
                f"`--baseline` needs 28x28 images of ten classes, got {dataset.input_shape} with "
                f"{dataset.n_classes} classes: leave it out."
            )
        return None
    try:
        return load_baseline(settings.baseline, cache_dir=Path(tempfile.gettempdir()) / "tfhub_modules")
    except BaselineError as error:
        raise SettingsError(str(error)) from error


def _store(settings: Settings) -> Store:
    uri = settings.tracking_uri or f"sqlite:///{settings.root / 'mlflow.db'}"
    goal = settings.goal
    return Store(uri, settings.root / "mlruns", settings.experiment, f"best_{goal.name}", goal.maximize)


def _open_tracker(settings: Settings, dataset: Dataset) -> Tracker:
    tracker = Tracker(_store(settings), settings.study)
    facts = DatasetFacts(
        dataset.name,
        dataset.digest,
        dataset.source,
        len(dataset.train.labels),
        len(dataset.validation.labels),
        dataset.test.n_examples,
    )
    params: dict[str, str | int] = {
        "objective": settings.objective,
        "epochs": settings.max_epochs,
        "seed": settings.seed,
    }
    tracker.open_study(tags={"objective": settings.objective}, params=params, dataset=facts)
    return tracker
