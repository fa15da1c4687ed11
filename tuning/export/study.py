"""Export one trial of a study in any formats, each read back in a fresh process before the folder takes its place."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from optuna.study import Study
from optuna.trial import FrozenTrial

from tuning.argument import Step
from tuning.data import Dataset, Examples
from tuning.errors import ExportError, SettingsError
from tuning.evaluation.serving import served, temperature_of
from tuning.export.final_fit import FinalFit, final_fit
from tuning.export.formats import Format
from tuning.export.model_card import MODEL_CARD, CardFacts, model_card
from tuning.export.read_back import read_back
from tuning.export.reading import Reading
from tuning.export.round_trip import Decide, RoundTrip, check, decision_of, differences, score
from tuning.export.target import LOGITS, MARK, OUTPUTS, PROBABILITIES, TASK, TEMPERATURE, VALUES, written_aside
from tuning.export.writing import serving_model, write_files
from tuning.likeness import Likeness, likeness_of
from tuning.model_choice import ModelChoice
from tuning.networks import Logits, kept_model, keras_logits
from tuning.own_model import family_of, imported_source
from tuning.pool import share_of_cores
from tuning.result import RESULT_FILE, data_facts, write_json
from tuning.study_model import model_of
from tuning.study_store import FINGERPRINT, has_other_source
from tuning.task import Task
from tuning.weights import WeightStore


@dataclass(frozen=True, eq=False)
class Chosen:
    """The trial to export: its study, the study's data (the test part sealed) and the study's folder."""

    study: Study
    trial: FrozenTrial
    dataset: Dataset
    study_dir: Path


@dataclass(frozen=True, eq=False)
class Fitted:
    """What is exported.

    Args:
        model: From raw inputs to logits, or to values.
        temperature: Fitted on the validation examples (1 for values), with weights that have not seen them.
        val_logits: What those weights give there, shape (n, classes).
        final: The final fit that the model is of; None for the trial's own weights.
    """

    model: keras.Model
    temperature: float
    val_logits: Logits
    final: FinalFit | None = None

    @property
    def models(self) -> tuple[keras.Model, ...]:
        """The model, and those of the final fit's other seeds."""
        return (self.model,) if self.final is None else self.final.models


@dataclass(frozen=True)
class Wanted:
    """What an export is to hold: which formats, and whether logits instead of probabilities."""

    formats: tuple[Format, ...]
    logits: bool


@dataclass(frozen=True, eq=False)
class Scored:
    """A model as it was scored.

    Args:
        serving: From raw inputs to what the files are to give.
        outputs: What the scored model gives on the validation examples, shape (n, classes).
        validation: These examples.
        decide: How outputs are read.
    """

    serving: keras.Model
    outputs: NDArray[np.floating]
    validation: Examples
    decide: Decide


def fitted(chosen: Chosen, n_seeds: int | None, say: Callable[[str], object]) -> Fitted:
    """The trial's model with the weights that were scored, or a final fit of its configuration.

    Args:
        chosen: The trial.
        n_seeds: Seeds of the final fit; None for the trial's own weights.
        say: Told a line for every seed.

    Raises:
        ExportError: If the weights of the trial are not there, the source of a user's model has changed since, or a
            final fit diverges.
    """
    dataset, trial = chosen.dataset, chosen.trial
    choice = model_of(chosen.study, chosen.study_dir)
    family, weights = family_of(choice), WeightStore(chosen.study_dir / "weights")
    _check_source(chosen.study, choice)
    model = kept_model(family, dataset, trial.params, weights, trial.number).logits
    logits = keras_logits(model)(dataset.validation.inputs)
    temperature = temperature_of(logits, dataset.validation.labels, dataset.task)
    if n_seeds is None:
        return Fitted(model, temperature, logits)
    final = final_fit(family, dataset, trial, chosen.study.user_attrs[FINGERPRINT], n_seeds, say)
    return Fitted(final.models[0], temperature, logits, final)


def _check_source(study: Study, choice: ModelChoice) -> None:
    """Refuse to put a trial's weights into another network than the one that was scored."""
    if choice.is_own and choice.pickled is None and has_other_source(study, imported_source(choice)):
        raise ExportError(
            f"The source of {choice.reference} has changed since the study {study.study_name!r}, whose weights belong "
            "to the network of that time: restore it, or resume the study with --accept-source if the change makes no "
            "difference."
        )


