"""A study of thousands of trials, made of a real one: its first trial many times over, with other configurations.

Trained one after the other, 10,000 trials would take hours. Everything that a trial carries in Optuna's storage and in
MLflow's database is copied; parameters, value and keys are new.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import optuna
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, create_trial
from sqlalchemy import Connection, text

from search_spaces import SearchSpace, mlp_space

Runs = Sequence[tuple[dict[str, object], float]]

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
    """Add a copy of the study's first trial for each of these configurations and values."""
    study = optuna.load_study(study_name=name, storage=storage)
    first = study.trials[0]
    inner = getattr(storage, "_backend", None)
    if isinstance(inner, RDBStorage):
        with inner.engine.begin() as connection:
            _multiply_rows(connection, first, runs)
        return
    for params, value in runs:
        copied = create_trial(
            value=value,
            params=params,
            distributions=first.distributions,
            user_attrs=first.user_attrs,
            system_attrs=first.system_attrs,
            intermediate_values=first.intermediate_values,
        )
        # As their copies in MLflow have it, which are looked for by when they began.
        copied.datetime_start, copied.datetime_complete = first.datetime_start, first.datetime_complete
        study.add_trial(copied)


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
    trial_ids = range(first._trial_id + 1, first._trial_id + 1 + len(runs))
    values = [{"id": i, "value": value} for i, (_, value) in zip(trial_ids, runs, strict=True)]
    connection.execute(text("UPDATE trial_values SET value = :value WHERE trial_id = :id"), values)
    new = [
        {"id": i, "name": name, "value": first.distributions[name].to_internal_repr(value)}
        for i, (params, _) in zip(trial_ids, runs, strict=True)
        for name, value in params.items()
    ]
    connection.execute(
        text("UPDATE trial_params SET param_value = :value WHERE trial_id = :id AND param_name = :name"), new
    )
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT setval('trials_trial_id_seq', :last)"), {"last": trial_ids[-1]})


def multiply_mlflow(database: Path, n: int) -> None:
    """Add copies of the run of trial 0 to MLflow's database, for the trials 1 to n."""
    with sqlite3.connect(database) as connection:
        (first,) = connection.execute("SELECT run_uuid FROM runs WHERE name = 'trial-0'").fetchone()
        columns = {table: _columns(connection, table) for table in ("runs", "inputs", *_MLFLOW_TABLES)}
        for number in range(1, n + 1):
            run = uuid.uuid4().hex
            _copy(connection, "runs", columns["runs"], {"run_uuid": run, "name": f"trial-{number}"}, "run_uuid", first)
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
    connection: sqlite3.Connection, table: str, columns: Sequence[str], new: dict[str, str], where: str, first: str
) -> None:
    taken = ", ".join(f":{name}" if name in new else name for name in columns)
    if table == "inputs":  # several rows, each with an id of its own
        taken = taken.replace(":input_uuid", "lower(hex(randomblob(16)))")
    names = ", ".join(columns)
    sql = f"INSERT INTO {table} ({names}) SELECT {taken} FROM {table} WHERE {where} = :first"
    connection.execute(sql, {**new, "first": first})
