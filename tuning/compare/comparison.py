"""A comparison from beginning to end: every engine of a repeat, repeat by repeat; then one table and one picture.

All of it can be interrupted and run again with the same command: a study that has its record is not run again, one that
was under way goes on, and engines or repeats can be added.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence

import optuna

from tuning.compare.numbers import AXES, Course, by_engine, course
from tuning.compare.opening import loaded, open_compared, study_place
from tuning.compare.plan import ComparePlan
from tuning.compare.record import StudyRecord
from tuning.compare.study import run_study
from tuning.compare.table import caption, markdown, table_text
from tuning.compare.view import CompareView
from tuning.data import Dataset
from tuning.errors import StorageError, StudyError
from tuning.model_choice import ModelChoice
from tuning.opening import chosen_model, fingerprint_of
from tuning.result import write_json
from tuning.settings import check_objective
from tuning.storages import open_storage
from tuning.study_store import differing
from tuning.tracking.events import DatasetFacts, StudyEnd
from tuning.tracking.store import check as check_store

PLAN_FILE, TABLE_FILE, PICTURE_FILE = "plan.json", "table.md", "comparison.png"


def run_comparison(plan: ComparePlan) -> list[StudyRecord]:
    """Run or resume a comparison and print its table.

    Returns:
        The records, the reference's first.

    Raises:
        SearchError: For bad input or unusable surroundings, before anything is written.
        KeyboardInterrupt: On Ctrl-C; the comparison can be resumed.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    dataset, model = _checked(plan)
    settings = plan.settings
    n_studies = len(plan.engines) * plan.n_repeats
    with CompareView(settings.goal, n_studies, plan.budget.n_trials, quiet=settings.quiet) as view:
        _say_facts(plan, dataset, model, view)
        try:
            records = list(studies(plan, model, view))
        except KeyboardInterrupt:
            view.say(f"\nInterrupted. Resume with the same command and --study {plan.name}")
            raise
        ordered = [record for of_engine in _ordered(plan, records) for record in of_engine]
        text = _finish(plan, dataset, model, ordered)
    view.result(text)
    return ordered


def _checked(plan: ComparePlan) -> tuple[Dataset, ModelChoice]:
    """Everything that can be wrong, before anything is written but the plan."""
    settings = plan.repeat_settings(0)
    dataset = loaded(settings)
    check_objective(settings.goal, dataset.task)
    model = chosen_model(settings, dataset)
    check_store(study_place(plan, plan.engines[0], 0, dataset, model.space).store(settings.root))
    if settings.storage is not None:
        open_storage(settings.storage, settings.study_dir)
    facts = {**fingerprint_of(settings, dataset, model), **plan.facts()}
    path = plan.folder / PLAN_FILE
    if path.is_file() and (differences := differing(json.loads(path.read_text(encoding="utf-8")), facts)):
        raise StudyError(
            f"The comparison {plan.name!r} exists with {differences}: resume it with the same settings, or choose "
            "another name with --study."
        )
    write_json(path, facts)
    return dataset, model


def studies(plan: ComparePlan, model: ModelChoice, view: CompareView) -> Iterator[StudyRecord]:
    """The record of every study, repeat by repeat: read where there is one, otherwise the study is run."""
    for repeat, engine in itertools.product(range(plan.n_repeats), plan.engines):
        settings = plan.study_settings(engine, repeat)
        record = StudyRecord.read(settings.study_dir)
        is_known = record is not None
        if record is None:
            view.begin_study(f"{engine.name}, repeat {repeat + 1}")
            record = run_study(open_compared(plan, engine, repeat, model), view)
        view.end_study(record, is_known=is_known)
        yield record


def _ordered(plan: ComparePlan, records: Sequence[StudyRecord]) -> Iterator[list[StudyRecord]]:
    found = by_engine(records)
    yield from (found[engine.name] for engine in plan.engines)


def _say_facts(plan: ComparePlan, dataset: Dataset, model: ModelChoice, view: CompareView) -> None:
    sizes = f"{len(dataset.train.labels)} train, {len(dataset.validation.labels)} validation"
    view.say(f"comparison {plan.name}: {', '.join(engine.name for engine in plan.engines)}; {plan.n_repeats} repeats")
    view.say(f"data {dataset.name} ({dataset.source}): {sizes}, {dataset.test.n_examples} test (sealed)")
    view.say(f"model {model.reference}: {plan.settings.goal.direction} {plan.settings.goal.name}")
    view.say(f"budget {plan.budget.sentence()}\n")
    for note in (*dataset.notes, *model.notes):
        view.say(f"note: {note}")


def _finish(plan: ComparePlan, dataset: Dataset, model: ModelChoice, records: Sequence[StudyRecord]) -> str:
    """Write table and picture, and tell MLflow; returns the result as text."""
    what = f"{model.reference} on {dataset.name}, {plan.budget.sentence()}"
    folder, said = plan.folder, caption(records)
    (folder / TABLE_FILE).write_text(f"{markdown(records)}\n\n{said}\n", encoding="utf-8")
    _draw(plan, what, records)
    note = f"**{what}**\n\n{markdown(records)}\n\n{said}"
    return f"{table_text(records, what, said)}\n\n{_shown(plan)}{_mirrored(plan, dataset, model, note)}"


def _draw(plan: ComparePlan, title: str, records: Sequence[StudyRecord]) -> None:
    from tuning.pictures.comparison_picture import Line, comparison_picture  # Matplotlib: not before there is a result
    from tuning.pictures.style import save

    measured = {
        "validation error": lambda record, number: record.validation[number].error,
        "test error": lambda record, number: record.test[number].error,
    }

    def line(of_engine: Course) -> Line:
        return Line(of_engine.x, of_engine.mean, of_engine.half)

    panels = {
        (row, axis): {name: line(course(each, axis, score)) for name, each in by_engine(records).items()}
        for (row, score), axis in itertools.product(measured.items(), AXES)
    }
    save(comparison_picture(panels, title, plan.n_repeats), plan.folder / PICTURE_FILE)


def _shown(plan: ComparePlan) -> str:
    folder = plan.folder.relative_to(plan.settings.root)
    return f"Picture: {folder / PICTURE_FILE}; table: {folder / TABLE_FILE}"


def _mirrored(plan: ComparePlan, dataset: Dataset, model: ModelChoice, note: str) -> str:
    """A run of the comparison itself beside those of its studies, with table and picture; returns where, or why not."""
    from tuning.tracking.tracker import Tracker

    place = study_place(plan, plan.engines[0], 0, dataset, model.space)
    try:
        tracker = Tracker(place.store(plan.settings.root), plan.name)
        tracker.open_study(tags={"objective": place.objective}, params={}, dataset=DatasetFacts(**place.dataset))
        end = StudyEnd("FINISHED", {}, {"comparison": plan.name}, note, (TABLE_FILE, PICTURE_FILE))
        tracker.close_study(end, plan.folder)
    except StorageError as error:
        return f"\n{error}"
    return f"\nIn MLflow (mlflow ui): experiment {place.experiment}, run {plan.name} and one for each study"