def write_export(
    chosen: Chosen, found: Fitted, reading: Reading | None, steps: list[Step], folder: Path, wanted: Wanted
) -> tuple[RoundTrip, ...]:
    """Write the files of a model, read each back, and put the folder in its place once all are as scored.

    Args:
        chosen: The trial.
        found: Its model.
        reading: Of the model on the test set, where the study's end has not scored it.
        steps: The study as an argument.
        folder: Target; an earlier export there is replaced.
        wanted: The formats.

    Raises:
        ExportError: If a file is not what was scored, or the folder cannot be written.
    """
    dataset, outputs = chosen.dataset, _outputs(chosen.dataset.task, logits=wanted.logits)
    scored = _scored(found, dataset, logits=wanted.logits)
    about = recorded(chosen)
    mark = {
        "study": about["study"],
        "trial": chosen.trial.number,
        "params": chosen.trial.params,
        "data_sha256": dataset.digest,
        TEMPERATURE: found.temperature,
        TASK: dataset.task,
        OUTPUTS: outputs,
    }
    with written_aside(folder) as aside:
        write_files(scored.serving, wanted.formats, aside)
        trips = tuple(_round_trip(each, aside, scored) for each in wanted.formats)
        # The search kept it where it had a baseline at hand, whose view of the images is part of it.
        if likeness := Likeness.load(chosen.study_dir) or likeness_of(dataset):
            likeness.save(aside)
        export = {**mark, **_read_and_fitted(found, reading), "files": [asdict(trip) for trip in trips]}
        write_json(aside / RESULT_FILE, {**about, "export": export})
        names, dtype = [each.name for each in wanted.formats], str(dataset.train.inputs.dtype)
        card = model_card(CardFacts(about, export, names, dataset.input_shape, dtype, steps))
        (aside / MODEL_CARD).write_text(card, encoding="utf-8")
        write_json(aside / MARK, mark)
    return trips


def recorded(chosen: Chosen) -> dict[str, Any]:
    """The study's result if it is about this trial, whose test score then exists; else what the trial itself says."""
    trial, study = chosen.trial, chosen.study
    try:
        result = json.loads((chosen.study_dir / RESULT_FILE).read_text(encoding="utf-8"))
        if result["best_trial"] == trial.number:
            return dict(result)
    except (OSError, ValueError, KeyError):
        pass
    return {
        "study": study.study_name,
        "trial": trial.number,
        "objective": study.user_attrs[FINGERPRINT]["objective"],
        "value": trial.value,
        "data": data_facts(chosen.dataset),
    }


def _read_and_fitted(found: Fitted, reading: Reading | None) -> Mapping[str, Any]:
    facts = {} if found.final is None else {"final_fit": found.final.facts()}
    return facts if reading is None else {**facts, "test": reading.facts()}


def _outputs(task: Task, *, logits: bool) -> str:
    """What the files give.

    Raises:
        SettingsError: If logits are wanted of a model of values.
    """
    if task is Task.REGRESSION and logits:
        raise SettingsError("`--logits` is for models of classes or labels, and this one gives values: leave it out.")
    return VALUES if task is Task.REGRESSION else LOGITS if logits else PROBABILITIES


def _scored(found: Fitted, dataset: Dataset, *, logits: bool) -> Scored:
    task, validation = dataset.task, dataset.validation
    outputs, decide = keras_logits(found.model)(validation.inputs), decision_of(task, are_logits=logits)
    if logits:
        return Scored(serving_model(found.model, None, task), outputs, validation, decide)
    wanted = served(outputs, found.temperature, task)
    return Scored(serving_model(found.model, found.temperature, task), wanted, validation, decide)


def _round_trip(format: Format, folder: Path, scored: Scored) -> RoundTrip:
    path, labels, n_threads = folder / format.file, scored.validation.labels, share_of_cores(1)
    back = read_back(format, path, scored.validation.inputs, n_threads)
    check(format, back.outputs, scored.outputs, labels, scored.decide)
    difference, n_changed = differences(back.outputs, scored.outputs, scored.decide)
    return RoundTrip(
        format=format.name,
        file=format.file,
        runtime=back.runtime,
        size_bytes=sum(each.stat().st_size for each in (path, *path.rglob("*")) if each.is_file()),
        max_difference=difference,
        n_changed=n_changed,
        n_checked=len(labels),
        accuracy=score(back.outputs, labels, scored.decide),
        scored_accuracy=score(scored.outputs, labels, scored.decide),
        latency=back.latency,
        n_threads=n_threads,
    )
