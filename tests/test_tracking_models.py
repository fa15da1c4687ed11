"""Finalists as MLflow's logged models, in a real SQLite store: with their metrics and data, registered, each once."""

from pathlib import Path

import numpy as np
import pytest
from mlflow.models import Model, ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import Schema, TensorSpec

from tests.test_tracking import FACTS, a_run, opened, sqlite_store
from tuning.tracking import Run, Store, StudyEnd

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
    """A tuned model whose files stand in a folder."""
    inputs, outputs = TensorSpec(np.dtype(np.uint8), (-1, 28, 28)), TensorSpec(np.dtype(np.float32), (-1, 10))
    (folder / "tuned").mkdir(exist_ok=True)
    Model(signature=ModelSignature(Schema([inputs]), Schema([outputs]))).save(str(folder / "tuned" / "MLmodel"))
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


def test_the_best_version_on_the_same_data_is_the_champion(store: Store, tmp_path: Path) -> None:
    """Each study adds a version; the alias moves to a better one only."""
    client = MlflowClient(store.tracking_uri)
    champions = []
    for study, value in [("first", 0.02), ("worse", 0.03), ("better", 0.01)]:
        end_of(store, study, value, tmp_path)
        champions.append(str(client.get_model_version_by_alias(registered(store), "champion").version))
    assert ["1", "1", "3"] == champions


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
