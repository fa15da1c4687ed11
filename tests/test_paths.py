"""Paths that no file can have, links in circles, devices, pipes, closed folders: one line, and nothing is touched."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

from tuning import cli
from tuning.data.npz import read_npz
from tuning.errors import DataError, SearchError, SettingsError, StorageError
from tuning.explain import explain
from tuning.export.__main__ import export
from tuning.model_choice import space_of_file
from tuning.own_image import find_images, read_grey
from tuning.paths import file_trouble, refusal
from tuning.predict import predict
from tuning.search import search
from tuning.storages import open_existing, open_storage

_NOBODY = 65534


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one of each kind, in which the commands run."""
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("text")
    Image.fromarray(np.eye(9, dtype="uint8") * 255).save(tmp_path / "seven.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_the_operating_system_says_of_a_path(here: Path) -> None:
    """In a clause, for a path that can be used none."""
    told = {name: refusal(name) for name in ("file", "free", "file/below", "loop", "x" * 300, "a\0b")}
    assert ["", "", ""] == [told["file"], told["free"], told["file/below"]]
    assert ["too many levels of symbolic links", "file name too long"] == [told["loop"], told["x" * 300]]
    assert "it holds a character that no path can hold" == told["a\0b"]
    files = {name: file_trouble(name) for name in ("file", "free", "folder", "pipe", "/dev/zero")}
    device = "it is a device or a pipe"
    assert ["", "there is no such file", "it is a folder", device, device] == list(files.values())


@pytest.mark.parametrize("path", ["a\0b", "x" * 300, "loop", "loop/x.npz"])
@pytest.mark.parametrize(
    ("command", "words"),
    [
        (search, ["--data"]),
        (search, ["--space"]),
        (search, ["--storage"]),
        (search, ["--export-dir"]),
        (search, ["--baseline"]),
        (search, ["--tensorboard"]),
        (export, ["--study", "x", "--data"]),
        (predict, []),
        (predict, ["seven.png", "--model"]),
        (predict, ["seven.png", "--out"]),
        (explain, ["--study", "x", "--storage"]),
    ],
)
def test_an_unusable_path_is_one_line_wherever_it_is_typed(
    command: click.Command, words: list[str], path: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One check for all arguments that are paths."""
    before = sorted(here.rglob("*"))
    assert 2 == cli.run(command, [*words, path])
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and "cannot be used" in said
    assert before == sorted(here.rglob("*"))


def test_a_name_that_steers_the_terminal_does_not(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is repeated in one line, its control characters as escapes."""
    assert 2 == cli.run(search, ["--data", "a\x1b[31m\nb"])
    assert "a\\x1b[31m\\nb" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["pipe", "/dev/zero", "folder"])
def test_what_never_ends_is_not_read(name: str, here: Path) -> None:
    """A pipe waits for somebody who writes, a device may give bytes for ever."""
    for read in (read_npz, read_grey, space_of_file):
        with pytest.raises(SearchError, match="device or a pipe|is a folder"):
            read(Path(name))
    with pytest.raises(StorageError, match="device or a pipe|is a folder"):
        open_storage(name, here)


def test_a_file_that_is_no_journal_stays_as_it_is(here: Path) -> None:
    """A journal's last half line is cut off; of another file that would be somebody's text."""
    for text in ("a thought without an end of its line", "a line\n", "[1]\n"):
        (here / "notes").write_text(text)
        with pytest.raises(StorageError, match="no journal of Optuna"):
            open_storage("notes", here)
        assert text == (here / "notes").read_text()


@pytest.mark.parametrize("url", ["typing-error.journal", "sqlite:///typing-error.db", "sqlite:///file"])
def test_a_command_that_reads_a_study_makes_no_storage(url: str, here: Path) -> None:
    """A mistyped name is no new file, and a file is no new database."""
    before = [(path, path.lstat().st_size) for path in sorted(here.rglob("*"))]
    with pytest.raises(StorageError, match="cannot be used"):
        open_existing(url, here)
    assert before == [(path, path.lstat().st_size) for path in sorted(here.rglob("*"))]


def test_a_database_of_another_program_gets_no_tables(here: Path) -> None:
    """Such as MLflow's own."""
    with sqlite3.connect(here / "other.db") as connection:
        connection.execute("CREATE TABLE runs (id INTEGER)")
    connection.close()
    before = (here / "other.db").read_bytes()
    with pytest.raises(StorageError, match="cannot be used"):
        open_existing("sqlite:///other.db", here)
    assert before == (here / "other.db").read_bytes()


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read everything, so it has to be somebody else for a moment."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def test_files_and_folders_that_are_closed_to_the_user_are_named() -> None:
    """The reason is the operating system's."""
    with tempfile.TemporaryDirectory() as name:  # not pytest's folder, which is closed to others as a whole
        folder = Path(name)
        folder.chmod(0o755)
        np.savez(folder / "own.npz", x_train=np.zeros((9, 2)), y_train=np.arange(9) % 3)
        for path in (folder / "own.npz", folder / "seven.png", folder / "space.toml"):
            path.touch()
            path.chmod(0)
        (folder / "images").mkdir(0)
        with as_nobody():
            with pytest.raises(DataError, match=r"own\.npz cannot be read \(Permission denied\)"):
                read_npz(folder / "own.npz")
            with pytest.raises(DataError, match=r"seven\.png cannot be read .*Permission denied"):
                read_grey(folder / "seven.png")
            with pytest.raises(SettingsError, match="cannot be read: .*Permission denied"):
                space_of_file(folder / "space.toml")
            with pytest.raises(DataError, match=r"images cannot be read \(Permission denied\)"):
                find_images([folder / "images"])
