"""The study as optuna-dashboard shows it: a note for every trial, and the report as the note of the study.

    study.optimize(objective, n_trials=50, callbacks=[NoteCallback("val_loss")])

A note lies in the system attributes of the *study*, so that it can be written after its trial has ended, when the
trial itself is immutable: `dashboard:ID:note_str:0`, `...:1` and so on are its pieces, `dashboard:ID:note_ver` counts
how often it was written; without an ID they are the study's. The dashboard has kept this format since it has notes
(2022), and it is small: who does not use the dashboard does not have to install it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial

from tuning.strategy.actions import Goal
from tuning.trial_attrs import decision_of, is_maximized
from tuning.trial_notes import trial_note

_PIECE_CHARS = 2045  # what a database of Optuna's takes in one attribute

# A process that was killed leaves its newest trials without a note; a long past from before there were notes is left.
_N_CAUGHT_UP = 100

# So many notes are looked up before every new one, for what a person may have written meanwhile. Of a longer study they
# are not, because they can only be read all at once.
_N_LOOKED_UP = 1_000

_OWN_VERSION = "overfit_backoff:note_ver"  # system attribute of a study: which version of its note is ours


class NoteCallback:
    """Writes why each trial was tried and what it showed, where optuna-dashboard shows it.

    A note that is there already, perhaps a person's own, is left as it is.

    Args:
        monitor: What the objective is called.
    """

    def __init__(self, monitor: str = "objective") -> None:
        self._monitor = monitor
        self._noted: dict[str, set[int]] = {}  # of each study, the identifiers of the trials that have a note

    def __call__(self, study: Study, trial: FrozenTrial) -> None:
        """Write the note of a trial that has ended, unless it has one."""
        noted = self._noted_in(study)
        if trial._trial_id in noted:
            return
        base = decision_of(trial).get("base")
        origin = None if base is None else study.get_trials(deepcopy=False)[base]
        note = trial_note(trial, origin, Goal(self._monitor, is_maximized(study)))
        _write(study, note, version=1, trial_id=trial._trial_id)
        noted.add(trial._trial_id)

    def catch_up(self, study: Study) -> None:
        """Write the missing notes of the newest trials that have ended."""
        ended = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
        for trial in ended[-_N_CAUGHT_UP:]:
            self(study, trial)

    def _noted_in(self, study: Study) -> set[int]:
        noted = self._noted.setdefault(study.study_name, set())
        if len(noted) < _N_LOOKED_UP:
            keys = (key.split(":") for key in _attrs(study) if key.endswith(":note_ver"))
            noted.update(int(key[1]) for key in keys if len(key) == 3 and key[0] == "dashboard")
        return noted


def save_study_note(study: Study, note: str) -> bool:
    """Write the note of a study; returns False if a person has written there since, whose words are left alone.

    Args:
        study: The study.
        note: As markdown.
    """
    attrs = _attrs(study)
    version = int(attrs.get("dashboard:note_ver", 0))
    if version not in (0, attrs.get(_OWN_VERSION)):
        return False
    _write(study, note, version + 1, n_before=sum(key.startswith("dashboard:note_str:") for key in attrs))
    study._storage.set_study_system_attr(study._study_id, _OWN_VERSION, version + 1)
    return True


def _attrs(study: Study) -> Mapping[str, Any]:
    # Private, but the way of Optuna's own samplers: Optuna 5 has no public name for system attributes.
    return study._storage.get_study_system_attrs(study._study_id)


def _write(study: Study, note: str, version: int, *, trial_id: int | None = None, n_before: int = 0) -> None:
    """Write the pieces and then the version, without which they are not shown; what is left of a longer one is emptied.

    Args:
        study: The study.
        note: As markdown.
        version: One more than that of the note before.
        trial_id: Optuna's identifier of the trial; None for the note of the study.
        n_before: Pieces of the note before.
    """
    prefix = "dashboard:" if trial_id is None else f"dashboard:{trial_id}:"
    pieces = [note[start : start + _PIECE_CHARS] for start in range(0, len(note), _PIECE_CHARS)]
    for i, piece in enumerate([*pieces, *[""] * (n_before - len(pieces))]):
        study._storage.set_study_system_attr(study._study_id, f"{prefix}note_str:{i}", piece)
    study._storage.set_study_system_attr(study._study_id, f"{prefix}note_ver", version)
