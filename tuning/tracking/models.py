"""Logged models of MLflow 3: files on disk become an entity that its run, its metrics and the registry point to.

The files were written before, in MLflow's format and by a process that has TensorFlow (`files.py`), so that
they can be sent, and sent again after an outage, by one that has not.
"""

import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mlflow.artifacts import download_artifacts
from mlflow.entities import LoggedModelOutput
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.tracking import MlflowClient

from tuning.champion import CHAMPION, Champion, Verdict, verdict
from tuning.evaluation.outcomes import OUTCOMES_FILE, PerExample
from tuning.tracking.entities import text
from tuning.tracking.events import DatasetFacts, Run
from tuning.tracking.store import Store

_MAX_DESCRIPTION_CHARS = 5000  # the column of MLflow's database

# Tags of a registered version.
_ALIAS, _REASON, _BEFORE, _TEST_SHA256 = "alias", "alias_reason", "champion_before", "test_sha256"


@dataclass(frozen=True, slots=True)
class Registered:
    """A registered version: the alias it was given, why (a clause), and its description with the comparison."""

    name: str
    version: str
    alias: str
    reason: str
    description: str

    def text(self) -> str:
        """What it has become, and the comparison as a table in markdown where there was one."""
        table = [part for part in self.description.split("\n\n") if part.startswith("|")]
        return "\n".join([f"Registered {self.sentence()}.", *table])

    def sentence(self) -> str:
        """What it has become, without a full stop."""
        return f"{self.name} version {self.version}, {self.alias}: {self.reason}"


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
        experiment_id, name=run.name, source_run_id=run_id, tags=tags, params=params, model_type=_model_type(run)
    )
    _write_ids(Path(run.model), model.model_id, run_id)
    client.log_model_artifacts(model.model_id, run.model)
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
    return str(model.model_id)


def _model_type(run: Run) -> str:
    """MLflow's word for what the model gives: values have a squared error on the test set, classes have none."""
    return "regressor" if "test_rmse" in run.metrics else "classifier"


def delete_models(client: MlflowClient, experiment_id: str, run_id: str) -> None:
    """Delete what a run that was cut short has left: its logged models and their registered versions."""
    for model in client.search_logged_models([experiment_id], f"source_run_id = '{run_id}'"):
        client.delete_logged_model(model.model_id)
    for version in client.search_model_versions(f"run_id = '{run_id}'"):
        present = _present_champion(client, version.name)
        client.delete_model_version(version.name, version.version)
        before = version.tags.get(_BEFORE)
        if before and present is not None and present.version == version.version:
            client.set_registered_model_alias(version.name, CHAMPION, before)


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
    """Register a logged model as the next version: the champion if it beats the present one, else the challenger."""
    name = run.register_as or registered_name(store, facts)
    try:
        client.get_registered_model(name)
    except MlflowException:
        client.create_registered_model(name, description=f"Tuned models of {facts.name}, a version a study or export.")
    present = _present_champion(client, name)
    champion = None if present is None else Champion(present.version, _kept_outcomes(store, present))
    new = PerExample.load(Path(run.model))
    found = verdict(new, champion)
    version = client.create_model_version(
        name,
        client.get_logged_model(model_id).artifact_location,
        run_id,
        tags={
            _ALIAS: found.alias,
            _REASON: found.reason,
            _BEFORE: champion.version if champion else "",
            "data_sha256": facts.digest,
            _TEST_SHA256: new.examples_sha256 if new else "",
        },
        description=_description(run, found),
        await_creation_for=0,
        model_id=model_id,
    )
    # The page of a logged model says so only where this tag does.
    versions = [{"name": name, "version": version.version}]
    client.set_logged_model_tags(model_id, {"mlflow.modelVersions": json.dumps(versions)})
    client.set_registered_model_alias(name, found.alias, version.version)


def _description(run: Run, found: Verdict) -> str:
    note = run.note.removeprefix(f"### {run.name}\n\n")
    parts = (f"**{found.alias.capitalize()}:** {found.reason}.", found.table, note)
    return "\n\n".join(part for part in parts if part)[:_MAX_DESCRIPTION_CHARS]


def registered_of(client: MlflowClient, run_id: str) -> Registered | None:
    """The version that a run registered; None if it registered none."""
    found = client.search_model_versions(f"run_id = '{run_id}'")
    if not found:
        return None
    latest = max(found, key=lambda version: int(version.version))
    alias, reason = latest.tags.get(_ALIAS, ""), latest.tags.get(_REASON, "")
    return Registered(latest.name, str(latest.version), alias, reason, latest.description or "")


def _write_ids(folder: Path, model_id: str, run_id: str) -> None:
    """Write into a model's own description which logged model and which run it is."""
    model = Model.load(str(folder))
    model.model_id, model.run_id = model_id, run_id
    model.save(str(folder / "MLmodel"))


def _present_champion(client: MlflowClient, name: str) -> ModelVersion | None:
    try:
        return client.get_model_version_by_alias(name, CHAMPION)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):  # what a store says of no alias
            return None
        raise


def _kept_outcomes(store: Store, version: ModelVersion) -> PerExample | None:
    """What a version kept of its test examples, from wherever its files are; None where somebody else registered it."""
    if not version.tags.get(_TEST_SHA256) or version.source is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        uri = f"{version.source.rstrip('/')}/{OUTCOMES_FILE}"
        download_artifacts(uri, dst_path=folder, tracking_uri=store.tracking_uri)
        return PerExample.load(Path(folder))
