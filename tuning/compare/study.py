"""One study of a comparison from its first trial to its record: search, confirm, open the test set once, write down."""

from __future__ import annotations

import shutil
import time

from tuning import processes
from tuning.compare.opening import ComparedStudy
from tuning.compare.record import Scores, StudyRecord, is_scored, moments_of, validation_of
from tuning.compare.sampler import is_confirmation
from tuning.compare.tuner_loop import TunerLoop
from tuning.errors import StorageError, StudyError
from tuning.running import View
from tuning.search_loop import SearchLoop
from tuning.study_store import N_TEST_OPENINGS, SHIPPED_TRIAL
from tuning.tracking.events import StudyEnd
from tuning.trial_attrs import OUTCOME_REASON


def run_study(compared: ComparedStudy, view: View) -> StudyRecord:
    """Run or resume a study to its end.

    Raises:
        StudyError: If no trial gave a value: there is nothing to compare.
        SearchError: If its surroundings are unusable.
        KeyboardInterrupt: On Ctrl-C; the study can be resumed.
    """
    if compared.engine.tuner is None:
        stop_reason = SearchLoop(compared, view, begun=time.monotonic()).run()
    else:
        stop_reason = TunerLoop(compared, view).run()
    record = _record(compared, stop_reason)
    record.write(compared.settings.study_dir)  # from now on this study's test set stays closed
    shutil.rmtree(compared.weights.folder, ignore_errors=True)
    if news := _mirror_end(compared, record):
        view.say(f"   note: {news}")
    return record


def _record(compared: ComparedStudy, stop_reason: str) -> StudyRecord:
    study, settings = compared.study, compared.settings
    trials = study.get_trials(deepcopy=False)
    ranking = compared.sampler.ranking(study)
    if not ranking:
        why = trials[-1].user_attrs.get(OUTCOME_REASON, "") if trials else stop_reason
        raise StudyError(f"No trial of the study {settings.study!r} gave a value (the last one: {why}).")
    shipped = ranking[0]
    moments = tuple(moments_of(trials, compared.rank, shipped))
    wanted = sorted({shipped} | {each.shipped for each in moments if each.shipped is not None})
    study.set_user_attr(SHIPPED_TRIAL, shipped)
    return StudyRecord(
        sampler=compared.engine.name,
        repeat=compared.repeat,
        seed=settings.seed,
        stop_reason=stop_reason,
        moments=moments,
        shipped=shipped,
        params=dict(trials[shipped].params),
        validation={number: validation_of(trials[number]) for number in wanted if is_scored(trials[number])},
        test=_tested(compared, wanted),
        n_confirm=sum(is_confirmation(trial) for trial in trials),
        task=compared.dataset.task.value,
    )


def _tested(compared: ComparedStudy, numbers: list[int]) -> dict[int, Scores]:
    """Open the test set, once, for all models that were ever to be shipped."""
    study, trials = compared.study, compared.study.get_trials(deepcopy=False)
    # Counted before it is opened: a kill in between must not hide an opening.
    study.set_user_attr(N_TEST_OPENINGS, study.user_attrs.get(N_TEST_OPENINGS, 0) + 1)
    test = compared.dataset.test.open()
    configurations = {number: dict(trials[number].params) for number in numbers}
    task = (compared.model, compared.dataset.for_training, test, compared.weights.folder, configurations)
    scores: dict[int, Scores] = processes.call("tuning.compare.scores", "scored", *task).result()
    return scores


def _mirror_end(compared: ComparedStudy, record: StudyRecord) -> str:
    """Tell MLflow how the study ended; returns what went wrong."""
    test, goal = record.test[record.shipped], compared.settings.goal
    best = compared.study.get_trials(deepcopy=False)[record.shipped]
    metrics = {
        f"best_{goal.name}": float(best.value or 0.0),
        "test_loss": test.loss,
        "test_error": test.error,
        f"test_{compared.dataset.task.score}": 1.0 - test.error,
        "n_trials": record.n_trials,
        "n_confirm": record.n_confirm,
        "elapsed_secs": record.secs,
    }
    tags = {"sampler": record.sampler, "comparison": compared.plan.name, "stop_reason": record.stop_reason}
    tags |= {"best_trial": str(record.shipped)}
    note = (
        f"**{record.sampler}**, repeat {record.repeat + 1} of the comparison {compared.plan.name}: trial "
        f"{record.shipped} is shipped, {record.result}. It stopped because {record.stop_reason}."
    )
    try:
        compared.mirror.finish(StudyEnd("FINISHED", metrics, tags, note), compared.settings.study_dir)
    except StorageError as error:
        return str(error)
    return ""
