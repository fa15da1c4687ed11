"""Mirrors a study in MLflow: one parent run for the study, one child run for each trial and each model beside it.

MLflow is written and asked nothing but what it has already: Optuna's trials decide, and whatever is missing here
can be written again from them, because every child has a stable key and is written once. This is the only file that
imports MLflow, which takes two seconds: import it where a study begins.

    tracker = Tracker(store, study="quiet-otter")
    tracker.open_study(tags={"objective": "val_loss"}, params={"epochs": 30}, dataset=facts)
    tracker.log(Run(key="trial-7", name="trial 7", kind="trial", status="FINISHED", ...))
    tracker.close_study(status="FINISHED", metrics={"n_trials": 8}, tags={}, note="**Best**: trial 7", artifacts=[])

A child is written when its trial has ended: one run, one batch. A process killed in between leaves a run that is
still RUNNING; the next `log` of that key deletes it and writes a new one.
"""

import json
import math
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from tuning.tracking_events import STATUSES, DatasetFacts, ParamValue, Run, origin_tags
from tuning.tracking_store import Store, prepared

__all__ = ["KEY_TAG", "DatasetFacts", "Run", "Store", "Tracker"]

KEY_TAG = "overfit_backoff.key"

_PARENT_TAG = "mlflow.parentRunId"
_RUNS_PER_PAGE = 1000

# MLflow refuses longer dataset digests; the whole one is the parameter `data_sha256`.
_MAX_DIGEST_CHARS = 36

# What MLflow lets through: a missing database driver is an ImportError, a failed upload an OSError.
_STORE_ERRORS = (MlflowException, SQLAlchemyError, sqlite3.Error, OSError, ImportError)


@dataclass(frozen=True, slots=True)
class _OpenStudy:
    """The parent run, and what all of its children carry."""

    client: MlflowClient
    experiment_id: str
    run_id: str
    child_tags: Mapping[str, str]
    dataset: DatasetInput
    data_sha256: str


class Tracker:
    """Writes one study into MLflow.

    Several processes may write the same study as long as no two write the same key at the same time.

    Args:
        store: Where MLflow writes.
        study: Name of the study.

    Raises:
        StorageError: From every method, if the store cannot be reached or written. The call can be repeated later
            with the same arguments.
    """

    def __init__(self, store: Store, study: str) -> None:
        self._store = store
        self._study = study
        self._opened: _OpenStudy | None = None
        self._written: set[str] = set()
        self._half_written: dict[str, list[str]] = {}

    def open_study(self, *, tags: Mapping[str, str], params: Mapping[str, ParamValue], dataset: DatasetFacts) -> str:
        """Creates the parent run of the study, or takes it up again.

        Args:
            tags: Tags of the parent run, replaced when a study is resumed.
            params: Parameters of the parent run; those of a resumed study stay as they are, as MLflow demands.
            dataset: What the study learns from.

        Returns:
            The id of the parent run.
        """
        origin = {"study": self._study, **origin_tags()}
        data_input = _dataset_input(dataset)
        with self._errors_of_the_store(), prepared(self._store):
            client = MlflowClient(self._store.tracking_uri)
            experiment_id = _experiment_id(client, self._store)
            parent = self._parent_run(client, experiment_id, {**tags, **origin, "kind": "study"})
            run_id: str = parent.info.run_id
            known = parent.data.params
            all_params = {**params, "data_sha256": dataset.digest}
            new = {name: value for name, value in all_params.items() if name not in known}
            client.log_batch(run_id, params=_params(new))
            client.log_inputs(run_id, datasets=[data_input])
        child_tags = {**origin, _PARENT_TAG: run_id}
        self._opened = _OpenStudy(client, experiment_id, run_id, child_tags, data_input, dataset.digest)
        self.keys()
        return run_id

    def log(self, run: Run) -> bool:
        """Writes a child run, unless it is there.

        Returns:
            Whether it was written; False if a run with this key had been written before.
        """
        if run.key in self._written:
            return False
        with self._errors_of_the_store():
            self._delete_half_written(run.key)
            self._write(run)
        self._written.add(run.key)
        return True

    def keys(self) -> frozenset[str]:
        """The keys of all runs that are written whole, read anew from the store."""
        written: set[str] = set()
        half_written: dict[str, list[str]] = {}
        with self._errors_of_the_store():
            for child in self._children():
                key = child.data.tags[KEY_TAG]
                if child.info.status in STATUSES:
                    written.add(key)
                else:
                    half_written.setdefault(key, []).append(child.info.run_id)
        self._written, self._half_written = written, half_written
        return frozenset(written)

    def close_study(
        self,
        *,
        status: str,
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        note: str,
        artifacts: Sequence[Path],
    ) -> None:
        """Writes the summary of the study into its parent run and ends that.

        Args:
            status: "FINISHED", "KILLED" or "FAILED".
            metrics: Summary; a value that is there already is not written again, one that is not finite never.
            tags: Summary in words.
            note: Description in Markdown, shown on the page of the run.
            artifacts: Files and folders to copy into the run.
        """
        client, run_id = self._study_that_is_open.client, self._study_that_is_open.run_id
        with self._errors_of_the_store():
            known = client.get_run(run_id).data.metrics
            new = {name: value for name, value in metrics.items() if known.get(name) != value}
            client.log_batch(run_id, _summary(new), tags=_tags({**tags, "mlflow.note.content": note}))
            for path in artifacts:
                client.log_artifact(run_id, str(path))
            client.set_terminated(run_id, status=status)

    def _write(self, run: Run) -> None:
        study, client = self._study_that_is_open, self._study_that_is_open.client
        tags = {**run.tags, **study.child_tags, "kind": run.kind, KEY_TAG: run.key}
        run_id = client.create_run(study.experiment_id, run.start_ms, tags, run.name).info.run_id
        self._half_written[run.key] = [run_id]
        metrics = [Metric(name, value, run.end_ms, step) for name, value, step in run.points()]
        # The client splits what exceeds the 1000 metrics and 100 parameters that a server takes at once.
        client.log_batch(run_id, metrics, _params({**run.params, "data_sha256": study.data_sha256}))
        client.log_inputs(run_id, datasets=[study.dataset])
        client.set_terminated(run_id, status=run.status, end_time=run.end_ms)
        del self._half_written[run.key]

    def _delete_half_written(self, key: str) -> None:
        """Not completed but deleted: the points it has would be there twice."""
        run_ids = self._half_written.get(key, [])
        while run_ids:
            self._study_that_is_open.client.delete_run(run_ids[-1])
            run_ids.pop()

    def _parent_run(self, client: MlflowClient, experiment_id: str, tags: Mapping[str, str]) -> MlflowRun:
        """The oldest run of this study, set RUNNING with new tags; a new one if there is none."""
        # Names are compared here because MLflow's filters know no escape for quotes.
        for run in _search(client, experiment_id, "tags.kind = 'study'"):
            if run.data.tags.get("study") == self._study:
                client.update_run(run.info.run_id, status="RUNNING")
                client.log_batch(run.info.run_id, tags=_tags(tags))
                return run
        return client.create_run(experiment_id, tags=dict(tags), run_name=self._study)

    def _children(self) -> Iterator[MlflowRun]:
        """All runs below the parent that have a key; people may have added others."""
        study = self._study_that_is_open
        condition = f"tags.`{_PARENT_TAG}` = '{study.run_id}' and tags.`{KEY_TAG}` != ''"
        return _search(study.client, study.experiment_id, condition)

    @property
    def _study_that_is_open(self) -> _OpenStudy:
        if self._opened is None:
            raise RuntimeError("Call `open_study` before anything else.")
        return self._opened

    @contextmanager
    def _errors_of_the_store(self) -> Iterator[None]:
        try:
            yield
        except _STORE_ERRORS as error:
            raise self._store.unusable(error) from error


