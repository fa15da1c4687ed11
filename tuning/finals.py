"""The end of a study: the tuned, the hand-made and the pretrained model on the opened test set, and the export.

It runs in a process of its own, because it needs TensorFlow, which the study's process does not import.

Whatever is fitted (weights, temperatures) is fitted on the other parts: the test examples are only read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from models.hand_made import BATCH_SIZE, LEARNING_RATE, N_EPOCHS, build_hand_made
from models.pretrained import BaselineError, PretrainedBaseline
from models.train_stand_in import build as build_stand_in
from tuning.baseline import BaselineFacts, load
from tuning.baseline_reading import BaselineReading, read_baseline
from tuning.data import Examples, TrainingData
from tuning.engine.stopping import StopRule
from tuning.engine.training import Engine, TrainingPlan
from tuning.evaluation import (
    PairedTest,
    compare_paired,
    evaluate_model,
    loss_report,
    measure_latency,
    selection_optimism,
)
from tuning.export_target import TEMPERATURE
from tuning.exporting import export_model
from tuning.likeness import likeness_of
from tuning.model_pictures import DrawnModel, draw_models
from tuning.naive_reading import naive_reading
from tuning.networks import best_model, keras_logits
from tuning.parts_report import parts_report
from tuning.pictures.scored import Scored
from tuning.result import BASELINE, HAND_MADE, TUNED, Comparison, ModelResult
from tuning.settings import PICTURES, Settings
from tuning.trial_run import input_format
from tuning.weights import WeightStore

Logits = NDArray[np.float32]
_BOOTSTRAP_SEED = 0


@dataclass(frozen=True)
class Finalist:
    """A model ready to be scored on any raw inputs of the data set."""

    name: str
    kind: str
    logits: Callable[[NDArray[Any]], Logits]
    n_params: int
    train_secs: float = 0.0
    note: str = ""
    params: Mapping[str, float] | None = None
    network: keras.Model | None = None  # None for a module whose file holds no layers
    may_have_seen: str = ""
    reading: BaselineReading | None = None  # of a pretrained model


def compare_and_export(
    data: TrainingData,
    test: Examples,
    settings: Settings,
    baseline: BaselineFacts | None,
    trial: int,
    params: Mapping[str, float],
    train_secs: float,
    weights: Path,
    data_sha256: str,
) -> Comparison:
    """Train the hand-made model, score all models on the test part, draw them, export the tuned one.

    Args:
        data: Train and validation part.
        test: The opened test part.
        settings: Of the search.
        baseline: The pretrained baseline, if there is one for this data.
        trial: Number of the best trial.
        params: Its configuration.
        train_secs: How long it trained.
        weights: Folder of the kept weights, those of the best trial among them.
        data_sha256: Digest of the data set.

    Raises:
        ExportError: If the weights are not there, or the export is not what was scored.
    """
    model = best_model(data, params, settings.seed)
    WeightStore(weights).load(trial, model)
    engine = Engine(data.train.inputs, data.train.labels, data.validation.inputs, data.validation.labels)
    rivals, notes = _rivals(baseline, data)
    hand_made = hand_made_finalist(engine, data, settings.seed)
    finalists = [*rivals, hand_made, tuned_finalist(model, params, train_secs)]
    models, paired, test_logits = compare(finalists, data, test)
    draw_models(settings.study_dir / PICTURES, test, _drawn(finalists, models, test_logits, test.labels))
    about = {"study": settings.study, "trial": trial, "params": params, "data_sha256": data_sha256}
    about[TEMPERATURE] = models[-1].evaluation.temperature
    inputs, likeness = data.validation.inputs[:1000], likeness_of(data)
    exported = export_model(model, settings.export_folder, inputs, about, likeness)
    val_logits = finalists[-1].logits(data.validation.inputs)
    scored = (val_logits, data.validation.labels, test_logits[-1], test.labels)
    optimism = selection_optimism(*scored, seed=_BOOTSTRAP_SEED)
    parts, why_not = parts_report(rivals[0].name, rivals[0].logits, data, test, likeness) if rivals else (None, ())
    return Comparison(tuple(models), paired, exported, optimism, parts, (*notes, *why_not))


def _rivals(baseline: BaselineFacts | None, data: TrainingData) -> tuple[list[Finalist], tuple[str, ...]]:
    """The pretrained baseline, where there is one that gives numbers; what there is to note otherwise."""
    if baseline is None:
        return [], ()
    try:
        return [baseline_finalist(load(baseline), data)], ()
    except BaselineError as error:
        return [], (f"no pretrained baseline: {error}",)


def tuned_finalist(model: keras.Model, params: Mapping[str, float], train_secs: float) -> Finalist:
    """The best trial's model, with the weights that were scored."""
    return Finalist("tuned", TUNED, keras_logits(model), model.count_params(), train_secs, "", params, model)


