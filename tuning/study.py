"""A search from beginning to end: what happens in which order.

    check everything -> [decide -> train -> diagnose -> record -> mirror]* -> compare on the test set -> export

Nothing is written before everything was checked; from then on every step can be killed and done again.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from models.pretrained import BaselineError, PretrainedBaseline, applies_to, load_baseline
from search_spaces import SearchSpace, mlp_space
from tuning import finals
from tuning.console import SearchView, result_text
from tuning.data import Dataset
from tuning.engine.training import Engine
from tuning.errors import SettingsError
from tuning.exporting import Exported, check_target, export_model
from tuning.mirror import Mirror
from tuning.report import markdown, save_picture
from tuning.result import SearchResult, write_json
from tuning.sampler import OverfitBackoffSampler
from tuning.settings import Settings
from tuning.strategy.policy import Stop
from tuning.study_store import DATA_ARGUMENT, N_TEST_OPENINGS, close_killed, n_counted, open_study
from tuning.tracking import DatasetFacts, Store, Tracker
from tuning.tracking_store import check as check_store
from tuning.trial_run import TrialRunner
from tuning.weights import WeightStore
from tuning.workers import Worker

RESULT_FILE = "result.json"
TEXT_FILE = "result.txt"  # the same as it was printed


@dataclass(frozen=True)
class Search:
    """Everything that a running search holds."""

    settings: Settings
    dataset: Dataset
    space: SearchSpace
    baseline: PretrainedBaseline | None
    study: Study
    engine: Engine
    weights: WeightStore
    mirror: Mirror
    sampler: OverfitBackoffSampler


def run_search(settings: Settings, dataset: Dataset) -> None:
    """Run or resume a search and print its result.

    Args:
        settings: Checked settings.
        dataset: The data, its test set still sealed.

    Raises:
        SearchError: For bad input or unusable surroundings, before anything is written.
        KeyboardInterrupt: On Ctrl-C; the study can be resumed.
    """
    begun = time.monotonic()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    search = _open(settings, dataset)
    with SearchView(settings.goal, settings.n_trials, settings.max_epochs, quiet=settings.quiet) as view:
        _say_facts(search, view)
        try:
            stop_reason = _run_trials(search, view, begun)
        except KeyboardInterrupt:
            view.say(f"\nInterrupted. Resume with: python -m tuning.search --study {settings.study}")
            raise
        if not _complete(search.study):
            view.say(f"\nNothing to compare: {stop_reason}, and no trial gave a value.")
            return
        text = _recorded(search)
        if text is None:
            view.say("\nComparing the tuned model with the others on the test set ...")
            text = _finish(search, stop_reason, begun)
    view.result(text)
    view.say(f"See every trial: mlflow ui  (in {settings.root})")


def _open(settings: Settings, dataset: Dataset) -> Search:
    """Check everything that can be wrong, then create what is missing."""
    check_target(_export_dir(settings))
    check_store(_store(settings))
    baseline = _load_baseline(settings, dataset)
    space = mlp_space()
    sampler = OverfitBackoffSampler(space, settings.seed, settings.goal.name)
    fingerprint = {
        "data": dataset.name,
        "data digest": dataset.digest,
        "space": space.fingerprint(),
        "objective": settings.objective,
        "epochs": settings.max_epochs,
        "seed": settings.seed,
    }
    study = open_study(settings, sampler, fingerprint)
    study.set_user_attr(
        DATA_ARGUMENT,
        str(Path(settings.data).absolute()) if settings.data and Path(settings.data).is_file() else dataset.name,
    )
    tracker = _open_tracker(settings, dataset)
    mirror = Mirror(tracker, study, settings.goal)
    close_killed(study, Worker.this())
    mirror.catch_up()
    engine = Engine(dataset.train.inputs, dataset.train.labels, dataset.validation.inputs, dataset.validation.labels)
    weights = WeightStore(settings.study_dir / "weights")
    return Search(settings, dataset, space, baseline, study, engine, weights, mirror, sampler)


def _run_trials(search: Search, view: SearchView, begun: float) -> str:
    """Run trials until the budget is used up, the time is over, or nothing is left to try; returns which."""
    settings, study = search.settings, search.study
    runner = TrialRunner(study, search.space, search.dataset, search.engine, settings, search.weights, Worker.this())
    view.resume(n_counted(study))
    while True:
        if n_counted(study) >= settings.n_trials:
            return f"its budget of {settings.n_trials} trials is used up"
        if settings.timeout_secs is not None and time.monotonic() - begun > settings.timeout_secs:
            return f"its time of {settings.timeout_secs:g} s is over"
        action = search.sampler.next_action(study)
        if isinstance(action, Stop):
            return action.reason
        try:
            number = runner.run(view)
        finally:
            _mirror_latest(search)
        view.ended(study.get_trials(deepcopy=False)[number], _best(study))
        if _complete(study):
            search.weights.clean(study.best_trial.number)


def _mirror_latest(search: Search) -> None:
    latest = search.study.get_trials(deepcopy=False)[-1]
    if latest.state.is_finished():
        search.mirror.trial(latest.number)


def _recorded(search: Search) -> str | None:
    """The result of this study as it was printed, if no trial was added since: the test set then stays closed."""
    try:
        recorded = json.loads((search.settings.study_dir / RESULT_FILE).read_text(encoding="utf-8"))
        text = (search.settings.study_dir / TEXT_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    unchanged = recorded["n_trials"] == n_counted(search.study) and _export_dir(search.settings).is_dir()
    return text if unchanged else None


def _finish(search: Search, stop_reason: str, begun: float) -> str:
    """Train the hand-made model, open the test set, compare, export, and write all of it down."""
    settings, dataset, best = search.settings, search.dataset, search.study.best_trial
    model = finals.best_model(dataset, best.params, settings.seed)
    search.weights.load(best.number, model)
    finalists = [finals.hand_made_finalist(search.engine, dataset, settings.seed)]
    if search.baseline is not None:
        finalists.insert(0, finals.baseline_finalist(search.baseline))
    finalists.append(finals.tuned_finalist(model, best.params, best.user_attrs["train_secs"]))
    # Counted before it is opened: a kill in between must not hide an opening.
    n_openings = search.study.user_attrs.get(N_TEST_OPENINGS, 0) + 1
    search.study.set_user_attr(N_TEST_OPENINGS, n_openings)
    models, paired = finals.compare(finalists, dataset)
    about = {"study": settings.study, "trial": best.number, "params": best.params, "data_sha256": dataset.digest}
    exported = export_model(model, _export_dir(settings), dataset.validation.inputs[:1000], about)
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
        notes=_notes(search),
        elapsed_secs=time.monotonic() - begun,
    )
    return _write(search, result, exported)


def _write(search: Search, result: SearchResult, exported: Exported) -> str:
    """Write the result into the study's folder, beside the export, and into MLflow; returns it as text."""
    folder = search.settings.study_dir
    text = result_text(result, f"{_shown(exported.folder)} ({', '.join(exported.files)})")
    for path in (folder / RESULT_FILE, exported.folder / RESULT_FILE):
        write_json(path, result.as_dict())
    trials = search.study.get_trials(deepcopy=False)
    picture = save_picture(folder / "study.png", trials, search.settings, search.space)
    note = markdown(result, trials, search.settings)
    search.mirror.finish(result, note, [folder / RESULT_FILE, picture])
    # Last: with this file the study counts as finished.
    (folder / TEXT_FILE).write_text(text, encoding="utf-8")
    return text


