"""An Optuna storage that waits for its server to come back, and that signs every trial that it creates.

    storage = SteadyStorage(open_storage(url, folder), Worker.this().as_attr())

A trial is created together with the name of its worker, in one step: there is no moment in which another process could
take it for one that nobody runs. A server that restarts (or a network that is away) costs a pause, not the study: what
failed is done again, and what may have been done before its answer was lost is looked up first, so that no trial is
created or told twice.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, PendingRollbackError

from tuning.errors import StorageError
from tuning.masking import masked
from tuning.workers import WORKER

_PATIENCE_SECS = 600.0
_FIRST_WAIT_SECS, _LONGEST_WAIT_SECS = 0.2, 10.0

# What Optuna's gRPC proxy answers when it, or the database behind it, is away.
_GRPC_AWAY = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED")
_GRPC_DATABASE_AWAY = "exception is raised during the commit"

_logger = logging.getLogger("tuning.storage")


class SteadyStorage:
    """Passes everything on to a storage, again and again as long as its server is away.

    Args:
        inner: An Optuna storage.
        worker: What new trials carry as their attribute `worker`.
        patience_secs: For how long a server may be away.
        sleep: Waits some seconds.
        clock: Seconds; only differences count.
        url: Of the server, whose password must not be shown when it fails.

    Raises:
        StorageError: From every method, if the server has not come back in time.
    """

    def __init__(
        self,
        inner: BaseStorage,
        worker: Mapping[str, Any],
        patience_secs: float = _PATIENCE_SECS,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        url: str | None = None,
    ) -> None:
        self._inner, self._url = inner, url
        self._worker = dict(worker)
        self._patience_secs, self._sleep, self._clock = patience_secs, sleep, clock
        self._n_created = 0
        self._gave_up: StorageError | None = None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the storage has under that name
        found = getattr(self._inner, name)
        return functools.partial(self._steadily, found) if callable(found) else found

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Create a trial that carries the worker's name, and only one."""
        self._n_created += 1
        signature = {**self._worker, "n_created": self._n_created}  # no other trial has the same
        if template_trial is None:
            template_trial = create_trial(state=TrialState.RUNNING, user_attrs={WORKER: signature})

        def repeated() -> int:
            trials = self._inner.get_all_trials(study_id, deepcopy=False)
            known = (trial._trial_id for trial in trials if trial.user_attrs.get(WORKER) == signature)
            found = next(known, None)
            return self._inner.create_new_trial(study_id, template_trial) if found is None else found

        return int(self._steadily(self._inner.create_new_trial, study_id, template_trial, repeated=repeated))

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """Change a trial's state, and only once."""

        def repeated() -> bool:
            is_done = state.is_finished() and self._inner.get_trial(trial_id).state == state
            return is_done or self._inner.set_trial_state_values(trial_id, state, values)

        return bool(self._steadily(self._inner.set_trial_state_values, trial_id, state, values, repeated=repeated))

    def _steadily(
        self,
        call: Callable[..., Any],
        *args: Any,  # noqa: ANN401 - passed on as they are
        repeated: Callable[[], Any] | None = None,
        **kwargs: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        if self._gave_up is not None:
            raise self._gave_up
        try:
            return call(*args, **kwargs)
        except Exception as error:
            if not is_outage(error):
                raise
            first = error
        _logger.warning("The Optuna storage does not answer (%s): waiting for it.", _short(first, self._url))
        value = self._until_it_answers(repeated or functools.partial(call, *args, **kwargs), first)
        _logger.warning("The Optuna storage answers again.")
        return value

    def _until_it_answers(self, call: Callable[[], Any], error: Exception) -> Any:  # noqa: ANN401
        deadline, wait_secs = self._clock() + self._patience_secs, _FIRST_WAIT_SECS
        while self._clock() < deadline:
            self._sleep(wait_secs)
            wait_secs = min(2 * wait_secs, _LONGEST_WAIT_SECS)
            try:
                return call()
            except Exception as again:
                if not is_outage(again):
                    raise
                error = again
        self._gave_up = StorageError(
            f"The Optuna storage has not answered for {self._patience_secs:g} s ({_short(error, self._url)}): bring it "
            "back, and resume the study with the same command."
        )
        raise self._gave_up from error


def is_outage(error: BaseException) -> bool:
    """Whether a storage's error means that its server is away and may come back."""
    if isinstance(error, StorageInternalError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, PendingRollbackError) and error.__context__ is not None:
        error = error.__context__  # Optuna repeats a query that has failed; on a lost connection, this comes of it
    if isinstance(error, DBAPIError):
        text = str(error.orig)
        if "sqlite" in type(error.orig).__module__:
            return "locked" in text
        return error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError))
    if type(error).__module__.startswith("grpc"):
        code = getattr(error, "code", lambda: None)()
        return getattr(code, "name", "") in _GRPC_AWAY or _GRPC_DATABASE_AWAY in str(error)
    return False


def _short(error: BaseException, url: str | None) -> str:
    cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ is not None else error
    cause = getattr(cause, "orig", None) or cause
    lines = str(cause).strip().splitlines()
    return masked(lines[0], url) if lines else type(cause).__name__