def hand_made_finalist(engine: Engine, dataset: TrainingData, seed: int) -> Finalist:
    """Train the hand-made model as a practitioner would: Adam's defaults, batch 32, five epochs, no tuning."""
    model = build_hand_made(input_format(dataset), dataset.n_classes, seed)
    all_epochs = StopRule(patience=N_EPOCHS, min_epochs=N_EPOCHS)
    plan = TrainingPlan(LEARNING_RATE, seed, N_EPOCHS, batch_size=BATCH_SIZE, ema_momentum=0.0, stop=all_epochs)
    trained = engine.train(model, plan)
    note = f"best of {N_EPOCHS} epochs by validation loss"
    n_params, secs = model.count_params(), trained.train_secs
    return Finalist("hand-made", HAND_MADE, keras_logits(model), n_params, secs, note, network=model)


def baseline_finalist(baseline: PretrainedBaseline, data: TrainingData) -> Finalist:
    """The pretrained baseline, read as it was trained; its name and its note say where it stands in for TF-GAN's."""
    reading, seen = read_baseline(baseline, data, _BOOTSTRAP_SEED), baseline.may_have_seen
    note = f"stand-in for TF-GAN's classifier: {baseline.note}; " if baseline.is_stand_in else ""
    note += f"{seen}; {reading.sweep.sentence()}"
    network = build_stand_in() if baseline.is_stand_in else None  # its layers; the weights that are scored are saved
    n_params = baseline.n_params
    return Finalist(
        baseline.name,
        BASELINE,
        reading.logits,
        n_params,
        note=note,
        network=network,
        may_have_seen=seen,
        reading=reading,
    )


def compare(
    finalists: list[Finalist], data: TrainingData, test: Examples
) -> tuple[list[ModelResult], dict[str, PairedTest], list[Logits]]:
    """Score every finalist on the test part, and compare the last one with each other one; with the test logits."""
    val_logits = [finalist.logits(data.validation.inputs) for finalist in finalists]
    test_logits = [finalist.logits(test.inputs) for finalist in finalists]
    results = [
        _score(finalist, logits, test.labels, val, data, test.inputs)
        for finalist, logits, val in zip(finalists, test_logits, val_logits, strict=True)
    ]
    tuned = results[-1].evaluation
    paired = {
        other.name: compare_paired(
            test_logits[-1],
            logits,
            test.labels,
            model_temperature=tuned.temperature,
            baseline_temperature=other.evaluation.temperature,
            seed=_BOOTSTRAP_SEED,
        )
        for other, logits in zip(results[:-1], test_logits[:-1], strict=True)
    }
    return results, paired, test_logits


def _drawn(
    finalists: list[Finalist], results: list[ModelResult], test_logits: list[Logits], labels: NDArray[np.int64]
) -> list[DrawnModel]:
    """The finalists as they are drawn."""
    return [
        DrawnModel(each.name, Scored(logits, labels, result.evaluation.temperature), each.n_params, each.network)
        for each, result, logits in zip(finalists, results, test_logits, strict=True)
    ]


def _score(
    finalist: Finalist,
    logits: Logits,
    labels: NDArray[np.int64],
    val_logits: Logits,
    data: TrainingData,
    inputs: NDArray[Any],
) -> ModelResult:
    val_labels, reading = data.validation.labels, finalist.reading
    evaluate = partial(evaluate_model, validation_logits=val_logits, validation_labels=val_labels)
    evaluation, test = evaluate(logits, labels), Examples(inputs, labels)
    return ModelResult(
        name=finalist.name,
        kind=finalist.kind,
        evaluation=evaluation,
        validation=evaluate(val_logits, val_labels),
        n_params=finalist.n_params,
        latency=measure_latency(finalist.logits, inputs),
        train_secs=finalist.train_secs,
        note=finalist.note,
        params=dict(finalist.params or {}),
        loss_report=loss_report(logits, labels, fitted_on=(val_logits, val_labels), seed=_BOOTSTRAP_SEED),
        may_have_seen=finalist.may_have_seen,
        sweep=None if reading is None else reading.sweep,
        naive=naive_reading(reading, data, test, logits, evaluation.temperature, _BOOTSTRAP_SEED) if reading else None,
    )