def _load_baseline(settings: Settings, dataset: Dataset) -> PretrainedBaseline | None:
    if not applies_to(dataset.input_shape, dataset.n_classes):
        if settings.baseline is not None:
            raise SettingsError(
                f"`--baseline` needs 28x28 images of ten classes, got {dataset.input_shape} with "
                f"{dataset.n_classes} classes: leave it out."
            )
        return None
    try:
        return load_baseline(settings.baseline, cache_dir=Path(tempfile.gettempdir()) / "tfhub_modules")
    except BaselineError as error:
        raise SettingsError(str(error)) from error


def _store(settings: Settings) -> Store:
    uri = settings.tracking_uri or f"sqlite:///{settings.root / 'mlflow.db'}"
    goal = settings.goal
    return Store(uri, settings.root / "mlruns", settings.experiment, f"best_{goal.name}", goal.maximize)


def _open_tracker(settings: Settings, dataset: Dataset) -> Tracker:
    tracker = Tracker(_store(settings), settings.study)
    facts = DatasetFacts(
        dataset.name,
        dataset.digest,
        dataset.source,
        len(dataset.train.labels),
        len(dataset.validation.labels),
        dataset.test.n_examples,
    )
    params: dict[str, str | int] = {
        "objective": settings.objective,
        "epochs": settings.max_epochs,
        "seed": settings.seed,
    }
    tracker.open_study(tags={"objective": settings.objective}, params=params, dataset=facts)
    return tracker


def _say_facts(search: Search, view: SearchView) -> None:
    dataset, settings = search.dataset, search.settings
    sizes = f"{len(dataset.train.labels)} train, {len(dataset.validation.labels)} validation"
    view.say(f"study {settings.study}: {settings.goal.direction} {settings.goal.name}")
    view.say(f"data {dataset.name} ({dataset.source}): {sizes}, {dataset.test.n_examples} test (sealed)")
    for note in _notes(search):
        view.say(f"note: {note}")


def _notes(search: Search) -> tuple[str, ...]:
    baseline = search.baseline
    if baseline is None:
        return (*search.dataset.notes, "no pretrained baseline: it needs 28x28 images of ten classes")
    if baseline.is_stand_in:
        return (*search.dataset.notes, f"the baseline is a stand-in for TF-GAN's classifier: {baseline.note}")
    return search.dataset.notes


def _data_facts(dataset: Dataset) -> dict[str, object]:
    return {
        "name": dataset.name,
        "source": dataset.source,
        "sha256": dataset.digest,
        "n_train": len(dataset.train.labels),
        "n_validation": len(dataset.validation.labels),
        "n_test": dataset.test.n_examples,
    }


def _complete(study: Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _best(study: Study) -> FrozenTrial | None:
    return study.best_trial if _complete(study) else None


def _export_dir(settings: Settings) -> Path:
    return (settings.export_dir or settings.root / "exports" / settings.study).absolute()


def _shown(path: Path) -> str:
    """A path as short as it can be typed from here."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)
