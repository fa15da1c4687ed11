"""The end of a study: the tuned, the hand-made and the pretrained model on the opened test set, and the export.

It runs in a process of its own, because it needs TensorFlow, which the study's process does not import.

Whatever is fitted (weights, temperatures) is fitted on the other parts: the test examples are only read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from models.pretrained import BaselineError
from tuning.baseline import BaselineFacts, load
from tuning.classifier_view import ClassifierView
from tuning.data import Examples, TrainingData
from tuning.data.split import examples_digest
from tuning.engine.metrics import train_sample
from tuning.engine.task_criterion import criterion_of
from tuning.engine.training import Engine
from tuning.evaluation import (
    AnyPaired,
    measure_latency,
)
from tuning.evaluation.outcomes import outcomes_of
from tuning.export.target import TEMPERATURE
from tuning.export.writing import export_model
from tuning.finalist_fit import fit_metrics
from tuning.finalists import Finalist, baseline_finalist, hand_made_finalist, start_finalist, tuned_finalist
from tuning.likeness import Likeness, likeness_of
from tuning.model_choice import ModelChoice
from tuning.model_pictures import DrawnModel, draw_models
from tuning.naive_reading import naive_reading
from tuning.networks import kept_model
from tuning.own_model import family_of
from tuning.parts_report import parts_report
from tuning.pictures.scored import drawn_scores
from tuning.result import MODELS, Comparison, ModelResult, Shipped
from tuning.scoring import scoring_for
from tuning.settings import PICTURES, Settings
from tuning.task import Task
from tuning.tracking.files import save_models
from tuning.trial_run import TrialRunner
from tuning.weights import WeightStore

Scores = NDArray[Any]
Labels = NDArray[Any]

_BOOTSTRAP_SEED = 0


def compare_and_export(
    data: TrainingData,
    test: Examples,
    settings: Settings,
    choice: ModelChoice,
    baseline: BaselineFacts | None,
    shipped: Shipped,
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
        shipped: The best trial.
        weights: Folder of the kept weights; if those of the best trial are not among them, it is trained again.
        data_sha256: Digest of the data set.

    Raises:
        ExportError: If the export is not what was scored.
    """
    family = family_of(choice)
    runner = TrialRunner(data, _engine(data), settings, WeightStore(weights), family)
    again = runner.train_again(shipped)
    model = kept_model(family, data, shipped.params, runner.weights, shipped.number)
    rivals, notes = _rivals(baseline, data)
    plain, about_plain = _plain(choice, runner)
    tuned = tuned_finalist(model, shipped.params, shipped.train_secs, data.task)
    finalists = [*rivals, *plain, tuned]
    models, paired, test_scores = compare(finalists, data, test, settings.goal.metric)
    graphs = {
        each.kind: each.graph and each.graph.at(result.evaluation.temperature)
        for each, result in zip(finalists, models, strict=True)
    }
    save_models(graphs, data.validation.inputs[:2], data.n_outputs, settings.study_dir / MODELS)
    _keep_outcomes(models, test_scores, test, data, settings.study_dir / MODELS)
    draw_models(settings.study_dir / PICTURES, test, _drawn(finalists, models, test_scores, test.labels, data.task))
    about = {"study": settings.study, "trial": shipped.number, "params": shipped.params, "data_sha256": data_sha256}
    about[TEMPERATURE] = models[-1].evaluation.temperature
    inputs, likeness = data.validation.inputs[:1000], _likeness(data, rivals, baseline)
    if likeness is not None:
        likeness.save(settings.study_dir)  # for `tuning.export`, which does not load the baseline again
    exported = export_model(model.logits, settings.export_folder, inputs, about, likeness, data.task)
    val = _scores(tuned, data.validation, data)
    optimism = scoring_for(data).optimism(val, (test_scores[-1], test.labels), _BOOTSTRAP_SEED)
    parts, why_not = parts_report(rivals[0].name, rivals[0].outputs, data, test, likeness) if rivals else (None, ())
    return Comparison(tuple(models), paired, exported, optimism, parts, (*notes, *again, *about_plain, *why_not))


def _engine(data: TrainingData) -> Engine:
    train, validation = data.train, data.validation
    return Engine(train.inputs, train.labels, validation.inputs, validation.labels, criterion_of(data))


