"""Register an exported model in MLflow, beside its study, by the rule by which the end of a study registers too.

The logged model is the one form that answers in milliseconds (`tracking/files.py`): raw inputs in, probabilities out,
with signature, input example and pinned requirements.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from optuna.study import Study

from tuning.errors import SettingsError, StorageError, StudyError
from tuning.evaluation.by_task import read_evaluation
from tuning.export.model_card import MODEL_CARD
from tuning.export.reading import Score
from tuning.export.study import Chosen, Fitted
from tuning.settings import OBJECTIVES
from tuning.tracking.events import PARTS, Run
from tuning.tracking.files import keras_graph, save_model
from tuning.tracking.mirror import PLACE, Place, open_mirror
from tuning.tracking.models import Registered
from tuning.tracking.store import check

_KIND = "exported"
_FIXED = ("learning_rate", "seed", "n_params")


@dataclass(frozen=True)
class Registry:
    """Where exported models of a study are registered.

    Args:
        place: Where the study is mirrored.
        name: Of the registered model; empty for that of the experiment and its data.
        root: The project's folder.
    """

    place: Place
    name: str
    root: Path

    @classmethod
    def of(cls, study: Study, name: str, tracking_uri: str | None, root: Path) -> Self:
        """The one of a study, checked.

        Args:
            study: The study.
            name: Of the registered model; empty for the default.
            tracking_uri: MLflow tracking URI; None for the one that the search had.
            root: The project's folder.

        Raises:
            StudyError: If the study says nothing of MLflow.
            SettingsError: If the search's address held a password, which is not kept.
            StorageError: If there is no such store.
        """
        known = study.user_attrs.get(PLACE)
        if known is None:
            raise StudyError(
                f"The study {study.study_name!r} says nothing of MLflow: resume it with `python -m tuning.search` once."
            )
        place = Place(**known)
        place = replace(place, tracking_uri=tracking_uri or place.tracking_uri)
        if "***@" in (place.tracking_uri or ""):
            raise SettingsError("`--tracking-uri` must be given: user names and passwords are not kept in a study.")
        check(place.store(root))
        return cls(place, name, root)

    def register(self, chosen: Chosen, found: Fitted, score: Score, card: Path) -> Registered:
        """Log a model below its study and register it: the champion if it beats the present one, else the challenger.

        Args:
            chosen: The trial.
            found: Its model.
            score: Its numbers on the test set.
            card: The model card, which becomes one of the model's files.

        Raises:
            StorageError: If the store cannot be written.
        """
        try:
            tracker = open_mirror(chosen.study, self.place, OBJECTIVES[self.place.objective], self.root).tracker
            with tempfile.TemporaryDirectory() as folder:
                run = _run(chosen, found, score.evaluation, self.name, _saved(chosen, found, score, card, Path(folder)))
                tracker.log(run)
            registered = tracker.registered(run.key)
            tracker.end("FINISHED")
            if registered is None:
                raise StorageError(f"The run {run.name} has no version in the registry.")
        except StorageError as error:
            raise StorageError(f"The files are written, but the model is not registered. {error}") from error
        return registered


def _saved(chosen: Chosen, found: Fitted, score: Score, card: Path, folder: Path) -> str:
    """The model in MLflow's format, with what its answers to the test examples cost and its card beside it."""
    dataset = chosen.dataset
    graph = keras_graph(found.model, dataset.task).at(found.temperature)
    model = save_model(graph, dataset.validation.inputs[:2], dataset.n_outputs, folder / _KIND)
    if score.outcomes is not None:
        score.outcomes.save(model)
    shutil.copy(card, model / MODEL_CARD)
    return str(model)


def _run(chosen: Chosen, found: Fitted, evaluation: Mapping[str, Any], name: str, model: str) -> Run:
    trial, now_ms = chosen.trial, time.time_ns() // 1_000_000
    of = f"trial-{trial.number}" if found.final is None else f"final-fit-of-trial-{trial.number}"
    numbers = read_evaluation(evaluation)
    metrics = {f"test_{name}": value for name, value in evaluation.items() if isinstance(value, float | int)}
    what = f"trial {trial.number} of {chosen.study.study_name}"
    fit = "" if found.final is None else ", fitted once more on train and validation examples together"
    note = (
        f"### exported-{of}\n\nThe model of {what}{fit}. Test set ({numbers.n_examples} examples): {numbers.text()}. "
        f"Its model card is among its files: `{MODEL_CARD}`."
    )
    return Run(
        key=f"{_KIND}-{now_ms}",
        name=f"exported-{of}",
        kind=_KIND,
        status="FINISHED",
        params={**trial.params, **{each: trial.user_attrs.get(each, 0) for each in _FIXED}},
        metrics=metrics,
        curves={},
        tags={"phase": "export", "base_trial": str(trial.number), "reason": f"the export of {what}{fit}"},
        start_ms=now_ms,
        end_ms=now_ms,
        note=note,
        parts=PARTS,
        model=model,
        is_winner=True,
        register_as=name,
    )
