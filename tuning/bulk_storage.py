"""Optuna's database storage that reads a whole study by plain rows.

Optuna reads trials as objects of SQLAlchemy, one for each attribute, parameter and reported value: half a million for
10,000 trials, which takes ten seconds. Rows hold the same in a fraction of that (`benchmarks.resume`).
"""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages import RDBStorage
from optuna.storages._rdb import models  # the tables have no public name
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, select
from sqlalchemy.orm import InstrumentedAttribute

_Parts = dict[int, dict[Any, Any]]
"""What belongs to a trial, by the trial's id."""

_distribution = functools.lru_cache(maxsize=1024)(json_to_distribution)
_scalar = functools.lru_cache(maxsize=16_384)(json.loads)


class BulkRDBStorage(RDBStorage):
    """Optuna's `RDBStorage`, faster when it reads all trials of a study; what it returns is the same."""

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        if trial_id_greater_than < 0:  # otherwise some trials are known: few are left to read
            with self.engine.connect() as connection:
                trials = [each for each in _trials(connection, study_id) if states is None or each.state in states]
            if trials:
                return trials
        return super()._get_trials(study_id, states, included_trial_ids, trial_id_greater_than)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Among them a note for every trial (`tuning/dashboard_notes.py`).

        Raises:
            KeyError: If there is no such study.
        """
        table = models.StudySystemAttributeModel
        with self.engine.connect() as connection:
            rows = connection.execute(select(table.key, table.value_json).where(table.study_id == study_id)).all()
        return {key: json.loads(text) for key, text in rows} if rows else super().get_study_system_attrs(study_id)


def _trials(connection: Connection, study_id: int) -> Iterator[FrozenTrial]:
    """The trials of a study, by their ids; a trial's row is read before what belongs to it, which may still grow."""
    trial, value, step = models.TrialModel, models.TrialValueModel, models.TrialIntermediateValueModel
    own = (trial.trial_id, trial.number, trial.state, trial._datetime_start_utc, trial._datetime_complete_utc)
    rows = connection.execute(select(*own).where(trial.study_id == study_id).order_by(trial.trial_id)).all()
    values = _parts(connection, study_id, value.objective, value.value, value.value_type)
    steps = _parts(connection, study_id, step.step, step.intermediate_value, step.intermediate_value_type)
    params, distributions = _params(connection, study_id)
    user_attrs = _attrs(connection, study_id, models.TrialUserAttributeModel)
    system_attrs = _attrs(connection, study_id, models.TrialSystemAttributeModel)
    for trial_id, number, state, started, completed in rows:
        # Their own columns hold UTC; the model shows the local time.
        dates = models.TrialModel(_datetime_start_utc=started, _datetime_complete_utc=completed)
        reached = [value.stored_repr_to_value(*stored) for _, stored in sorted(values[trial_id].items())]
        yield FrozenTrial(
            number=number,
            state=state,
            value=None,
            values=reached or None,
            datetime_start=dates.datetime_start,
            datetime_complete=dates.datetime_complete,
            params=params[trial_id],
            distributions=distributions[trial_id],
            user_attrs=user_attrs[trial_id],
            system_attrs=system_attrs[trial_id],
            intermediate_values={
                at: step.stored_repr_to_intermediate_value(*stored) for at, stored in steps[trial_id].items()
            },
            trial_id=trial_id,
        )


def _rows_of(connection: Connection, study_id: int, *columns: InstrumentedAttribute[Any]) -> Sequence[Any]:
    """A trial's id, then these columns, of every row of their table that belongs to the study; as they were added."""
    table = columns[0].class_
    chosen = select(table.trial_id, *columns).join(models.TrialModel, models.TrialModel.trial_id == table.trial_id)
    ordered = chosen.where(models.TrialModel.study_id == study_id).order_by(*table.__table__.primary_key)
    return connection.execute(ordered).all()


def _parts(connection: Connection, study_id: int, *columns: InstrumentedAttribute[Any]) -> _Parts:
    """By the first of these columns, the other ones."""
    found: _Parts = defaultdict(dict)
    for trial_id, key, *stored in _rows_of(connection, study_id, *columns):
        found[trial_id][key] = stored
    return found


def _params(connection: Connection, study_id: int) -> tuple[_Parts, _Parts]:
    """Parameters and their distributions."""
    table = models.TrialParamModel
    params: _Parts = defaultdict(dict)
    distributions: _Parts = defaultdict(dict)
    for trial_id, name, value, text in _rows_of(
        connection, study_id, table.param_name, table.param_value, table.distribution_json
    ):
        distribution: BaseDistribution = _distribution(text)
        distributions[trial_id][name] = distribution
        params[trial_id][name] = distribution.to_external_repr(value)
    return params, distributions


def _attrs(connection: Connection, study_id: int, table: type[Any]) -> _Parts:
    found: _Parts = defaultdict(dict)
    for trial_id, key, text in _rows_of(connection, study_id, table.key, table.value_json):
        # Lists and objects can be changed by who reads them, so every trial has its own.
        found[trial_id][key] = json.loads(text) if text[:1] in "[{" or len(text) > 64 else _scalar(text)
    return found
