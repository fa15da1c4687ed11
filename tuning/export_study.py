"""Export one trial of a study in any formats, each read back in a fresh process before the folder takes its place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial
from scipy.special import softmax

from tuning.data import Dataset, Examples
from tuning.evaluation.calibration import fit_temperature
from tuning.export_formats import Format
from tuning.export_target import LOGITS, MARK, OUTPUTS, PROBABILITIES, TEMPERATURE, written_aside
from tuning.exporting import serving_model, write_files
from tuning.likeness import likeness_of
from tuning.networks import best_model, keras_logits
from tuning.pool import share_of_cores
from tuning.read_back import read_back
from tuning.result import RESULT_FILE, write_json
from tuning.round_trip import RoundTrip, check, differences, n_right
from tuning.weights import WeightStore


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
        temperature: Fitted on them.
    """

    serving: keras.Model
    outputs: NDArray[np.floating]
    validation: Examples
    temperature: float


def export_trial(
    trial: FrozenTrial, dataset: Dataset, weights: WeightStore, folder: Path, about: Mapping[str, Any], wanted: Wanted
) -> tuple[RoundTrip, ...]:
    """Write the files of a trial's model, read each back, and put the folder in its place once all are as scored.

    Args:
        trial: A complete trial.
        dataset: The data of its study; the test part stays sealed.
        weights: Kept weights, those of the trial among them.
        folder: Target; an earlier export there is replaced.
        about: Result of the study, written into `result.json` beside what is found here.
        wanted: The formats.

    Raises:
        ExportError: If the weights are not there, a file is not what was scored, or the folder cannot be written.
    """
    scored = _scored(trial, dataset, weights, logits=wanted.logits)
    mark = {
        "study": about["study"],
        "trial": trial.number,
        "params": trial.params,
        "data_sha256": dataset.digest,
        TEMPERATURE: scored.temperature,
        OUTPUTS: LOGITS if wanted.logits else PROBABILITIES,
    }
    with written_aside(folder) as aside:
        write_files(scored.serving, wanted.formats, aside)
        trips = tuple(_round_trip(each, aside, scored) for each in wanted.formats)
        if likeness := likeness_of(dataset):
            likeness.save(aside)
        files = [asdict(trip) for trip in trips]
        write_json(aside / RESULT_FILE, {**about, "export": {**mark, "files": files}})
        write_json(aside / MARK, mark)
    return trips


def recorded(study_dir: Path, study: str, trial: FrozenTrial) -> dict[str, Any]:
    """The study's result if it is about this trial, whose test score then exists; else what the trial itself says."""
    try:
        result = json.loads((study_dir / RESULT_FILE).read_text(encoding="utf-8"))
        if result["best_trial"] == trial.number:
            return dict(result)
    except (OSError, ValueError, KeyError):
        pass
    return {"study": study, "trial": trial.number, "value": trial.value}


def _scored(trial: FrozenTrial, dataset: Dataset, weights: WeightStore, *, logits: bool) -> Scored:
    model = best_model(dataset, trial.params, seed=0)  # the seed of weights that are replaced at once
    weights.load(trial.number, model)
    validation = dataset.validation
    outputs = keras_logits(model)(validation.inputs)
    temperature = fit_temperature(outputs, validation.labels)
    if logits:
        return Scored(serving_model(model, None), outputs, validation, temperature)
    probabilities = softmax(outputs.astype(np.float64) / temperature, axis=1)
    return Scored(serving_model(model, temperature), probabilities, validation, temperature)


def _round_trip(format: Format, folder: Path, scored: Scored) -> RoundTrip:
    path, labels, n_threads = folder / format.file, scored.validation.labels, share_of_cores(1)
    back = read_back(format, path, scored.validation.inputs, n_threads)
    check(format, back.outputs, scored.outputs, labels)
    difference, n_changed = differences(back.outputs, scored.outputs)
    return RoundTrip(
        format=format.name,
        file=format.file,
        runtime=back.runtime,
        size_bytes=sum(each.stat().st_size for each in (path, *path.rglob("*")) if each.is_file()),
        max_difference=difference,
        n_changed=n_changed,
        n_checked=len(labels),
        accuracy=n_right(back.outputs, labels) / len(labels),
        scored_accuracy=n_right(scored.outputs, labels) / len(labels),
        latency=back.latency,
        n_threads=n_threads,
    )
