"""Logged models of MLflow 3: files on disk become an entity that its run, its metrics and the registry point to.

The files were written before, in MLflow's format and by a process that has TensorFlow (`tracking_files.py`), so that
they can be sent, and sent again after an outage, by one that has not.
"""

import json
import re
from pathlib import Path

from mlflow.entities import LoggedModelOutput
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.tracking import MlflowClient

from tuning.tracking_entities import text
from tuning.tracking_events import DatasetFacts, Run
from tuning.tracking_store import Store

CHAMPION = "champion"  # alias of the version to serve

_VALUE_TAG = "objective_value"


def log_model(client: MlflowClient, experiment_id: str, run: Run, run_id: str, facts: DatasetFacts, study: str) -> str:
    """Create the logged model of a run and send its files; returns its id.

    Args:
        run: `run.model` is a folder in MLflow's format.
        run_id: Of the run, which exists.
        facts: The data set.
        study: Name of the study.
    """
    tags = {"study": study, "kind": run.kind, "data_sha256": facts.digest, "mlflow.note.content": run.note}
    params = {name: text(value) for name, value in run.params.items()}
    model = client.create_logged_model(
        experiment_id, name=run.name, source_run_id=run_id, tags=tags, params=params, model_type="classifier"
    )
    _write_ids(Path(run.model), model.model_id, run_id)
    client.log_model_artifacts(model.model_id, run.model)
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
    return str(model.model_id)


def delete_models(client: MlflowClient, experiment_id: str, run_id: str) -> None:
    """Delete what a run that was cut short has left: its logged models and their registered versions."""
    for model in client.search_logged_models([experiment_id], f"source_run_id = '{run_id}'"):
        client.delete_logged_model(model.model_id)
    for version in client.search_model_versions(f"run_id = '{run_id}'"):
        client.delete_model_version(version.name, version.version)


def model_of(client: MlflowClient, experiment_id: str, run_id: str) -> str:
    """The id of a run's logged model; empty if it has none."""
    found = client.search_logged_models([experiment_id], f"source_run_id = '{run_id}'")
    return str(found[0].model_id) if found else ""


def expected_input(folder: Path) -> str:
    """What a saved model takes, in words: type and shape of its input, -1 for any number of examples."""
    (tensor,) = Model.load(str(folder)).signature.inputs.inputs
    return f"{tensor.type.name}, shape {tuple(tensor.shape)}"


def registered_name(store: Store, facts: DatasetFacts) -> str:
    """One registered model for each data set of an experiment; MLflow allows neither slash nor colon in it."""
    return re.sub(r"[/:\s]+", "-", f"{store.experiment}-{facts.name}")


def register(client: MlflowClient, store: Store, run: Run, run_id: str, model_id: str, facts: DatasetFacts) -> None:
    """Register a logged model as the next version; it becomes the champion if it is the best on this very data."""
    name = registered_name(store, facts)
    try:
        client.get_registered_model(name)
    except MlflowException:
        client.create_registered_model(name, description=f"Tuned classifiers of {facts.name}, a version a study.")
    value, about = run.metrics[store.primary_metric], run.note.removeprefix(f"### {run.name}\n\n")
    tags = {_VALUE_TAG: repr(value), "objective": store.primary_metric, "data_sha256": facts.digest}
    version = client.create_model_version(
        name,
        client.get_logged_model(model_id).artifact_location,
        run_id,
        tags=tags,
        description=about,
        await_creation_for=0,
        model_id=model_id,
    )
    # The page of a logged model says so only where this tag does.
    versions = [{"name": name, "version": version.version}]
    client.set_logged_model_tags(model_id, {"mlflow.modelVersions": json.dumps(versions)})
    if _is_best(client, name, value, tags, greater_is_better=store.greater_is_better):
        client.set_registered_model_alias(name, CHAMPION, version.version)


def _write_ids(folder: Path, model_id: str, run_id: str) -> None:
    """Write into a model's own description which logged model and which run it is."""
    model = Model.load(str(folder))
    model.model_id, model.run_id = model_id, run_id
    model.save(str(folder / "MLmodel"))


def _is_best(client: MlflowClient, name: str, value: float, tags: dict[str, str], *, greater_is_better: bool) -> bool:
    """Against the present champion; one with another objective or of other data cannot be compared and stays."""
    try:
        champion = client.get_model_version_by_alias(name, CHAMPION)
    except MlflowException:
        return True
    if any(champion.tags.get(key) != tags[key] for key in ("objective", "data_sha256")):
        return False
    best = float(champion.tags[_VALUE_TAG])
    return value > best if greater_is_better else value < best