def _keep_outcomes(
    models: Sequence[ModelResult], scores: Sequence[Scores], test: Examples, data: TrainingData, folder: Path
) -> None:
    """Keep what each model's answers to the test examples cost, beside its files: later models are compared with it."""
    digest, scoring = examples_digest(test), scoring_for(data)
    for model, mine in zip(models, scores, strict=True):
        if (folder / model.kind).is_dir():
            kept = outcomes_of(scoring, mine, test.labels, model.evaluation.temperature, digest)
            kept.save(folder / model.kind)


def _rivals(baseline: BaselineFacts | None, data: TrainingData) -> tuple[list[Finalist], tuple[str, ...]]:
    """The pretrained baseline, where there is one that gives numbers; what there is to note otherwise."""
    if baseline is None:
        return [], ()
    try:
        return [baseline_finalist(load(baseline), data, _BOOTSTRAP_SEED)], ()
    except BaselineError as error:
        return [], (f"no pretrained baseline: {error}",)


def _scores(finalist: Finalist, part: Examples, data: TrainingData) -> tuple[Scores, Labels]:
    """A model's scores of the examples, with their labels."""
    return scoring_for(data).scores(finalist.outputs(part.inputs), part.labels), part.labels


def _plain(choice: ModelChoice, runner: TrialRunner) -> tuple[list[Finalist], tuple[str, ...]]:
    """What the tuned model has to beat: the hand-made one, or of a user's own model its start; what to note."""
    if not choice.is_own:
        hand_made = hand_made_finalist(runner.engine, runner.data, runner.settings.seed)
        return [hand_made], (f"{hand_made.name}: {hand_made.note}",)
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
) -> tuple[list[ModelResult], dict[str, AnyPaired], list[Scores]]:
    """Score every finalist on the test part, and compare the last one with each other one; with the test scores.

    Args:
        finalists: The models.
        data: Train and validation part.
        test: The opened test part.
        metric: The field of `EpochMetrics` that the search minimised.
    """
    scores = [_scores(finalist, test, data)[0] for finalist in finalists]
    results = [_score(each, mine, data, test, metric) for each, mine in zip(finalists, scores, strict=True)]
    scoring, tuned = scoring_for(data), results[-1].evaluation
    paired = {
        other.name: scoring.compare(
            scores[-1],
            mine,
            test.labels,
            temperatures=(tuned.temperature, other.evaluation.temperature),
            seed=_BOOTSTRAP_SEED,
        )
        for other, mine in zip(results[:-1], scores[:-1], strict=True)
    }
    return results, paired, scores


def _drawn(
    finalists: list[Finalist], results: list[ModelResult], scores: list[Scores], labels: Labels, task: Task
) -> list[DrawnModel]:
    """The finalists as they are drawn."""
    temperatures = [result.evaluation.temperature for result in results]
    return [
        DrawnModel(each.name, drawn_scores(mine, labels, temperature, task), each.n_params, each.network)
        for each, temperature, mine in zip(finalists, temperatures, scores, strict=True)
    ]


def _score(finalist: Finalist, scores: Scores, data: TrainingData, test: Examples, metric: str) -> ModelResult:
    scoring, reading = scoring_for(data), finalist.reading
    val = _scores(finalist, data.validation, data)
    evaluation = scoring.evaluate(scores, test.labels, *val)
    return ModelResult(
        name=finalist.name,
        kind=finalist.kind,
        evaluation=evaluation,
        validation=scoring.evaluate(*val, *val),
        n_params=finalist.n_params,
        latency=measure_latency(finalist.outputs, test.inputs),
        train_secs=finalist.train_secs,
        note=finalist.note,
        params=dict(finalist.params or {}),
        fit=_fit(finalist, val, data, metric),
        loss_report=scoring.report(scores, test.labels, val, _BOOTSTRAP_SEED),
        may_have_seen=finalist.may_have_seen,
        sweep=None if reading is None else reading.sweep,
        naive=naive_reading(reading, data, test, scores, evaluation.temperature, _BOOTSTRAP_SEED) if reading else None,
    )


def _fit(finalist: Finalist, val: tuple[Scores, Labels], data: TrainingData, metric: str) -> dict[str, float]:
    """What a trial measures at its best epoch, on the train examples on which trials are measured."""
    train = _scores(finalist, data.train.take(train_sample(len(data.train))), data)
    return {"best_epoch": finalist.best_epoch, **fit_metrics(train, val, metric, scoring_for(data), data.task)}
