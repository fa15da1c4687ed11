"""Every task through the public commands, on small real or made data: table, files, MLflow, pictures, export."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from mlflow.tracking import MlflowClient
from scipy.special import expit
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from tests.docs import blocks, command
from tests.test_search import run
from tuning.data import Examples, load_dataset
from tuning.task import Task

pytestmark = pytest.mark.slow


def search(folder: Path, *args: str) -> tuple[str, dict[str, Any]]:
    """Run a search to its end; what it printed and its result."""
    done = run("tuning.search", folder, *args, "--quiet", n_columns=200)
    assert (0, "") == (done.returncode, done.stderr), done.stderr
    study = args[args.index("--study") + 1]
    return done.stdout, json.loads((folder / "mlruns/studies" / study / "result.json").read_text())


def opened(name: str, task: Task | None = None) -> Examples:
    """The test part of a data set, opened here once more to check what was said of it."""
    return load_dataset(name, seed=0, environ={}, task=task).test.open()


def exported(folder: Path, study: str) -> keras.Model:
    """The exported model."""
    return keras.models.load_model(folder / "exports" / study / "model.keras")


def runs_of(folder: Path, kind: str) -> dict[str, float]:
    """Metrics of the one run of this kind in MLflow."""
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    (found,) = client.search_runs([each.experiment_id for each in client.search_experiments()], f"tags.kind = '{kind}'")
    return dict(found.data.metrics)


def test_diabetes_is_tuned_as_a_regression(tmp_path: Path) -> None:
    """The table's numbers are scikit-learn's of the exported model, which gives values in the targets' unit."""
    words = [*command("tasks.md", "diabetes"), "--study", "sugar", "--epochs", "10"]
    said, result = search(tmp_path, *words[3:])

    test, (_, tuned) = opened("diabetes"), result["models"]
    values = exported(tmp_path, "sugar").predict(test.inputs, verbose=0)[:, 0]
    numbers = tuned["evaluation"]
    assert root_mean_squared_error(test.labels, values) == pytest.approx(numbers["rmse"], rel=1e-4)
    assert mean_absolute_error(test.labels, values) == pytest.approx(numbers["mae"], rel=1e-4)
    assert r2_score(test.labels, values) == pytest.approx(numbers["r2"], rel=1e-3)
    assert 0.3 < numbers["r2"] < 0.6  # what is known of these data; the mean has 0
    assert "RMSE" in said
    assert "temperature" not in said
    assert {"test_rmse", "test_r2", "best_val_r2", "value_stderr"} <= runs_of(tmp_path, "tuned").keys()
    assert (tmp_path / "mlruns/studies/sugar/pictures/values.png").is_file()
    done = run("tuning.export", tmp_path, "--study", "sugar", "--format", "tflite", "--quantize", "--force")
    assert (0, "") == (done.returncode, done.stderr)


def test_breast_cancer_as_one_logit(tmp_path: Path) -> None:
    """The exported model gives the probability of class 1, at the temperature, with the accuracy of the table."""
    x, y = load_breast_cancer(return_X_y=True)
    np.savez(tmp_path / "cancer.npz", x_train=x, y_train=y)
    options = ["--trials", "3", "--epochs", "8", "--objective", "val_accuracy"]
    said, result = search(tmp_path, "--data", "cancer.npz", "--task", "binary", "--study", "one", *options)

    test, numbers = opened(str(tmp_path / "cancer.npz"), Task.BINARY), result["models"][-1]["evaluation"]
    probabilities = exported(tmp_path, "one").predict(test.inputs, verbose=0)
    assert (113, 1) == probabilities.shape
    is_right = (probabilities[:, 0] > 0.5) == (test.labels == 1)
    assert is_right.mean() == pytest.approx(numbers["accuracy"])
    assert -np.log(np.where(test.labels == 1, probabilities[:, 0], 1 - probabilities[:, 0])).mean() == pytest.approx(
        numbers["nll_calibrated"], rel=1e-3
    )
    assert numbers["accuracy"] > 0.9
    assert "exact McNemar p" in said


def test_several_labels(tmp_path: Path) -> None:
    """Labels and whole examples that are right are counted apart; each label gets a probability of its own."""
    (made,) = blocks("tasks.md", "python")
    exec(made.replace('"tags.npz"', repr(str(tmp_path / "tags.npz"))), {})
    words = command("tasks.md", "tags.npz")
    said, result = search(tmp_path, *words[3:], "--study", "tags")

    test, numbers = opened(str(tmp_path / "tags.npz")), result["models"][-1]["evaluation"]
    probabilities = exported(tmp_path, "tags").predict(test.inputs, verbose=0)
    is_right = (probabilities > 0.5) == (test.labels == 1)
    assert is_right.mean() == pytest.approx(numbers["accuracy"])
    assert is_right.all(axis=1).mean() == pytest.approx(numbers["exact_match"])
    assert numbers["exact_match"] < numbers["accuracy"]
    assert numbers["accuracy"] > max(test.labels.mean(), 1 - test.labels.mean())
    assert "labels right %" in said
    assert "all right %" in said
    done = run("tuning.export", tmp_path, "--study", "tags", "--format", "keras", "--logits", "--force")
    assert (0, "") == (done.returncode, done.stderr)
    logits = exported(tmp_path, "tags").predict(test.inputs, verbose=0)
    np.testing.assert_allclose(probabilities, expit(logits / numbers["temperature"]), atol=1e-5)
