"""The end of a study: the tuned, the hand-made and the pretrained model on the opened test set, and the export.

It runs in a process of its own, because it needs TensorFlow, which the study's process does not import.

Whatever is fitted (weights, temperatures) is fitted on the other parts: the test examples are only read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.pretrained import BaselineError
from tuning.baseline import BaselineFacts, load
from tuning.classifier_view import ClassifierView
from tuning.data import Examples, TrainingData
from tuning.data.split import examples_digest
from tuning.engine.metrics import train_sample
from tuning.engine.training import Engine
from tuning.evaluation import (
    PairedTest,
    compare_paired,
    evaluate_model,
    loss_report,
    measure_latency,
    selection_optimism,
)
from tuning.evaluation.outcomes import PerExample
from tuning.export_target import TEMPERATURE
from tuning.exporting import export_model
from tuning.finalist_fit import fit_metrics
from tuning.finalists import Finalist, baseline_finalist, hand_made_finalist, start_finalist, tuned_finalist
from tuning.likeness import Likeness, likeness_of
from tuning.model_choice import ModelChoice
from tuning.model_pictures import DrawnModel, draw_models
from tuning.naive_reading import naive_reading
from tuning.networks import Logits, kept_model
from tuning.own_model import family_of
from tuning.parts_report import parts_report
from tuning.pictures.scored import Scored
from tuning.result import MODELS, Comparison, ModelResult
from tuning.settings import PICTURES, Settings
from tuning.tracking_files import save_models
from tuning.trial_run import TrialRunner
from tuning.weights import WeightStore

_BOOTSTRAP_SEED = 0


def compare_and_export(
    data: TrainingData,
    test: Examples,
    settings: Settings,
    choice: ModelChoice,
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
        choice: Its model.
        baseline: The pretrained baseline, if there is one for this data.
        trial: Number of the best trial.
        params: Its configuration.
        train_secs: How long it trained.
        weights: Folder of the kept weights, those of the best trial among them.
        data_sha256: Digest of the data set.

    Raises:
        ExportError: If the weights are not there, or the export is not what was scored.
    """
    family = family_of(choice)
    model = kept_model(family, data, params, WeightStore(weights), trial)
    engine = Engine(data.train.inputs, data.train.labels, data.validation.inputs, data.validation.labels)
    rivals, notes = _rivals(baseline, data)
    runner = TrialRunner(data, engine, settings, WeightStore(weights), family)
    plain, why_none = _plain(choice, runner)
    tuned = tuned_finalist(model, params, train_secs)
    finalists = [*rivals, *plain, tuned]
    models, paired, test_logits = compare(finalists, data, test, settings.goal.metric)
    graphs = {
        each.kind: each.graph and each.graph.at(result.evaluation.temperature)
        for each, result in zip(finalists, models, strict=True)
    }
    save_models(graphs, data.validation.inputs[:2], data.n_classes, settings.study_dir / MODELS)
    _keep_outcomes(models, test_logits, test, settings.study_dir / MODELS)
    draw_models(settings.study_dir / PICTURES, test, _drawn(finalists, models, test_logits, test.labels))
    about = {"study": settings.study, "trial": trial, "params": params, "data_sha256": data_sha256}
    about[TEMPERATURE] = models[-1].evaluation.temperature
    inputs, likeness = data.validation.inputs[:1000], _likeness(data, rivals, baseline)
    if likeness is not None:
        likeness.save(settings.study_dir)  # for `tuning.export`, which does not load the baseline again
    exported = export_model(model.logits, settings.export_folder, inputs, about, likeness)
    val_logits = tuned.logits(data.validation.inputs)
    scored = (val_logits, data.validation.labels, test_logits[-1], test.labels)
    optimism = selection_optimism(*scored, seed=_BOOTSTRAP_SEED)
    parts, why_not = parts_report(rivals[0].name, rivals[0].logits, data, test, likeness) if rivals else (None, ())
    return Comparison(tuple(models), paired, exported, optimism, parts, (*notes, *why_none, *why_not))


