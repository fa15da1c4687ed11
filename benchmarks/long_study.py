"""A study of thousands of trials, made of a real one: its first trial many times over, with other configurations.

Trained one after the other, 10,000 trials would take hours. Everything that a trial carries in Optuna's storage and in
MLflow's database is copied; parameters, value and keys are new.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._rdb import models
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial
from sqlalchemy import Connection, bindparam, select, text

from search_spaces import SearchSpace, mlp_space

Params = Mapping[str, object]
Runs = Sequence[tuple[Params, float]]
Log = dict[str, Any]

_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :n)"
_COPIED = {  # tables of Optuna's database, and what of a trial's rows is copied as it is
    "trial_user_attributes": "key, value_json",
    "trial_system_attributes": "key, value_json",
    "trial_intermediate_values": "step, intermediate_value, intermediate_value_type",
    "trial_values": "objective, value, value_type",
    "trial_params": "param_name, param_value, distribution_json",
}
_MLFLOW_TABLES = ("metrics", "latest_metrics", "params", "tags")


def made_up_runs(n: int, space: SearchSpace | None = None) -> Runs:
    """Configurations, and losses of a bowl with some luck."""
    levers, rng = (space or mlp_space()), np.random.default_rng(0)
    found = []
    for _ in range(n):
        params = levers.params(tuple(float(rng.choice(lever.grid())) for lever in levers.levers))
        bowl = 0.05 + 0.01 * abs(np.log2(float(params["units"])) - 8) + 0.1 * (float(params["dropout"]) - 0.2) ** 2
        found.append((dict(params), float(bowl + abs(rng.normal(0.0, 0.01)))))
    return found


def multiply(storage: BaseStorage, name: str, runs: Runs) -> None:
    """Add a copy of the study's first trial, and of its note, for each of these configurations and values."""
    first = optuna.load_study(study_name=name, storage=storage).trials[0]
    inner = getattr(storage, "_backend", None)
    if isinstance(inner, RDBStorage):
        with inner.engine.begin() as connection:
            _multiply_rows(connection, first, runs)
    elif isinstance(inner, BaseJournalBackend):
        inner.append_logs(list(_multiplied_logs(list(inner.read_logs(0)), first, runs)))
    else:
        raise TypeError(f"A journal or a database, got {storage!r}.")


def _multiplied_logs(logs: Sequence[Log], first: FrozenTrial, runs: Runs) -> Iterator[Log]:
    """What a search would have written into its journal."""
    notes = [log for log in logs if any(key.startswith("dashboard:0:") for key in log.get("system_attr", ()))]
    created = next(i for i, log in enumerate(logs) if "state" in log)  # with the name of its worker
    own = [logs[created], *(log for log in logs if log.get("trial_id") == 0)]
    for number, (params, value) in enumerate(runs, start=1):
        for log in own:
            yield _copied(log, first, number, params, value)
        for log in notes:
            yield {**log, "system_attr": {k.replace(":0:", f":{number}:"): v for k, v in log["system_attr"].items()}}


def _copied(log: Log, first: FrozenTrial, number: int, params: Params, value: float) -> Log:
    copied = dict(log)
    if "trial_id" in log:
        copied["trial_id"] = number
    if name := log.get("param_name"):
        copied["param_value_internal"] = first.distributions[name].to_internal_repr(params[name])
    if log.get("values"):
        copied["values"] = [value]
    moments = {key: log[key] for key in ("datetime_start", "datetime_complete") if log.get(key)}
    return copied | {k: (datetime.fromisoformat(each) + _later(number)).isoformat() for k, each in moments.items()}


def _later(number: int) -> timedelta:
    """By how much a copy began later than the first trial; all of them before the study is resumed."""
    return timedelta(milliseconds=number)


