"""The trials of a study in a database, each read when it can have changed.

    storage = TrialCache(RDBStorage(url), Worker.this())

Optuna's own cache keeps the finished trials and reads every running one anew at each look, which a search takes some
fifty times a trial: among a thousand of them that is all it does. But what a running trial is to others, its
configuration and its seed, is settled once its worker has begun to train it; what follows are signs of life. So a look
asks the database for no more than which trials run, and reads those that are new, have changed their state, have no
settled configuration yet, or are of this very process: other workers' decisions and ends are seen at once, as before.
The signs of life of the others are at most `look_secs` old.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from optuna.storages import RDBStorage, _CachedStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import text

from tuning.trial_attrs import REASON
from tuning.workers import WORKER, Worker, is_other

# A sign of life comes every 20 s and is missed after 120 s (`tuning/workers.py`).
LOOK_SECS = 10.0

_UNFINISHED_OR_NEW = text(
    "SELECT trial_id, state FROM trials "
    "WHERE study_id = :study_id AND (state IN ('RUNNING', 'WAITING') OR trial_id > :newest)"
)


@dataclass
class _Known:
    """What is known of a study's trials, by their ids; the state of an unfinished one is empty until it is settled."""

    newest: int = -1
    unfinished: dict[int, str] = field(default_factory=dict)
    looked_at: float = 0.0


class TrialCache(_CachedStorage):
    """Optuna's cache in front of its database, but for when it reads a running trial.

    Args:
        backend: The database.
        here: This process, whose own trials are read at every look.
        look_secs: How old signs of life of other processes' trials may be, >= 0.
        clock: Seconds; only differences count.
    """

    def __init__(
        self,
        backend: RDBStorage,
        here: Worker,
        look_secs: float = LOOK_SECS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(backend)
        self._here, self._look_secs, self._clock = here, look_secs, clock
        self._known: dict[int, _Known] = {}

    def delete_study(self, study_id: int) -> None:
        """Delete a study, and what is known of it: databases give the same ids again."""
        self._known.pop(study_id, None)
        super().delete_study(study_id)

    def _read_trials_from_remote_storage(self, study_id: int) -> None:
        """What Optuna's cache calls before it answers with what it has."""
        self.get_study_name_from_id(study_id)  # raises KeyError if there is none
        with self._lock:
            known, now = self._known.setdefault(study_id, _Known()), self._clock()
            is_due = now - known.looked_at >= self._look_secs
            trials = self._changed(study_id, known, is_due=is_due)
            self._add_trials_to_cache(study_id, trials)
            self._note(known, trials)
            known.looked_at = now if is_due else known.looked_at

    def _changed(self, study_id: int, known: _Known, *, is_due: bool) -> list[FrozenTrial]:
        """The trials that may have changed since they were read."""
        if known.newest < 0:
            return self._backend._get_trials(study_id, None, set(), -1)
        states = self._unfinished_or_new(study_id, known.newest)
        ended = known.unfinished.keys() - states.keys()
        to_read = {i for i, state in states.items() if is_due or known.unfinished.get(i) != state} | ended
        if not to_read:
            return []
        return self._backend._get_trials(study_id, None, to_read, max(known.newest, *states, *ended))

    def _unfinished_or_new(self, study_id: int, newest: int) -> Mapping[int, str]:
        with self._backend.engine.connect() as connection:
            rows = connection.execute(_UNFINISHED_OR_NEW, {"study_id": study_id, "newest": newest})
            return {row.trial_id: row.state for row in rows}

    def _note(self, known: _Known, trials: list[FrozenTrial]) -> None:
        for trial in trials:
            known.newest = max(known.newest, trial._trial_id)
            if trial.state.is_finished():
                known.unfinished.pop(trial._trial_id, None)
            else:
                known.unfinished[trial._trial_id] = trial.state.name if self._is_settled(trial) else ""

    def _is_settled(self, trial: FrozenTrial) -> bool:
        """Whether nothing but signs of life can change before the trial's state does.

        The reason is what its process writes last before it hands a trial out (`RunningTrials.ask`).
        """
        if trial.state is TrialState.WAITING:
            return True
        return REASON in trial.user_attrs and is_other(trial.user_attrs.get(WORKER), self._here)
