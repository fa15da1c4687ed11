"""Bad input: one line that names the rule, the value and the way out; exit code 2; nothing written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuning import cli
from tuning.export.__main__ import export
from tuning.search import search

Arrays = dict[str, Any]


def images(n: int = 60, n_classes: int = 3) -> Arrays:
    """A small data set that is in order: three classes of 4x4 images."""
    labels = np.arange(n) % n_classes
    pixels = np.random.default_rng(0).integers(0, 256, (n, 4, 4), dtype=np.uint8)
    return {"x_train": pixels, "y_train": labels}


def without_labels(arrays: Arrays) -> Arrays:
    """Leave out y_train."""
    return {"x_train": arrays["x_train"]}


def of_mixed_shapes(arrays: Arrays) -> Arrays:
    """Images of two shapes: an object array, which only pickle can hold."""
    mixed = np.empty(len(arrays["x_train"]), dtype=object)
    mixed[:] = [image[: 2 + i % 2] for i, image in enumerate(arrays["x_train"])]
    return {**arrays, "x_train": mixed}


def labels_as_floats(arrays: Arrays) -> Arrays:
    """Labels of a regression."""
    return {**arrays, "y_train": arrays["y_train"].astype(float)}


def labels_out_of_range(arrays: Arrays) -> Arrays:
    """Labels from -1."""
    return {**arrays, "y_train": arrays["y_train"] - 1}


def nan_pixels(arrays: Arrays) -> Arrays:
    """One pixel that is not a number."""
    pixels = arrays["x_train"].astype(np.float32)
    pixels[3, 2, 1] = np.nan
    return {**arrays, "x_train": pixels}


def one_class(arrays: Arrays) -> Arrays:
    """Nothing to tell apart."""
    return {**arrays, "y_train": np.zeros_like(arrays["y_train"])}


SPOILED: list[tuple[Callable[[Arrays], Arrays], str]] = [
    (without_labels, "y_train"),
    (of_mixed_shapes, "shape"),
    (labels_as_floats, "float"),
    (labels_out_of_range, "-1"),
    (nan_pixels, "NaN"),
    (one_class, "class"),
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which the command runs."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def refused(args: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run the search, which must refuse; returns what it said."""
    assert cli.run(search, args) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1, "one line, no traceback"
    return captured.err


@pytest.mark.parametrize(("spoil", "word"), SPOILED)
def test_spoiled_data_is_refused_and_nothing_is_written(
    spoil: Callable[[Arrays], Arrays], word: str, here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each way to spoil a file is named before anything is written."""
    np.savez(tmp_path / "my.npz", **spoil(images()))
    assert word in refused(["--data", str(tmp_path / "my.npz")], capsys)
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--data", "mnits"], ["mnits", "mnist5k", "digits"]),
        (["--data", "missing.npz"], ["missing.npz"]),
        (["--trials", "0"], ["--trials", "at least 1", "got 0"]),
        (["--trials", "many"], ["--trials", "many"]),
        (["--epochs", "0"], ["--epochs", "at least 1", "got 0"]),
        (["--timeout", "-1"], ["--timeout", "more than 0", "-1"]),
        (["--timeout", "nan"], ["--timeout", "nan"]),
        (["--target", "nan"], ["--target", "finite", "nan"]),
        (["--shrink", "0"], ["--shrink", "more than 0", "got 0"]),
        (["--shrink", "10"], ["--shrink", "at most 1", "got 10"]),
        (["--seed", "-1"], ["--seed", "-1"]),
        (["--batch-size", "0"], ["--batch-size", "at least 1", "got 0"]),
        (["--precision", "half"], ["--precision", "auto", "float32", "mixed_bfloat16", "got half"]),
        (["--study", "a/b"], ["--study", "a/b"]),
        (["--objective", "accuracy"], ["accuracy", "val_loss", "val_calibrated_loss", "val_error", "val_accuracy"]),
        (["--experiment", "Default"], ["Default", "another name"]),
        (["--no-such-option"], ["--no-such-option"]),
        (["--data", "digits", "--storage", "sqlite:////no/such/folder/o.db"], ["/no/such/folder/o.db", "--storage"]),
        (["--data", "digits", "--storage", "postgresql://me:secret@127.0.0.1:1/x"], ["***@127.0.0.1:1"]),
        (["--data", "digits", "--tracking-uri", "http://127.0.0.1:1"], ["http://127.0.0.1:1", "--tracking-uri"]),
        (["--data", "digits", "--tracking-uri", "runs"], ["sqlite:///FILE", "--tracking-uri"]),
        (["--data", "digits", "--tracking-uri", "ftp://x"], ["no ftp://", "postgresql", "--tracking-uri"]),
        (["--data", "digits", "--tracking-uri", "postgresql+psycopg://me:secret@127.0.0.1:1/x"], ["***@127.0.0.1:1"]),
        (["--data", "digits", "--baseline", "stand-in"], ["--baseline", "28x28"]),
        (["--data", "mnist5k", "--baseline", "no/such/module"], ["no/such/module"]),
        (["--data", "mnist5k", "--baseline", "https://else.where/model/1"], ["https://else.where/model/1", "--trust"]),
        (["--trial-timeout", "0"], ["--trial-timeout", "more than 0", "got 0"]),
        (["--max-params", "0"], ["--max-params", "at least 1", "got 0"]),
        (["--memory-limit", "100"], ["--memory-limit", "at least 500", "got 100"]),
        (["--data", "digits", "--export-dir", "/proc/exported"], ["/proc/exported", "--export-dir"]),
        (["--data", "digits", "--tensorboard", "/proc/runs"], ["/proc/runs", "--tensorboard", "written"]),
        (["--data", "diabetes", "--objective", "val_accuracy"], ["val_r2", "regression", "val_accuracy"]),
        (["--data", "diabetes", "--objective", "val_calibrated_loss"], ["one of val_loss, val_error, val_r2 for"]),
        (["--data", "digits", "--objective", "val_r2"], ["val_calibrated_loss", "multiclass"]),
        (["--data", "digits", "--task", "binary"], ["10 classes", "--task multiclass"]),
        (["--data", "digits", "--task", "ranking"], ["multiclass, binary, multilabel, regression", "ranking"]),
    ],
)
def test_wrong_option_is_refused_and_nothing_is_written(
    args: list[str], words: list[str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names the option's rule, the value and the way out."""
    message = refused(args, capsys)
    assert [word for word in words if word not in message] == []
    assert "secret" not in message
    assert list(here.iterdir()) == []


def test_unwritable_folder_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder in which nobody, root included, can create a file."""
    monkeypatch.chdir("/proc")
    assert "/proc" in refused(["--data", "digits"], capsys)


def test_a_file_in_the_place_of_the_runs_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`mlruns` has to be a folder."""
    (here / "mlruns").write_text("not a folder")
    assert "mlruns" in refused(["--data", "digits"], capsys)
    assert ["mlruns"] == [path.name for path in here.iterdir()]


def test_foreign_export_folder_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is not an export of ours is never replaced, and that is known before the first trial."""
    (here / "mine").mkdir()
    (here / "mine" / "thesis.txt").write_text("five years of work")
    assert "mine" in refused(["--data", "digits", "--export-dir", "mine"], capsys)
    assert ["mine"] == [path.name for path in here.iterdir()]


def test_unknown_study_cannot_be_exported(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The known studies are listed."""
    (here / "mlruns" / "studies" / "known").mkdir(parents=True)
    assert cli.run(export, ["--study", "unknown"]) == 2
    message = capsys.readouterr().err
    assert "'unknown'" in message
    assert "known studies: known" in message.lower()
