"""Which trial of which study an MLflow run is, read from the tags that the mirror has written."""

from __future__ import annotations

import re
from pathlib import Path

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from tuning.errors import SettingsError, StorageError
from tuning.tracking.store import Store, check
from tuning.tracking.tracker import KEY_TAG, STORE_ERRORS

_N_LISTED = 10


def find_trial(root: Path, tracking_uri: str | None, run_id: str, study: str | None) -> tuple[str, int | None]:
    """The study and the trial of a run; the trial is None for a study's own run, which stands for its best trial.

    Args:
        root: Folder that holds `mlflow.db`.
        tracking_uri: MLflow tracking URI; None for that file.
        run_id: The run's id.
        study: Name of the study that it must be of, if the user gave one.

    Raises:
        StorageError: If there is no such store, or it cannot be used.
        SettingsError: If there is no such run (the latest ones are listed), it is of another study, or it is that of a
            model that this study did not tune.
    """
    store = Store(tracking_uri or f"sqlite:///{root / 'mlflow.db'}", root / "mlruns", "lookup")
    if store.database is not None and not store.database.is_file():
        raise StorageError(f"There is no MLflow store {store.address}: name it with --tracking-uri.")
    check(store)
    try:
        tags = _tags(store, run_id)
    except STORE_ERRORS as error:
        raise store.unusable(error) from error
    name = tags.get("study")
    if name is None or (study is not None and study != name):
        whose = f"of the study {name!r}" if name else "of no study"
        raise SettingsError(
            f"`--run` must be a run of {study or 'a study'}, but {run_id} is {whose}: leave --study out."
        )
    return name, _trial(tags, run_id)


def _tags(store: Store, run_id: str) -> dict[str, str]:
    client = MlflowClient(store.tracking_uri)
    try:
        return dict(client.get_run(run_id).data.tags)
    except MlflowException as error:
        raise SettingsError(f"`--run` must be the id of a run, got {run_id}. The latest: {_latest(client)}.") from error


def _trial(tags: dict[str, str], run_id: str) -> int | None:
    if tags.get("kind") in ("study", "tuned"):
        return None
    if tags.get("kind") == "exported":
        return int(tags["base_trial"])
    match = re.fullmatch(r"trial-(\d+)", tags.get(KEY_TAG, ""))
    if match is None:
        raise SettingsError(
            f"`--run` must be that of a trial, of a study or of its tuned model, but {run_id} is of kind "
            f"{tags.get('kind')!r}: choose another run."
        )
    return int(match[1])


def _latest(client: MlflowClient) -> str:
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    order = ["attributes.start_time DESC"]
    runs: list[Run] = client.search_runs(experiments, "tags.study != ''", max_results=_N_LISTED, order_by=order)
    return ", ".join(f"{run.info.run_id} ({run.info.run_name})" for run in runs) or "none yet"
