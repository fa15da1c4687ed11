"""Finalists as MLflow's logged models, in a real SQLite store: with their metrics and data, registered, each once."""

from pathlib import Path

import numpy as np
import pytest
from mlflow.models import Model, ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import Schema, TensorSpec

from tests.mlflow_server import free_port, mlflow_server
from tests.test_tracking import FACTS, a_run, opened, sqlite_store
from tuning.evaluation.outcomes import PerExample
from tuning.tracking.tracker import Run, Store, StudyEnd

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose database is created once: MLflow needs a second for that."""
    return tmp_path_factory.mktemp("root")


@pytest.fixture
def store(root: Path, request: pytest.FixtureRequest) -> Store:
    """An experiment of its own for every test."""
    return sqlite_store(root, experiment=request.node.name)


def registered(store: Store) -> str:
    """The name of the registered model."""
    return f"{store.experiment}-mnist5k"


def a_finalist(folder: Path, value: float) -> Run:
    """A tuned model whose files stand in a folder, with what its answers to 2,000 test examples cost."""
    inputs, outputs = TensorSpec(np.dtype(np.uint8), (-1, 28, 28)), TensorSpec(np.dtype(np.float32), (-1, 10))
    (folder / "tuned").mkdir(exist_ok=True)
    Model(signature=ModelSignature(Schema([inputs]), Schema([outputs]))).save(str(folder / "tuned" / "MLmodel"))
    is_wrong = np.random.default_rng(0).random(2000) < value
    PerExample(np.where(is_wrong, 3.0, 0.01).astype(np.float32), is_wrong, "a").save(folder / "tuned")
    metrics = {"best_val_error": value, "best_train_loss": 0.1, "test_accuracy": 0.98, "best_epoch": 3}
    return a_run("tuned", kind="tuned", metrics=metrics, curves={}, model="tuned", is_winner=True)


def end_of(store: Store, study: str, value: float, folder: Path) -> str:
    """Close a study with a tuned model of this value; returns the description of its parent run."""
    tracker = opened(store, study)
    links = tracker.close_study(StudyEnd("FINISHED", {}, {}, "", models=[a_finalist(folder, value)]), folder)
    note: str = MlflowClient(store.tracking_uri).get_run(links.run_id).data.tags["mlflow.note.content"]
    return note


def test_a_finalist_is_a_logged_model_whose_metrics_name_their_data(store: Store, tmp_path: Path) -> None:
    """Files, signature, run, and each metric with the part of the data that it was measured on."""
    note = end_of(store, "quiet-otter", 0.02, tmp_path)
    client = MlflowClient(store.tracking_uri)
    experiment = client.get_experiment_by_name(store.experiment)
    assert experiment is not None
    (model,) = client.search_logged_models([experiment.experiment_id])
    assert ("tuned", "READY") == (model.name, str(model.status))
    assert {"best_val_error": "mnist5k-validation", "best_train_loss": "mnist5k-train", "best_epoch": None} | {
        "test_accuracy": "mnist5k-test"
    } == {metric.key: metric.dataset_name for metric in model.metrics}
    assert (model.model_id, FACTS.digest) == (Model.load(str(tmp_path / "tuned")).model_id, model.tags["data_sha256"])
    assert f'load_model("models:/{model.model_id}")' in note
    assert "model.predict(images)  # uint8, shape (-1, 28, 28)" in note


def test_what_is_shown_to_be_better_on_the_same_test_set_is_the_champion(store: Store, tmp_path: Path) -> None:
    """Each study adds a version, which says why it is what it is; the alias moves to a better one only."""
    client, champions, notes = MlflowClient(store.tracking_uri), [], []
    for study, value in [("first", 0.02), ("worse", 0.05), ("same", 0.02), ("better", 0.005)]:
        notes.append(end_of(store, study, value, tmp_path))
        champions.append(str(client.get_model_version_by_alias(registered(store), "champion").version))
    assert ["1", "1", "1", "4"] == champions
    assert "3" == str(client.get_model_version_by_alias(registered(store), "challenger").version)
    reasons = ("there was no champion", "it is worse than", "it is not shown to be better than", "it is better than")
    for version, (reason, note) in enumerate(zip(reasons, notes, strict=True), start=1):
        found = client.get_model_version(registered(store), str(version))
        assert reason in found.description
        assert ("| loss |" in found.description) == (version > 1)
        assert f"Registered: {registered(store)} version {version}, {found.tags['alias']}: {reason}" in note


@pytest.mark.slow
def test_a_server_keeps_what_the_next_version_is_compared_with(tmp_path: Path) -> None:
    """The champion's files come back over HTTP."""
    port = free_port()
    with mlflow_server(tmp_path, port):
        store = Store(f"http://127.0.0.1:{port}", tmp_path / "mlruns", "served")
        end_of(store, "first", 0.05, tmp_path)
        end_of(store, "better", 0.005, tmp_path)
        champion = MlflowClient(store.tracking_uri).get_model_version_by_alias(registered(store), "champion")
        assert "better than the champion, version 1, on the same 2000 test examples" in champion.description


def test_a_version_of_somebody_else_keeps_the_alias(store: Store, tmp_path: Path) -> None:
    """It kept nothing to compare with, so nobody can say that it is worse."""
    client = MlflowClient(store.tracking_uri)
    client.create_registered_model(registered(store))
    foreign = client.create_model_version(registered(store), tmp_path.as_uri())
    client.set_registered_model_alias(registered(store), "champion", foreign.version)
    end_of(store, "quiet-otter", 0.02, tmp_path)
    assert foreign.version == client.get_model_version_by_alias(registered(store), "champion").version
    challenger = client.get_model_version_by_alias(registered(store), "challenger")
    assert "kept no outcomes on its test set" in challenger.description


def test_a_champion_that_was_cut_short_gives_the_alias_back(store: Store, tmp_path: Path) -> None:
    """Its version is deleted, and sent anew it is compared with the same champion as before."""
    end_of(store, "first", 0.05, tmp_path)
    end_of(store, "better", 0.005, tmp_path)
    client = MlflowClient(store.tracking_uri)
    version = client.get_model_version_by_alias(registered(store), "champion")
    experiment = client.get_experiment_by_name(store.experiment)
    assert ("2", True) == (str(version.version), experiment is not None)
    client.update_run(version.run_id, status="RUNNING")
    end_of(store, "better", 0.005, tmp_path)
    again = client.get_model_version_by_alias(registered(store), "champion")
    assert "better than the champion, version 1," in again.description
    assert 2 == len(client.search_model_versions(f"name = '{registered(store)}'"))


def test_a_finalist_that_was_cut_short_is_there_once(store: Store, tmp_path: Path) -> None:
    """A server went away while it was sent: what is left of it goes, the version included."""
    end_of(store, "quiet-otter", 0.02, tmp_path)
    client = MlflowClient(store.tracking_uri)
    experiment = client.get_experiment_by_name(store.experiment)
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id], "tags.kind = 'tuned'")
    client.update_run(run.info.run_id, status="RUNNING")
    end_of(store, "quiet-otter", 0.02, tmp_path)
    (model,) = client.search_logged_models([experiment.experiment_id])
    (found,) = client.search_model_versions(f"name = '{registered(store)}'")
    version = client.get_model_version_by_alias(registered(store), "champion")
    assert (model.source_run_id, model.artifact_location) == (version.run_id, version.source)
    assert version.version == found.version
