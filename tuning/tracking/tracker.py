"""Mirrors a study in MLflow: one parent run for the study, one child run for each trial and each model beside it.

MLflow is written and asked nothing but what it has already: Optuna's trials decide, and whatever is missing here
can be written again from them, because every child has a stable key and is written once. Only the files here import
MLflow, which takes two seconds: import them where a study begins.

    tracker = Tracker(store, study="quiet-otter")
    tracker.open_study(tags={"objective": "val_loss"}, params={"epochs": 30}, dataset=facts, levers=("units",))
    tracker.log(Run(key="trial-7", name="trial 7", kind="trial", status="FINISHED", ...))
    links = tracker.close_study(StudyEnd("FINISHED", {"n_trials": 8}, {}, note="**Best**: trial 7"), folder)
    links.table   # where MLflow shows the study

A child is written when its trial has ended: one run, one batch. A process killed in between, or a server that went
away, leaves a run that is still RUNNING; the next `log` of that key deletes it and writes a new one.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from tuning.tracking import entities, models
from tuning.tracking.events import PARTS, DatasetFacts, ParamValue, Run, StudyEnd, origin_tags
from tuning.tracking.reading import (
    KEY_TAG,
    PARENT_TAG,
    children,
    create_database,
    experiment_of,
    search,
    whole_and_half,
)
from tuning.tracking.store import Store, prepared
from tuning.tracking.views import Links, how_to_load, shared_views

__all__ = ["KEY_TAG", "DatasetFacts", "Run", "Store", "StudyEnd", "Tracker"]

END_TAG = "overfit_backoff.end"  # of the parent run: digest of the end that it was told
SETTLED_TAG = "overfit_backoff.settled"  # of the parent run: this many trials, the first ones, are written whole

# MLflow cuts off what is longer; links and the way to load the model come last and must not be lost.
_MAX_NOTE_CHARS = 8000

# What MLflow lets through: a missing database driver is an ImportError, a failed upload an OSError.
STORE_ERRORS = (MlflowException, SQLAlchemyError, sqlite3.Error, OSError, ImportError)


@dataclass(frozen=True, slots=True)
class _OpenStudy:
    """The parent run, and what all of its children carry."""

    client: MlflowClient
    experiment_id: str
    run_id: str
    child_tags: Mapping[str, str]
    dataset: DatasetFacts


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
        self._n_settled = 0
        self._has_looked = False
        self._written: dict[str, str] = {}  # key to run id
        self._half_written: dict[str, list[str]] = {}

    def open_study(
        self,
        *,
        tags: Mapping[str, str],
        params: Mapping[str, ParamValue],
        dataset: DatasetFacts,
        levers: Sequence[str] = (),
    ) -> str:
        """Creates the parent run of the study, or takes it up again.

        Args:
            tags: Tags of the parent run, replaced when a study is resumed.
            params: Parameters of the parent run; those of a resumed study stay as they are, as MLflow demands.
            dataset: What the study learns from.
            levers: Names of the parameters that vary, columns and axes of the study's view.

        Returns:
            The id of the parent run.
        """
        origin = {"study": self._study, **origin_tags()}
        with self._errors_of_the_store(), prepared(self._store, create_database):
            client = MlflowClient(self._store.tracking_uri)
            experiment_id = experiment_of(client, self._store)
            for name, value in self._views(levers).items():
                client.set_experiment_tag(experiment_id, name, value)
            parent = self._parent_run(client, experiment_id, {**tags, **origin, "kind": "study"})
            run_id: str = parent.info.run_id
            known = parent.data.params
            all_params = {**params, "data_sha256": dataset.digest}
            new = {name: value for name, value in all_params.items() if name not in known}
            client.log_batch(run_id, params=entities.params(new))
            client.log_inputs(run_id, datasets=entities.dataset_inputs(dataset, PARTS))
        self._opened = _OpenStudy(client, experiment_id, run_id, {**origin, PARENT_TAG: run_id}, dataset)
        self._n_settled = int(parent.data.tags.get(SETTLED_TAG, 0))
        return run_id

    @property
    def n_settled(self) -> int:
        """How many trials, the first ones, need no look: they are written whole."""
        return self._n_settled

    def settle(self, n_trials: int) -> None:
        """Keep that the first trials are written whole: of thousands of runs a look takes half a minute."""
        if n_trials == self._n_settled:
            return
        study = self._study_that_is_open
        with self._errors_of_the_store():
            study.client.set_tag(study.run_id, SETTLED_TAG, str(n_trials))
        self._n_settled = n_trials

    def has(self, key: str) -> bool:
        """Whether a run was seen or written whole since the study was opened."""
        return key in self._written

    def log(self, run: Run) -> bool:
        """Writes a child run, unless it is there.

        Returns:
            Whether it was written; False if a run with this key had been written before.
        """
        if not self._has_looked:
            self.keys()
        if run.key in self._written:
            return False
        with self._errors_of_the_store():
            self._delete_half_written(run.key)
            self._written[run.key] = self._write(run)
        return True

    def keys(self, since_ms: int | None = None) -> frozenset[str]:
        """The keys of the runs that are written whole, read anew from the store; what is there twice is deleted.

        Args:
            since_ms: Of the trials only those that began then or later, in milliseconds since 1970; None for all.
        """
        study = self._study_that_is_open
        with self._errors_of_the_store():
            found = children(study.client, study.experiment_id, study.run_id, since_ms)
            written, half_written = whole_and_half(found)
            self._written, self._half_written, self._has_looked = written, half_written, True
            for key in written.keys() & half_written.keys():
                self._delete_half_written(key)  # created by a request whose answer was lost, and then once more
        return frozenset(written)

    def close_study(self, end: StudyEnd, folder: Path) -> Links:
        """Writes the compared models and the summary of the study, and ends its parent run.

        An end that was told before is not sent again.

        Args:
            end: What to write.
            folder: Of the study, to which the files of the end are relative.

        Returns:
            Where MLflow shows the study.
        """
        client, run_id = self._study_that_is_open.client, self._study_that_is_open.run_id
        for model in end.models:
            self.log(replace(model, model=str(folder / model.model)) if model.model else model)
        with self._errors_of_the_store():
            links = self._links(end)
            digest, known = end.digest(folder), client.get_run(run_id).data
            if known.tags.get(END_TAG) != digest:
                new = {name: value for name, value in end.metrics.items() if known.metrics.get(name) != value}
                for artifact in end.artifacts:
                    client.log_artifact(run_id, str(folder / artifact))
                note = self._note(end, links, folder)
                tags = entities.tags({**end.tags, "mlflow.note.content": note, END_TAG: digest})
                client.log_batch(run_id, entities.summary(new), tags=tags)
            client.set_terminated(run_id, status=end.status)
        return links

    def registered(self, key: str) -> models.Registered | None:
        """What the model of a run has become in the registry; None if it is not registered."""
        if not self._has_looked:
            self.keys()
        with self._errors_of_the_store():
            return models.registered_of(self._study_that_is_open.client, self._written[key])

    def end(self, status: str) -> None:
        """Ends the parent run without a result: "FINISHED", "KILLED" or "FAILED"."""
        with self._errors_of_the_store():
            self._study_that_is_open.client.set_terminated(self._study_that_is_open.run_id, status=status)

    def _write(self, run: Run) -> str:
        study, client = self._study_that_is_open, self._study_that_is_open.client
        tags = {**run.tags, **study.child_tags, "kind": run.kind, KEY_TAG: run.key}
        tags |= {"mlflow.note.content": run.note} if run.note else {}
        run_id: str = client.create_run(study.experiment_id, run.start_ms, tags, run.name).info.run_id
        self._half_written[run.key] = [run_id]
        metrics = entities.run_metrics(run)
        if run.model:
            model_id = models.log_model(client, study.experiment_id, run, run_id, study.dataset, self._study)
            metrics = entities.model_metrics(run, model_id, run_id, study.dataset)
            if run.is_winner:
                models.register(client, self._store, run, run_id, model_id, study.dataset)
        # The client splits what exceeds the 1000 metrics and 100 parameters that a server takes at once.
        client.log_batch(run_id, metrics, entities.params({**run.params, "data_sha256": study.dataset.digest}))
        client.log_inputs(run_id, datasets=entities.dataset_inputs(study.dataset, run.parts))
        client.set_terminated(run_id, status=run.status, end_time=run.end_ms)
        del self._half_written[run.key]
        return run_id

    def _delete_half_written(self, key: str) -> None:
        """Not completed but deleted: the points it has would be there twice."""
        study, run_ids = self._study_that_is_open, self._half_written.get(key, [])
        while run_ids:
            models.delete_models(study.client, study.experiment_id, run_ids[-1])
            study.client.delete_run(run_ids[-1])
            run_ids.pop()

    def _views(self, levers: Sequence[str]) -> Mapping[str, str]:
        metric, greater_is_better = self._store.primary_metric, self._store.greater_is_better
        return shared_views(self._study, levers, metric, greater_is_better=greater_is_better)

    def _links(self, end: StudyEnd) -> Links:
        study = self._study_that_is_open
        winner = self._written.get(end.models[-1].key) if end.models else None
        registered = models.registered_of(study.client, winner) if winner else None
        return Links(
            study.experiment_id,
            study.run_id,
            self._study,
            compared=tuple(self._written[model.key] for model in end.models),
            model_id=models.model_of(study.client, study.experiment_id, winner) if winner else "",
            registered=registered.sentence() if registered else "",
        )

    def _note(self, end: StudyEnd, links: Links, folder: Path) -> str:
        """The report, with what is known only here: addresses, pictures, and where the model is."""
        last = links.pictures(end.previews)
        if links.model_id:
            takes = models.expected_input(folder / end.models[-1].model)
            last = f"{how_to_load(links.registered, links.model_id, self._store.address, takes)}\n\n{last}"
        head, _, rest = end.note.partition("\n\n")
        text = f"{head}\n\n{links.markdown()}\n\n{rest}"
        room = _MAX_NOTE_CHARS - len(last) - len("\n...\n\n")
        whole_lines = text if len(text) <= room else text[:room].rpartition("\n")[0] + "\n..."
        return f"{whole_lines}\n\n{last}"

    def _parent_run(self, client: MlflowClient, experiment_id: str, tags: Mapping[str, str]) -> MlflowRun:
        """The oldest run of this study, set RUNNING with new tags; a new one if there is none."""
        # Names are compared here because MLflow's filters know no escape for quotes.
        for run in search(client, experiment_id, "tags.kind = 'study'"):
            if run.data.tags.get("study") == self._study:
                client.update_run(run.info.run_id, status="RUNNING")
                client.log_batch(run.info.run_id, tags=entities.tags(tags))
                return run
        return client.create_run(experiment_id, tags=dict(tags), run_name=self._study)

    @property
    def _study_that_is_open(self) -> _OpenStudy:
        if self._opened is None:
            raise RuntimeError("Call `open_study` before anything else.")
        return self._opened

    @contextmanager
    def _errors_of_the_store(self) -> Iterator[None]:
        try:
            yield
        except STORE_ERRORS as error:
            raise self._store.unusable(error) from error
