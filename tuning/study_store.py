"""The Optuna study behind a search: opened or created, checked against its fingerprint, cleared of killed trials."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import optuna
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from tuning.errors import StudyError
from tuning.pruner import CatchUpPruner
from tuning.settings import Settings, check_study_name, known_studies, study_dir
from tuning.steady_storage import SteadyStorage
from tuning.storages import open_existing, open_storage
from tuning.strategy.records import Outcome
from tuning.trial_attrs import OUTCOME, OUTCOME_REASON, outcome_of
from tuning.workers import BEAT, WORKER, Witness, Worker, is_gone, is_other

FINGERPRINT = "fingerprint"  # user attribute of a study: what makes its trials comparable
MODEL_SOURCE = "model source"  # in a fingerprint: digest of the source of the user's own model
DATA_ARGUMENT = "data_argument"  # user attribute of a study: what `--data` loads its data again
N_TEST_OPENINGS = "n_test_openings"  # user attribute of a study: how often its test set was opened
SHIPPED_TRIAL = "shipped_trial"  # number of the trial whose weights were compared and exported


def open_study(settings: Settings, sampler: BaseSampler, fingerprint: Mapping[str, Any]) -> Study:
    """Create the study, or open the existing one of that name for more trials.

    Raises:
        StudyError: If a study of that name exists with another fingerprint.
        StorageError: If the storage cannot be reached or written.
    """
    inner = open_storage(settings.storage, settings.study_dir)
    storage = cast("BaseStorage", SteadyStorage(inner, Worker.this().as_attr(), url=settings.storage))
    pruner = CatchUpPruner(settings.max_epochs)
    try:
        # Not `load_if_exists`: that would write before the fingerprint is known to agree.
        study = optuna.load_study(study_name=settings.study, storage=storage, sampler=sampler, pruner=pruner)
    except KeyError:
        study = optuna.create_study(
            study_name=settings.study,
            storage=storage,
            sampler=sampler,
            pruner=pruner,
            direction=settings.goal.direction,
            load_if_exists=True,  # another worker may have been faster
        )
    if FINGERPRINT not in study.user_attrs and study.metric_names is None:
        with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
            study.set_metric_names([settings.goal.name])  # what Optuna's own plots and dashboards call the value
    _settle(study, fingerprint, accept_source=settings.accept_source)
    return study


def _settle(study: Study, fingerprint: Mapping[str, Any], *, accept_source: bool) -> None:
    """Write the fingerprint into a study that has none; otherwise check it, and note a source that is accepted."""
    known = study.user_attrs.get(FINGERPRINT)
    if known is None:
        study.set_user_attr(FINGERPRINT, dict(fingerprint))
    check_fingerprint(study, fingerprint, accept_source=accept_source)
    if known is not None and has_other_source(study, fingerprint.get(MODEL_SOURCE)):
        study.set_user_attr(FINGERPRINT, {**known, MODEL_SOURCE: fingerprint[MODEL_SOURCE]})


def fingerprint_of(study: Study) -> Mapping[str, Any]:
    """What makes the trials of a study comparable.

    Raises:
        StudyError: If it is no study of `python -m tuning.search`.
    """
    fingerprint = study.user_attrs.get(FINGERPRINT)
    if fingerprint is None:
        raise StudyError(f"The study {study.study_name!r} was not run by `python -m tuning.search`: name one that was.")
    return dict(fingerprint)


def check_fingerprint(study: Study, fingerprint: Mapping[str, Any], *, accept_source: bool = False) -> None:
    """Refuse to work on a study with other data, another space or another objective.

    To be called again before the first trial: two processes that create a study at the same moment may both find it
    without a fingerprint, and the one whose own was written first sees only then that the other differs.

    Raises:
        StudyError: If the study's fingerprint differs, with the difference, or the source of the user's model.
    """
    if differences := differing(study.user_attrs[FINGERPRINT], fingerprint):
        raise StudyError(
            f"The study {study.study_name!r} exists with {differences}: resume it with the same settings, "
            "or choose another name with --study."
        )
    if has_other_source(study, fingerprint.get(MODEL_SOURCE)) and not accept_source:
        raise StudyError(
            f"The source of {fingerprint.get('model')} has changed since the study {study.study_name!r} began, so that "
            "new trials would not be comparable with its own: choose another name with --study, or say with "
            "--accept-source that the change makes no difference."
        )


def has_other_source(study: Study, source: object) -> bool:
    """Whether the source of a user's model has changed; not known of studies from before it was written down."""
    known = study.user_attrs[FINGERPRINT].get(MODEL_SOURCE)
    return None not in (known, source) and known != source