def _multiply_rows(connection: Connection, first: FrozenTrial, runs: Runs) -> None:
    """By the database itself: Optuna's interface takes minutes for it."""
    ids = {"n": len(runs), "id": first._trial_id}
    connection.execute(
        text(
            "INSERT INTO trials (trial_id, number, study_id, state, datetime_start, datetime_complete) "
            f"{_NUMBERS} SELECT :id + i, i, study_id, state, datetime_start, datetime_complete "
            "FROM trials, n WHERE trial_id = :id"
        ),
        ids,
    )
    for table, columns in _COPIED.items():
        copied = f"{_NUMBERS} SELECT :id + i, {columns} FROM {table}, n WHERE trial_id = :id"
        connection.execute(text(f"INSERT INTO {table} (trial_id, {columns}) {copied}"), ids)
    connection.execute(
        text(
            "INSERT INTO study_system_attributes (study_id, key, value_json) "
            f"{_NUMBERS} SELECT study_id, replace(key, :old, 'dashboard:' || (:id + i) || ':'), value_json "
            "FROM study_system_attributes, n WHERE key LIKE :old || '%'"
        ),
        {**ids, "old": f"dashboard:{first._trial_id}:"},
    )
    _tell_apart(connection, first, runs)
    if connection.dialect.name == "postgresql":
        last = {"last": first._trial_id + len(runs)}
        connection.execute(text("SELECT setval('trials_trial_id_seq', :last)"), last)


def _tell_apart(connection: Connection, first: FrozenTrial, runs: Runs) -> None:
    """Each copy has its own moments, value and parameters."""
    trial_ids = range(first._trial_id + 1, first._trial_id + 1 + len(runs))
    values = [{"of": i, "new": value} for i, (_, value) in zip(trial_ids, runs, strict=True)]
    connection.execute(text("UPDATE trial_values SET value = :new WHERE trial_id = :of"), values)
    params = [
        {"of": i, "name": name, "new": first.distributions[name].to_internal_repr(value)}
        for i, (params, _) in zip(trial_ids, runs, strict=True)
        for name, value in params.items()
    ]
    connection.execute(
        text("UPDATE trial_params SET param_value = :new WHERE trial_id = :of AND param_name = :name"), params
    )
    trials = models.TrialModel.__table__
    (began, ended) = connection.execute(
        select(trials.c.datetime_start, trials.c.datetime_complete).where(trials.c.trial_id == first._trial_id)
    ).one()
    moments = [{"of": i, "b": began + _later(n), "e": ended + _later(n)} for n, i in enumerate(trial_ids, start=1)]
    new = trials.update().values(datetime_start=bindparam("b"), datetime_complete=bindparam("e"))
    connection.execute(new.where(trials.c.trial_id == bindparam("of")), moments)


def multiply_mlflow(database: Path, n: int) -> None:
    """Add copies of the run of trial 0 to MLflow's database, for the trials 1 to n."""
    with sqlite3.connect(database) as connection:
        which = "SELECT run_uuid, start_time, end_time FROM runs WHERE name = 'trial-0'"
        first, began, ended = connection.execute(which).fetchone()
        columns = {table: _columns(connection, table) for table in ("runs", "inputs", *_MLFLOW_TABLES)}
        for number in range(1, n + 1):
            run, later_ms = uuid.uuid4().hex, round(1000 * _later(number).total_seconds())
            new = {
                "run_uuid": run,
                "name": f"trial-{number}",
                "start_time": began + later_ms,
                "end_time": ended + later_ms,
            }
            _copy(connection, "runs", columns["runs"], new, "run_uuid", first)
            for table in _MLFLOW_TABLES:
                _copy(connection, table, columns[table], {"run_uuid": run}, "run_uuid", first)
            new = {"destination_id": run, "input_uuid": uuid.uuid4().hex}
            _copy(connection, "inputs", columns["inputs"], new, "destination_id", first)
            keys = "('overfit_backoff.key', 'mlflow.runName')"
            key = (f"trial-{number}", run)
            connection.execute(f"UPDATE tags SET value = ? WHERE run_uuid = ? AND key IN {keys}", key)
        # As the search would have noted every hundred trials.
        settled = ("overfit_backoff.settled", str(n // 100 * 100))
        connection.execute("INSERT OR REPLACE INTO tags SELECT ?, ?, run_uuid FROM runs WHERE name = 'long'", settled)
    connection.close()


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def _copy(
    connection: sqlite3.Connection,
    table: str,
    columns: Sequence[str],
    new: Mapping[str, object],
    where: str,
    first: str,
) -> None:
    taken = ", ".join(f":{name}" if name in new else name for name in columns)
    if table == "inputs":  # several rows, each with an id of its own
        taken = taken.replace(":input_uuid", "lower(hex(randomblob(16)))")
    names = ", ".join(columns)
    sql = f"INSERT INTO {table} ({names}) SELECT {taken} FROM {table} WHERE {where} = :first"
    connection.execute(sql, {**new, "first": first})
