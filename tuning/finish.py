"""After the last trial: compare on the test set, export, and write the result down; all of it can be done again."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from tuning import finals
from tuning.argument import argument
from tuning.console import result_text
from tuning.data import Dataset
from tuning.errors import StorageError
from tuning.exporting import Exported, export_model
from tuning.opening import Search
from tuning.report import markdown, save_lever_picture, save_picture
from tuning.result import SearchResult, write_json
from tuning.strategy.actions import Goal
from tuning.study_store import N_TEST_OPENINGS, SHIPPED_TRIAL, n_counted

RESULT_FILE = "result.json"
TEXT_FILE = "result.txt"  # the same as it was printed


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
    return text if folder.is_dir() else text + again


def finish(search: Search, stop_reason: str, begun: float) -> str:
    """Train the hand-made model, open the test set, compare, export, and write all of it down."""
    settings, dataset = search.settings, search.dataset
    number = search.weights.first_kept(search.sampler.ranking(search.study))
    leader = search.sampler.leader(search.study)
    search.study.set_user_attr(SHIPPED_TRIAL, number)
    best = search.study.get_trials(deepcopy=False)[number]
    model = finals.best_model(dataset, best.params, settings.seed)
    search.weights.load(best.number, model)
    finalists = [*_rivals(search), finals.tuned_finalist(model, best.params, best.user_attrs["train_secs"])]
    # Counted before it is opened: a kill in between must not hide an opening.
    n_openings = search.study.user_attrs.get(N_TEST_OPENINGS, 0) + 1
    search.study.set_user_attr(N_TEST_OPENINGS, n_openings)
    models, paired = finals.compare(finalists, dataset)
    about = {"study": settings.study, "trial": best.number, "params": best.params, "data_sha256": dataset.digest}
    exported = export_model(model, settings.export_folder, dataset.validation.inputs[:1000], about)
    result = SearchResult(
        study=settings.study,
        objective=settings.objective,
        best_trial=best.number,
        best_value=float(best.value or 0.0),
        stop_reason=stop_reason,
        models=tuple(models),
        paired=paired,
        n_trials=n_counted(search.study),
        n_test_openings=n_openings,
        data=_data_facts(dataset),
        notes=(*notes(search), *([f"trial {number} is shipped: {leader.why}"] if leader else [])),
        elapsed_secs=time.monotonic() - begun,
    )
    return _write(search, result, exported)


def _rivals(search: Search) -> list[finals.Finalist]:
    hand_made = finals.hand_made_finalist(search.engine, search.dataset, search.settings.seed)
    return [hand_made] if search.baseline is None else [finals.baseline_finalist(search.baseline), hand_made]


def _write(search: Search, result: SearchResult, exported: Exported) -> str:
    """Write the result into the study's folder, beside the export, and into MLflow; returns it as text."""
    folder = search.settings.study_dir
    text = result_text(result, f"{_shown(exported.folder)} ({', '.join(exported.files)})")
    for path in (folder / RESULT_FILE, exported.folder / RESULT_FILE):
        write_json(path, result.as_dict())
    trials = search.study.get_trials(deepcopy=False)
    picture = save_picture(folder / "study.png", trials, search.settings, search.space)
    goal = Goal(search.settings.goal.name, search.settings.goal.maximize)
    steps = list(argument(trials, search.space, goal))
    levers = save_lever_picture(folder / "levers.png", steps, goal, search.settings.study)
    note = markdown(result, trials, search.settings)
    # With this file the study counts as finished: MLflow is a mirror, the result does not depend on it.
    (folder / TEXT_FILE).write_text(text, encoding="utf-8")
    try:
        search.mirror.finish(result, note, [folder / RESULT_FILE, picture, levers])
    except StorageError as error:
        return f"{text}\n{error} Trials that are missing there are sent when the study is resumed."
    return text


def notes(search: Search) -> tuple[str, ...]:
    """What to know when the result is read, a sentence each."""
    baseline = search.baseline
    if baseline is None:
        return (*search.dataset.notes, "no pretrained baseline: it needs 28x28 images of ten classes")
    stand_in = f"the baseline is a stand-in for TF-GAN's classifier: {baseline.note}"
    seen = f"{baseline.name}: {baseline.may_have_seen}"
    return (*search.dataset.notes, *([stand_in] if baseline.is_stand_in else []), seen)


def _data_facts(dataset: Dataset) -> dict[str, object]:
    return {
        "name": dataset.name,
        "source": dataset.source,
        "sha256": dataset.digest,
        "n_train": len(dataset.train.labels),
        "n_validation": len(dataset.validation.labels),
        "n_test": dataset.test.n_examples,
    }


def _shown(path: Path) -> str:
    """A path as short as it can be typed from here."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)