def data_argument(given: str | None) -> str | None:
    """What `--data` loads the same data again, wherever the next command runs; None for a data set of its own."""
    return str(Path(given).absolute()) if given and Path(given).is_file() else given


def load_study(root: Path, name: str, storage_url: str | None) -> Study:
    """Open an existing study for reading.

    Raises:
        StudyError: If there is none of that name; the known ones are listed.
        StorageError: If there is no such storage, or it cannot be reached.
    """
    check_study_name(name)  # a storage of somebody else's may hold one that leads out of the folder
    if storage_url is None and name not in known_studies(root):
        raise StudyError(_unknown(name, known_studies(root)))
    storage = open_existing(storage_url, study_dir(root, name))
    try:
        return optuna.load_study(study_name=name, storage=storage)
    except KeyError as error:
        raise StudyError(_unknown(name, optuna.get_all_study_names(storage))) from error


def close_killed(study: Study, here: Worker, witness: Witness | None = None) -> list[FrozenTrial]:
    """Mark the running trials of processes that are gone as failed, with the reason; return them.

    Args:
        study: The study.
        here: This process.
        witness: What it has seen of other machines; None knows of this machine alone.
    """
    killed = []
    for trial in _running(study):
        if is_gone(trial.user_attrs.get(WORKER), here):
            reason = "the process that ran it is gone"
        elif witness is not None and witness.is_lost(trial.number):
            reason = f"{_worker_name(trial)} has shown no sign of life for {witness.grace_secs:g} s"
        else:
            continue
        if _close(study, trial, reason):
            killed.append(trial)
    return killed


def others_running(study: Study, here: Worker, witness: Witness | None = None) -> list[FrozenTrial]:
    """The running trials that other processes began and that are not known to be gone; the witness looks at them."""
    others = [
        trial for trial in _running(study) if is_others(trial, here) and not is_gone(trial.user_attrs.get(WORKER), here)
    ]
    if witness is None:
        return others
    witness.look({trial.number: _signs_of_life(trial) for trial in others})
    return [trial for trial in others if not witness.is_lost(trial.number)]


def is_others(trial: FrozenTrial, here: Worker) -> bool:
    """Whether another process than this one began a trial."""
    return is_other(trial.user_attrs.get(WORKER), here)


def n_before(study: Study, number: int) -> int:
    """How many trials with a smaller number have used up budget or still may."""
    earlier = study.get_trials(deepcopy=False)[:number]
    return sum(outcome_of(trial) is not Outcome.KILLED for trial in earlier)


def _running(study: Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def _signs_of_life(trial: FrozenTrial) -> tuple[object, ...]:
    return trial.user_attrs.get(BEAT), trial.last_step, len(trial.params)


def _worker_name(trial: FrozenTrial) -> str:
    worker = trial.user_attrs.get(WORKER)
    return "its process" if worker is None else f"process {worker['pid']} on {worker['host']}"


def _close(study: Study, trial: FrozenTrial, reason: str) -> bool:
    """Mark a trial of another process as killed; returns whether that was not too late."""
    storage = study._storage  # a trial of another process has no public handle
    try:
        storage.set_trial_user_attr(trial._trial_id, OUTCOME, Outcome.KILLED.value)
        storage.set_trial_user_attr(trial._trial_id, OUTCOME_REASON, reason)
        storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
    except UpdateFinishedTrialError:  # it has ended after all, or a third process was faster
        return False
    return True


def has_enqueued(study: Study) -> bool:
    """Whether somebody has enqueued a trial that no process has begun."""
    return any(trial.state is TrialState.WAITING for trial in study.get_trials(deepcopy=False))


def n_counted(study: Study) -> int:
    """Trials that used up budget: all that ended, but for the killed ones."""
    return sum(outcome_of(trial).counts for trial in study.get_trials(deepcopy=False))


def differing(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """What differs between two fingerprints, in words; empty if nothing does."""
    both = {key: None for key in (*known, *wanted) if key != MODEL_SOURCE}  # which has a message of its own
    keys = [key for key in both if _canonical(known.get(key)) != _canonical(wanted.get(key))]
    return ", ".join(f"{key} {_brief(known.get(key))} instead of {_brief(wanted.get(key))}" for key in keys)


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _brief(value: object) -> str:
    text = value if isinstance(value, str) else _canonical(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _unknown(name: str, known: list[str]) -> str:
    listed = ", ".join(known) if known else "none yet; `python -m tuning.search` runs one"
    return f"There is no study {name!r}. Known studies: {listed}."