def _keep_outcomes(models: Sequence[ModelResult], test_logits: Sequence[Logits], test: Examples, folder: Path) -> None:
    """Keep what each model's answers to the test examples cost, beside its files: later models are compared with it."""
    digest = examples_digest(test)
    for model, logits in zip(models, test_logits, strict=True):
        kept = PerExample.of(logits, test.labels, temperature=model.evaluation.temperature, examples_sha256=digest)
        if (folder / model.kind).is_dir():
            kept.save(folder / model.kind)


def _rivals(baseline: BaselineFacts | None, data: TrainingData) -> tuple[list[Finalist], tuple[str, ...]]:
    """The pretrained baseline, where there is one that gives numbers; what there is to note otherwise."""
    if baseline is None:
        return [], ()
    try:
        return [baseline_finalist(load(baseline), data, _BOOTSTRAP_SEED)], ()
    except BaselineError as error:
        return [], (f"no pretrained baseline: {error}",)


def _plain(choice: ModelChoice, runner: TrialRunner) -> tuple[list[Finalist], tuple[str, ...]]:
    """What the tuned model has to beat: the hand-made one, or of a user's own model its start; what to note."""
    if not choice.is_own:
        return [hand_made_finalist(runner.engine, runner.data, runner.settings.seed)], ()
    try:
        return [start_finalist(runner)], ()
    except Exception as error:  # the user's model may fail in any way on some configuration
        return [], (f"the start is not compared: it cannot be trained ({type(error).__name__}: {error})",)


def _likeness(data: TrainingData, rivals: list[Finalist], baseline: BaselineFacts | None) -> Likeness | None:
    """What the training images look like, to the pretrained baseline too where there is one."""
    likeness = likeness_of(data)
    if likeness is None or baseline is None or not rivals or rivals[0].reading is None:
        return likeness
    view = ClassifierView.of(rivals[0].reading, baseline.handle, rivals[0].name, data.train.inputs)
    return replace(likeness, view=view)


def compare(
    finalists: list[Finalist], data: TrainingData, test: Examples, metric: str = "val_loss"
) -> tuple[list[ModelResult], dict[str, PairedTest], list[Logits]]:
    """Score every finalist on the test part, and compare the last one with each other one; with the test logits.

    Args:
        finalists: The models.
        data: Train and validation part.
        test: The opened test part.
        metric: The field of `EpochMetrics` that the search minimised.
    """
    val_logits = [finalist.logits(data.validation.inputs) for finalist in finalists]
    test_logits = [finalist.logits(test.inputs) for finalist in finalists]
    results = [
        _score(finalist, logits, val, data, test, metric)
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
    finalist: Finalist, logits: Logits, val_logits: Logits, data: TrainingData, test: Examples, metric: str
) -> ModelResult:
    labels, val_labels, reading = test.labels, data.validation.labels, finalist.reading
    evaluate = partial(evaluate_model, validation_logits=val_logits, validation_labels=val_labels)
    evaluation = evaluate(logits, labels)
    return ModelResult(
        name=finalist.name,
        kind=finalist.kind,
        evaluation=evaluation,
        validation=evaluate(val_logits, val_labels),
        n_params=finalist.n_params,
        latency=measure_latency(finalist.logits, test.inputs),
        train_secs=finalist.train_secs,
        note=finalist.note,
        params=dict(finalist.params or {}),
        fit=_fit(finalist, val_logits, data, metric),
        loss_report=loss_report(logits, labels, fitted_on=(val_logits, val_labels), seed=_BOOTSTRAP_SEED),
        may_have_seen=finalist.may_have_seen,
        sweep=None if reading is None else reading.sweep,
        naive=naive_reading(reading, data, test, logits, evaluation.temperature, _BOOTSTRAP_SEED) if reading else None,
    )


def _fit(finalist: Finalist, val_logits: Logits, data: TrainingData, metric: str) -> dict[str, float]:
    """What a trial measures at its best epoch, on the train examples on which trials are measured."""
    sample = data.train.take(train_sample(len(data.train)))
    train, val = (finalist.logits(sample.inputs), sample.labels), (val_logits, data.validation.labels)
    return {"best_epoch": finalist.best_epoch, **fit_metrics(train, val, metric)}