def _experiment_id(client: MlflowClient, store: Store) -> str:
    experiment = client.get_experiment_by_name(store.experiment)
    if experiment is not None:
        return str(experiment.experiment_id)
    tags = {
        "mlflow.experimentKind": "custom_model_development",  # else MLflow's pages guess whether it is about LLMs
        "mlflow.experiment.primaryMetric.name": store.primary_metric,
        "mlflow.experiment.primaryMetric.greaterIsBetter": str(store.greater_is_better),
    }
    return str(client.create_experiment(store.experiment, store.artifact_location, tags))


def _search(client: MlflowClient, experiment_id: str, condition: str) -> Iterator[MlflowRun]:
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


def _dataset_input(facts: DatasetFacts) -> DatasetInput:
    """Built by hand, because MLflow's own digest is that of a sample and misses a changed pixel (issue 22275)."""
    profile = {"n_train": facts.n_train, "n_val": facts.n_val, "n_test": facts.n_test}
    dataset = Dataset(
        name=facts.name,
        digest=facts.digest[:_MAX_DIGEST_CHARS],
        source_type="local",
        source=json.dumps({"uri": facts.source}),
        profile=json.dumps({"num_rows": sum(profile.values()), **profile}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "train")])


def _summary(metrics: Mapping[str, float]) -> list[Metric]:
    now_ms = time.time_ns() // 1_000_000
    return [Metric(name, value, now_ms, 0) for name, value in metrics.items() if math.isfinite(value)]


def _params(params: Mapping[str, ParamValue]) -> list[Param]:
    return [Param(name, _text(value)) for name, value in params.items()]


def _text(value: ParamValue) -> str:
    """Numbers as plain decimals, as the axes of MLflow's charts need them: 0.00001 instead of 1e-05."""
    return format(Decimal(repr(float(value))), "f") if isinstance(value, float) else str(value)


def _tags(tags: Mapping[str, str]) -> list[RunTag]:
    return [RunTag(name, value) for name, value in tags.items()]
