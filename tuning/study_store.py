"""The Optuna study behind a search: opened or created, checked against its fingerprint, cleared of killed trials."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from tuning.errors import StorageError, StudyError, masked
from tuning.pruner import CatchUpPruner
from tuning.sampler import OverfitBackoffSampler
from tuning.settings import Settings, known_studies
from tuning.strategy.history import Outcome
from tuning.trial_attrs import OUTCOME, OUTCOME_REASON, outcome_of
from tuning.workers import WORKER, Worker, is_alive_elsewhere, is_gone

FINGERPRINT = "fingerprint"  # user attribute of a study: what makes its trials comparable
DATA_ARGUMENT = "data_argument"  # user attribute of a study: what `--data` loads its data again
N_TEST_OPENINGS = "n_test_openings"  # user attribute of a study: how often its test set was opened
SHIPPED_TRIAL = "shipped_trial"  # number of the trial whose weights were compared and exported

# A lock that outlived its process (kill -9) is broken after this long; writing a line takes milliseconds.
_LOCK_GRACE_SECS = 10


def open_storage(url: str | None, study_dir: Path) -> BaseStorage:
    """Open the storage of a study: an RDB by its URL, otherwise a journal file in the study's folder.

    Raises:
        StorageError: If it cannot be reached or written.
    """
    try:
        if url is not None and "://" in url:
            return RDBStorage(url)
        path = study_dir / "optuna.journal" if url is None else Path(url).absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = JournalFileSymlinkLock(str(path), grace_period=_LOCK_GRACE_SECS)
        return JournalStorage(JournalFileBackend(str(path), lock))
    except Exception as error:  # SQLAlchemy, its drivers and the file system each have errors of their own
        where = "the study's folder" if url is None else masked(url)
        hint = "check that it exists and can be written, or choose another with --storage"
        raise StorageError(f"The Optuna storage {where} cannot be used ({_short(error)}): {hint}.") from error


def open_study(settings: Settings, sampler: OverfitBackoffSampler, fingerprint: Mapping[str, Any]) -> Study:
    """Create the study, or open the existing one of that name for more trials.

    Raises:
        StudyError: If a study of that name exists with another fingerprint.
        StorageError: If the storage cannot be reached or written.
    """
    storage = open_storage(settings.storage, settings.study_dir)
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
    known = study.user_attrs.get(FINGERPRINT)
    if known is None:
        study.set_user_attr(FINGERPRINT, dict(fingerprint))
    elif differences := differing(known, fingerprint):
        raise StudyError(
            f"The study {settings.study!r} exists with {differences}: resume it with the same settings, "
            "or choose another name with --study."
        )
    return study


def load_study(root: Path, name: str, storage_url: str | None) -> Study:
    """Open an existing study for reading.

    Raises:
        StudyError: If there is none of that name; the known ones are listed.
    """
    if storage_url is None and name not in known_studies(root):
        raise StudyError(_unknown(name, known_studies(root)))
    storage = open_storage(storage_url, root / "mlruns" / "studies" / name)
    try:
        return optuna.load_study(study_name=name, storage=storage)
    except KeyError as error:
        raise StudyError(_unknown(name, optuna.get_all_study_names(storage))) from error


def close_killed(study: Study, here: Worker) -> list[FrozenTrial]:
    """Mark the running trials of processes that are gone as failed, with the reason; return them."""
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    killed = [trial for trial in running if is_gone(trial.user_attrs.get(WORKER), here)]
    for trial in killed:
        storage = study._storage  # a trial of another process has no public handle
        storage.set_trial_user_attr(trial._trial_id, OUTCOME, Outcome.KILLED.value)
        storage.set_trial_user_attr(trial._trial_id, OUTCOME_REASON, "the process that ran it is gone")
        storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
    return killed


def others_running(study: Study, here: Worker) -> list[FrozenTrial]:
    """The running trials that other living processes of this host began; of another host nothing can be known."""
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return [trial for trial in running if is_alive_elsewhere(trial.user_attrs.get(WORKER), here)]


def n_counted(study: Study) -> int:
    """Trials that used up budget: all that ended, but for the killed ones."""
    return sum(outcome_of(trial).counts for trial in study.get_trials(deepcopy=False))


def differing(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """What differs between two fingerprints, in words; empty if nothing does."""
    keys = [key for key in {**known, **wanted} if _canonical(known.get(key)) != _canonical(wanted.get(key))]
    return ", ".join(f"{key} {_brief(known.get(key))} instead of {_brief(wanted.get(key))}" for key in keys)


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _brief(value: object) -> str:
    text = value if isinstance(value, str) else _canonical(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _unknown(name: str, known: list[str]) -> str:
    listed = ", ".join(known) if known else "none yet; `python -m tuning.search` runs one"
    return f"There is no study {name!r}. Known studies: {listed}."


def _short(error: Exception) -> str:
    return masked(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)
