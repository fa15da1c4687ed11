"""After the last trial: compare on the test set, export, and write the result down; all of it can be done again."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from optuna.trial import FrozenTrial

from tuning import processes
from tuning.argument import Step, argument, smaller_sentence
from tuning.argument import text as argument_text
from tuning.console import result_text
from tuning.dashboard_notes import save_study_note
from tuning.data import Examples
from tuning.errors import StorageError
from tuning.export.formats import DEFAULT_FORMATS
from tuning.export.model_card import MODEL_CARD, CardFacts, model_card
from tuning.export.target import MARK, Exported
from tuning.opening import Search, notes
from tuning.repeats import seed_spread
from tuning.result import RESULT_FILE, Comparison, SearchResult, Shipped, data_facts, write_json
from tuning.settings import PICTURES
from tuning.strategy.actions import DEFAULT_SHRINK, Goal
from tuning.study_note import study_note
from tuning.study_pictures import draw_study
from tuning.study_store import N_TEST_OPENINGS, SHIPPED_TRIAL, n_counted
from tuning.tracking.mirror import read_end, shown_links, study_end, write_end

TEXT_FILE = "result.txt"  # the same as it was printed
ARGUMENT_FILE = "argument.txt"


def recorded_result(search: Search) -> str | None:
    """The result of this study as it was printed, if no trial was added since: the test set then stays closed."""
    try:
        recorded = json.loads((search.settings.study_dir / RESULT_FILE).read_text(encoding="utf-8"))
        text = (search.settings.study_dir / TEXT_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    if recorded["n_trials"] != n_counted(search.study):
        return None
    folder = search.settings.export_folder
    again = f"\n{_shown(folder)} is not there: `python -m tuning.export --study {search.settings.study}` exports again."
    return f"{text if folder.is_dir() else text + again}\n{mirrored(search)}"


def finish(search: Search, stop_reason: str, begun: float) -> str:
    """Open the test set, compare and export in another process, and write all of it down."""
    settings, dataset = search.settings, search.dataset
    number = search.sampler.ranking(search.study)[0]
    search.study.set_user_attr(SHIPPED_TRIAL, number)
    best = search.study.get_trials(deepcopy=False)[number]
    # Counted before it is opened: a kill in between must not hide an opening.
    n_openings = search.study.user_attrs.get(N_TEST_OPENINGS, 0) + 1
    search.study.set_user_attr(N_TEST_OPENINGS, n_openings)
    compared = _compared(search, best, dataset.test.open())
    result = SearchResult(
        study=settings.study,
        objective=settings.objective,
        best_trial=best.number,
        best_value=float(best.value or 0.0),
        stop_reason=stop_reason,
        models=compared.models,
        paired=compared.paired,
        n_trials=n_counted(search.study),
        n_test_openings=n_openings,
        data=data_facts(dataset),
        notes=(*notes(search), *compared.notes, *_findings(search, number)),
        elapsed_secs=time.monotonic() - begun,
        optimism=compared.optimism,
        spread=seed_spread(search.study.get_trials(deepcopy=False), best),
        parts=compared.parts,
    )
    return _write(search, result, compared.exported)


def _findings(search: Search, number: int) -> Iterator[str]:
    """Why this trial is shipped, and the smallest network that is not worse, if one was tried."""
    if leader := search.sampler.leader(search.study):
        yield f"trial {number} is shipped: {leader.why}"
    trials, goal = search.study.get_trials(deepcopy=False), search.settings.goal
    margin = search.settings.shrink or DEFAULT_SHRINK
    if smaller := smaller_sentence(trials, search.space, Goal(goal.name, goal.maximize), number, margin):
        yield smaller


def _compared(search: Search, best: FrozenTrial, test: Examples) -> Comparison:
    """What TensorFlow is needed for, done by a process that has it; this one draws the study meanwhile."""
    pictures, goal = search.settings.study_dir / PICTURES, search.settings.goal
    shutil.rmtree(pictures, ignore_errors=True)  # of an earlier end of this study, perhaps with another baseline
    task = (
        search.dataset.for_training,
        test,
        search.settings,
        search.model,
        search.baseline,
        Shipped(best.number, best.params, best.user_attrs["seed"], best.user_attrs["train_secs"]),
        search.weights.folder,
        search.dataset.digest,
    )
    answer = processes.call("tuning.finals", "compare_and_export", *task, context=search.context)
    trials, name = search.study.get_trials(deepcopy=False), search.settings.study
    draw_study(pictures, trials, search.space, Goal(goal.name, goal.maximize), name, best.number)
    compared: Comparison = answer.result()
    return compared


def _write(search: Search, result: SearchResult, exported: Exported) -> str:
    """Write the result into the study's folder, beside the export, and into MLflow; returns it as text."""
    folder = search.settings.study_dir
    text = result_text(result, f"{_shown(exported.folder)} ({', '.join(exported.files)})")
    for path in (folder / RESULT_FILE, exported.folder / RESULT_FILE):
        write_json(path, result.as_dict())
    trials, goal = search.study.get_trials(deepcopy=False), search.settings.goal
    steps = list(argument(trials, search.space, Goal(goal.name, goal.maximize)))
    (folder / ARGUMENT_FILE).write_text(argument_text(steps) + "\n", encoding="utf-8")
    _write_card(search, result, steps, exported)
    note, best = study_note(result, steps, search.settings), trials[result.best_trial]
    save_study_note(search.study, note)
    write_end(study_end(result, best, goal, note, [RESULT_FILE, ARGUMENT_FILE], folder), folder)
    # With this file the study counts as finished: MLflow is a mirror, the result does not depend on it.
    (folder / TEXT_FILE).write_text(text, encoding="utf-8")
    return f"{text}\n{mirrored(search)}"


def _write_card(search: Search, result: SearchResult, steps: Sequence[Step], exported: Exported) -> None:
    dataset = search.dataset
    mark = json.loads((exported.folder / MARK).read_text(encoding="utf-8"))
    formats = [each.name for each in DEFAULT_FORMATS]
    facts = CardFacts(result.as_dict(), mark, formats, dataset.input_shape, str(dataset.train.inputs.dtype), steps)
    (exported.folder / MODEL_CARD).write_text(model_card(facts), encoding="utf-8")


def mirrored(search: Search) -> str:
    """Send the end of the study, as it was written down, to MLflow; returns where to see it, or what is missing."""
    settings = search.settings
    end = read_end(settings.study_dir)
    if end is None:
        return ""
    try:
        links = search.mirror.finish(end, settings.study_dir)
    except StorageError as error:
        return f"{error} What is missing there is sent by `python -m tuning.sync --study {settings.study}`."
    return shown_links(links, settings.tracking_uri)


def _shown(path: Path) -> str:
    """A path as short as it can be typed from here."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)
