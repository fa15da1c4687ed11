"""Optuna's journal storage that opens a long journal quickly.

A search writes some forty lines a trial. Optuna reads them one by one, and copies a trial before each, because somebody
may hold the one that it was; while a journal is opened nobody does. For 10,000 trials that is five of seven seconds.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._storage import JournalStorageReplayResult  # has no public name
from optuna.trial import FrozenTrial

_Log = dict[str, Any]

_N_LINES = 1_000  # are read at once

_distribution = functools.lru_cache(maxsize=1024)(json_to_distribution)


class BulkJournalStorage(JournalStorage):
    """Optuna's `JournalStorage`, opened faster; what it returns is the same."""

    def _sync_with_backend(self) -> None:
        if self._replay_result.log_number_read > 0:
            super()._sync_with_backend()
            return
        opening = _Opening(self._worker_id_prefix)
        opening.apply_logs(self._backend.read_logs(0))
        self._replay_result = opening.result()


class BulkJournalFile(JournalFileBackend):
    """Optuna's journal file, read faster from its beginning."""

    def read_logs(self, log_number_from: int) -> Iterator[_Log]:  # type: ignore[override]  # which wants a generator
        """What the lines from this number on say."""
        n_read = log_number_from
        if log_number_from == 0:
            with Path(self._file_path).open("rb") as file:
                while logs := _next_logs(file):
                    n_read += len(logs)
                    self._log_number_offset[n_read] = file.tell()
                    yield from logs
        yield from super().read_logs(n_read)


def _next_logs(file: IO[bytes]) -> list[_Log]:
    """The next lines of a journal; none at its end, or where one is broken or not whole yet: those Optuna reads."""
    lines = list(itertools.islice(file, _N_LINES))
    if not lines or not lines[-1].endswith(b"\n"):
        return []
    try:
        return list(json.loads(b"[%b]" % b",".join(lines)))
    except ValueError:
        return []


class _Opening(JournalStorageReplayResult):
    """What the lines of a journal come to; each of them changes a trial or a study in its place."""

    def __init__(self, worker_id_prefix: str) -> None:
        super().__init__(worker_id_prefix)
        self._accepted: dict[tuple[int, str], BaseDistribution] = {}

    def result(self) -> JournalStorageReplayResult:
        """The same as Optuna goes on with: who is given a trial from now on keeps it as it is."""
        result = JournalStorageReplayResult(self._worker_id_prefix)
        vars(result).update({name: value for name, value in vars(self).items() if name in vars(result)})
        return result

    def _apply_set_study_user_attr(self, log: _Log) -> None:
        if self._study_exists(log["study_id"], log):
            self._studies[log["study_id"]].user_attrs.update(log["user_attr"])

    def _apply_set_study_system_attr(self, log: _Log) -> None:
        if self._study_exists(log["study_id"], log):
            self._studies[log["study_id"]].system_attrs.update(log["system_attr"])

    def _apply_set_trial_param(self, log: _Log) -> None:
        trial = self._updatable(log)
        if trial is None:
            return
        name, distribution = log["param_name"], _distribution(log["distribution"])
        study_id = self._trial_id_to_study_id[log["trial_id"]]
        if self._accepted.get((study_id, name)) is distribution:
            trial._params[name] = distribution.to_external_repr(log["param_value_internal"])
            trial._distributions[name] = distribution
            return
        super()._apply_set_trial_param(log)  # refuses one that does not fit the others of that name
        if self._trials[log["trial_id"]].distributions.get(name) == distribution:
            self._accepted[study_id, name] = distribution

    def _apply_set_trial_intermediate_value(self, log: _Log) -> None:
        if trial := self._updatable(log):
            trial.intermediate_values[log["step"]] = log["intermediate_value"]

    def _apply_set_trial_user_attr(self, log: _Log) -> None:
        if trial := self._updatable(log):
            trial._user_attrs.update(log["user_attr"])

    def _apply_set_trial_system_attr(self, log: _Log) -> None:
        if trial := self._updatable(log):
            trial._system_attrs.update(log["system_attr"])

    def _updatable(self, log: _Log) -> FrozenTrial | None:
        """The trial that a line changes; None where it must not."""
        return self._trials[log["trial_id"]] if self._trial_exists_and_updatable(log["trial_id"], log) else None
