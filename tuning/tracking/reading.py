"""What MLflow has of a study already: its experiment, and the runs below the study's own, whole ones and half ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from tuning.tracking.events import STATUSES
from tuning.tracking.store import Store

KEY_TAG = "overfit_backoff.key"
PARENT_TAG = "mlflow.parentRunId"

_RUNS_PER_PAGE = 1000


def create_database(uri: str) -> None:
    """MLflow creates its tables when it is asked for something."""
    MlflowClient(uri).search_experiments(max_results=1)


def experiment_of(client: MlflowClient, store: Store) -> str:
    """The id of a store's experiment, which is created if it is not there."""
    experiment = client.get_experiment_by_name(store.experiment)
    if experiment is not None:
        return str(experiment.experiment_id)
    tags = {
        "mlflow.experimentKind": "custom_model_development",  # else MLflow's pages guess whether it is about LLMs
        "mlflow.experiment.primaryMetric.name": store.primary_metric,
        "mlflow.experiment.primaryMetric.greaterIsBetter": str(store.greater_is_better),
    }
    return str(client.create_experiment(store.experiment, store.artifact_location, tags))


def search(client: MlflowClient, experiment_id: str, condition: str) -> Iterator[Run]:
    """All runs that are not deleted, the oldest first."""
    page_token = None
    while page_token != "":
        page = client.search_runs(
            [experiment_id],
            condition,
            max_results=_RUNS_PER_PAGE,
            order_by=["attributes.start_time ASC"],
            page_token=page_token,
        )
        yield from page
        page_token = page.token or ""


def children(client: MlflowClient, experiment_id: str, parent: str, since_ms: int | None) -> Iterator[Run]:
    """The runs below a study's own that have a key; people may have added others.

    Args:
        client: Of the store.
        experiment_id: Of the study.
        parent: Id of the study's own run.
        since_ms: Of the trials only those that began then or later, in milliseconds since 1970; None for all.
    """
    condition = f"tags.`{PARENT_TAG}` = '{parent}' and tags.`{KEY_TAG}` != ''"
    if since_ms is None:
        yield from search(client, experiment_id, condition)
        return
    for which in (f"tags.kind = 'trial' and attributes.start_time >= {since_ms}", "tags.kind != 'trial'"):
        yield from search(client, experiment_id, f"{condition} and {which}")


def whole_and_half(runs: Iterable[Run]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Ids by key: of the runs that are written whole, and of those to be deleted: half ones, and the second of two."""
    whole: dict[str, str] = {}
    others: dict[str, list[str]] = {}
    for run in runs:
        key, run_id = run.data.tags[KEY_TAG], run.info.run_id
        if run.info.status not in STATUSES:
            others.setdefault(key, []).append(run_id)
        elif key not in whole:
            whole[key] = run_id
        else:  # written by two searches that were started at once: everybody keeps the same
            whole[key], second = sorted((whole[key], run_id))
            others.setdefault(key, []).append(second)
    return whole, others
