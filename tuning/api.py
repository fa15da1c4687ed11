"""A search from Python: `search(build, space, data)`, for whoever does not want the command line.

>>> from tuning.api import search                                       # doctest: +SKIP
>>> result = search(build, "space.toml", (x, y), n_trials=20)           # doctest: +SKIP
>>> result.best_params, result.load_model().predict(x[:1])              # doctest: +SKIP

It is the search of `python -m tuning.search`: the same study on disk, the same MLflow runs, the same sealed test set.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from optuna.study import Study

from search_spaces import SPACES, Params, Role, SearchSpace
from tuning import processes
from tuning.data import Dataset, load_dataset
from tuning.data.dataset import dataset_of
from tuning.data.own import arrays_of
from tuning.data.sources import Source
from tuning.errors import ModelError, SettingsError, StudyError
from tuning.finish import TEXT_FILE
from tuning.model_choice import ModelChoice, choose_model, own_model, space_of_file
from tuning.opening import Search
from tuning.result import RESULT_FILE
from tuning.settings import Settings, check_writable
from tuning.study import run_search
from tuning.task import Task
from tuning.user_source import digest_of_object


@dataclass(frozen=True, eq=False)
class SearchResult:
    """What a search found.

    Args:
        study: The Optuna study with all trials.
        best_trial: Number of the trial whose model was compared and exported.
        best_params: Its configuration.
        best_value: Its value of the objective.
        numbers: All of `result.json`: the compared models on the test set, why the search stopped, notes.
        text: The same as a table and sentences.
        export_folder: Holds `model.keras` and a SavedModel: raw inputs in, probabilities or values out.
    """

    study: Study
    best_trial: int
    best_params: Params
    best_value: float
    numbers: Mapping[str, Any]
    text: str
    export_folder: Path

    def load_model(self) -> Any:  # noqa: ANN401 - a keras.Model
        """The exported Keras model: raw inputs in, probabilities or values out."""
        import keras

        return keras.models.load_model(self.export_folder / "model.keras")


def search(
    build: Any,  # noqa: ANN401 - a function, a KerasTuner HyperModel, or a name
    space: SearchSpace | str | Path | None = None,
    data: Any = None,  # noqa: ANN401 - arrays in any of several forms, or a name
    *,
    n_trials: int = 20,
    study: str | None = None,
    folder: str | Path = ".",
    roles: Mapping[str, Role | str | None] | None = None,
    name: str = "data",
    quiet: bool = True,
    **settings: Any,  # noqa: ANN401 - each checked by Settings
) -> SearchResult:
    """Run or resume a study and return its result.

    Args:
        build: `build(params)` that returns a Keras model, compiled or not; a KerasTuner `build(hp)`, a `HyperModel`
            class or instance; or one of the names that `--model` takes.
        space: Levers of `build(params)`: a `SearchSpace`, or a TOML file. None for a model that has its own.
        data: `(x, y)`, `((x_train, y_train), (x_test, y_test))`, a dict of such arrays, a `tf.data.Dataset`; or what
            `--data` takes.
        n_trials: Trials the study is to have in the end, >= 1.
        study: Its name; an existing one is resumed. None for a fresh name from date and time.
        folder: Where `mlflow.db`, `mlruns/` and `exports/` are.
        roles: Corrections of levers' roles, by name.
        name: What the data is called.
        quiet: Print nothing on the way.
        settings: Whatever else `tuning.settings.Settings` takes: `timeout_secs`, `max_epochs`, `seed`, `objective`,
            `task`, `target`, `shrink`, `n_workers`, `batch_size`, `precision`, `baseline`, `storage`, `experiment`,
            `tracking_uri`, `tensorboard`.

    Returns:
        The result; its models are on disk.

    Raises:
        SearchError: For bad input or unusable surroundings; `ModelError` holds the traceback of a model that fails on
            every configuration.
    """
    root = Path(folder).absolute()
    checked = _settings(root, study, n_trials, quiet, settings)
    check_writable(root)
    processes.warm_up()
    dataset = _dataset(data, name, checked)
    choice = _choice(build, space, _roles(roles or {}), dataset, root)
    return _result(run_search(checked, dataset, model=choice), checked)


def _settings(root: Path, study: str | None, n_trials: int, quiet: bool, others: Mapping[str, Any]) -> Settings:
    known = set(Settings.__dataclass_fields__) - {"root", "data", "model", "space", "roles"}
    if unknown := sorted(others.keys() - known):
        raise SettingsError(f"`search` has no setting {unknown[0]!r}; known: {', '.join(sorted(known))}.")
    name = study or f"search-{datetime.now():%Y-%m-%d-%H%M%S}"
    return Settings(root, name, n_trials=n_trials, quiet=quiet, **others)


def _dataset(data: Any, name: str, settings: Settings) -> Dataset:  # noqa: ANN401
    task = Task(settings.task) if settings.task else None
    if data is None or isinstance(data, str | Path):
        return load_dataset(None if data is None else str(data), seed=settings.seed, environ=os.environ, task=task)
    return dataset_of(Source(name, "arrays handed over", lambda: arrays_of(data)), seed=settings.seed, task=task)


def _roles(roles: Mapping[str, Role | str | None]) -> dict[str, Role | None]:
    try:
        return {name: None if role is None else Role(role) for name, role in roles.items()}
    except ValueError as error:
        raise SettingsError(f"`roles`: {error}; known: {', '.join(Role)}.") from error


def _choice(
    build: Any,  # noqa: ANN401
    space: SearchSpace | str | Path | None,
    roles: Mapping[str, Role | None],
    dataset: Dataset,
    root: Path,
) -> ModelChoice:
    if isinstance(space, str | Path):
        space = space_of_file(Path(space))
    if build is None or (isinstance(build, str) and build in SPACES):
        return choose_model(build, dataset.input_shape, roles=roles, folder=root)
    if isinstance(build, str):
        return own_model(build, space, roles, root)
    reference, folder = _import_name(build)
    if folder is not None:
        return own_model(reference, space, roles, folder)
    return own_model(reference, space, roles, root, _pickled(build), digest_of_object(build))


def _import_name(build: Any) -> tuple[str, Path | None]:  # noqa: ANN401
    """How another process imports an object, and from which folder; no folder where it cannot."""
    kind = build if hasattr(build, "__qualname__") else type(build)
    reference = f"{kind.__module__}:{kind.__qualname__}"
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    if kind is not build or kind.__module__ == "__main__" or "<" in kind.__qualname__ or file is None:
        return reference, None
    found: Any = importlib.import_module(kind.__module__)
    for part in kind.__qualname__.split("."):
        found = getattr(found, part, None)
    depth = kind.__module__.count(".") + (Path(file).name == "__init__.py")
    return reference, Path(file).absolute().parents[depth] if found is build else None


def _pickled(build: Any) -> bytes:  # noqa: ANN401
    import cloudpickle

    try:
        return bytes(cloudpickle.dumps(build))
    except Exception as error:  # an object may refuse in any way
        raise ModelError(
            f"The model cannot be handed to another process ({type(error).__name__}: {error}): put it into a module "
            "of its own, from which it is imported."
        ) from error


def _result(search: Search, settings: Settings) -> SearchResult:
    try:
        numbers = json.loads((settings.study_dir / RESULT_FILE).read_text(encoding="utf-8"))
        text = (settings.study_dir / TEXT_FILE).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        why = f"No trial of the study {settings.study!r} gave a value: there is nothing to compare."
        raise StudyError(why) from error
    best = search.study.get_trials(deepcopy=False)[numbers["best_trial"]]
    return SearchResult(
        search.study, best.number, dict(best.params), numbers["best_value"], numbers, text, settings.export_folder
    )
