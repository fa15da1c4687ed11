"""What must hold for any input: one line that says what is wrong, in time, without a password; no file is touched."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import quote

import click
import numpy as np
import optuna

from benchmarks.fuzz_inputs import CANARY, SOUND_ARCHIVE, sound_images
from search_spaces import mlp_space
from tuning import cli
from tuning.data import load_dataset
from tuning.errors import DataError, SearchError, SettingsError
from tuning.masking import masked
from tuning.model_choice import space_of_file
from tuning.own_image import as_mnist, find_images, read_grey
from tuning.settings import study_dir
from tuning.storages import open_existing, open_storage
from tuning.study_store import DATA_ARGUMENT, FINGERPRINT
from tuning.tracking.store import Store, check

_MAX_SECS = 10


def expect(condition: bool, *facts: object) -> None:
    """Fail a case.

    Raises:
        AssertionError: If the condition does not hold, with the facts.
    """
    if not condition:
        raise AssertionError(facts)


@contextlib.contextmanager
def within_time() -> Iterator[None]:
    """A case that hangs is a failure."""

    def give_up(number: int, frame: object) -> None:
        raise TimeoutError(f"A case took longer than {_MAX_SECS} s.")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(_MAX_SECS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@cache
def world() -> Path:
    """A folder with files of every kind, sound and damaged, and a study; gone when the process ends."""
    folder = tempfile.TemporaryDirectory(prefix="tuning-fuzz-")
    root = _kept(folder)
    (root / "own.npz").write_bytes(SOUND_ARCHIVE)
    (root / "seven.png").write_bytes(sound_images()[0])
    (root / "space.toml").write_text("[units]\nrole = 'capacity'\nscale = 'log2_integer'\nrange = [4, 64]\n")
    (root / "notes.txt").write_text("a thought without an end of its line")
    (root / "known.db").write_text("no database")
    (root / "empty").touch()
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "pipe")
    (root / "images").mkdir()
    (root / "images" / "[b]$a$.png").write_bytes(sound_images()[0][:60])
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(study_name="known", storage=open_storage(None, study_dir(root, "known")))
    fingerprint = {"seed": 0, "data digest": "0", "objective": "val_loss", "space": mlp_space().fingerprint()}
    study.set_user_attr(FINGERPRINT, fingerprint)
    study.set_user_attr(DATA_ARGUMENT, "moved.npz")
    return root


@cache
def closed_world() -> Path:
    """The same, but a file stands where the runs go, so that no search begins."""
    root = _kept(tempfile.TemporaryDirectory(prefix="tuning-fuzz-"))
    for path in world().iterdir():
        (root / path.name).symlink_to(path) if path.name != "mlruns" else (root / "mlruns").touch()
    return root


_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []  # each is removed when the process ends


def _kept(folder: tempfile.TemporaryDirectory[str]) -> Path:
    _FOLDERS.append(folder)
    return Path(folder.name)


def _tree(root: Path) -> list[tuple[str, int, int]]:
    found = []
    for folder, folders, names in os.walk(root):
        for name in (*folders, *names):
            about = os.lstat(f"{folder}/{name}")
            is_folder = name in folders
            found.append((f"{folder}/{name}", 0 if is_folder else about.st_size, 0 if is_folder else about.st_mtime_ns))
    return sorted(found)


@contextlib.contextmanager
def untouched(root: Path) -> Iterator[None]:
    """Nothing in the folder is made, changed or removed."""
    before = _tree(root)
    yield
    expect(_tree(root) == before, "files were touched", sorted(set(_tree(root)) ^ set(before)))


def check_command_line(command: click.Command, args: list[str]) -> None:
    """A command prints its help, or one line that begins with `error:`; exit code 0 or 2."""
    root = closed_world() if command.name in ("search", "compare") else world()
    out, err, here = io.StringIO(), io.StringIO(), Path.cwd()
    with untouched(root), within_time(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        os.chdir(root)
        try:
            code = cli.run(command, args)
        finally:
            os.chdir(here)
            _remove_drawn(root)
    said = err.getvalue()
    is_done = code == 0 and said == "" and out.getvalue() != ""
    is_error = code == cli.EXIT_BAD_INPUT and out.getvalue() == "" and said.startswith("error: ")
    expect(is_done or (is_error and _is_one_line(said)), args, code, out.getvalue(), said)
    expect(CANARY not in said, args, said)


def _is_one_line(said: str) -> bool:
    return said.endswith("\n") and said[:-1].isprintable()


def _remove_drawn(root: Path) -> None:
    """`tuning.explain` has told a study, and drawn it."""
    for path in root.glob("mlruns/studies/*/pictures/*.png"):
        path.unlink()
    for folder in root.glob("mlruns/studies/*/pictures"):
        folder.rmdir()


@contextlib.contextmanager
def _file(data: bytes, name: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        with untouched(Path(folder)), within_time():
            yield path


def check_npz(data: bytes) -> None:
    """A file gives a data set, or an error of the project's own."""
    with _file(data, "own.npz") as path, contextlib.suppress(DataError):
        load_dataset(str(path), seed=0, environ={})


def check_space(text: str) -> None:
    """A file gives a space whose start is in it and which Optuna takes, or says what is wrong and where."""
    with _file(text.encode("utf-8", "surrogatepass"), "space.toml") as path, contextlib.suppress(SettingsError):
        space = space_of_file(path)
        expect(space.snap(space.start_point()) == space.start_point(), space)
        expect(all(space.distributions()[name]._contains(_internal(space, name)) for name in space.start()), space)
        expect(type(space).from_fingerprint(space.fingerprint()) == space, space)


def _internal(space: object, name: str) -> float:
    lever = next(each for each in space.levers if each.name == name)  # type: ignore[attr-defined]
    return float(lever.distribution().to_internal_repr(space.start()[name]))  # type: ignore[attr-defined]


def check_image(data: bytes, polarity: str) -> None:
    """An image gives 28 x 28 pixels, or an error of the project's own."""
    said = io.StringIO()
    with _file(data, "own.png") as path, contextlib.redirect_stderr(said), contextlib.suppress(DataError):
        image = as_mnist(read_grey(*find_images([path])), polarity)
        expect((image.pixels.shape, image.pixels.dtype) == ((28, 28), np.uint8), image)
    expect(said.getvalue() == "", said.getvalue())


def check_url(url: str) -> None:
    """A storage and a tracking server that cannot be reached are named, but no password."""
    root = world()
    with untouched(root), within_time():
        try:
            open_existing(url, study_dir(root, "known"))
        except SearchError as error:
            expect(CANARY not in str(error), url, str(error))
        try:
            check(Store(url, root / "mlruns", "fuzz"))
        except SearchError as error:
            expect(CANARY not in str(error), url, str(error))


def check_password(user: str, password: str, before: str) -> None:
    """No part of a text that holds a URL shows its password, as it was typed or as a URL has to have it."""
    for text in (password, quote(password, safe="")):
        url = f"postgresql://{quote(user, safe='')}:{text}@host:5432/db"
        shown = masked(f"{before} {url} (could not connect to {url})", url)
        expect(text not in shown.replace("postgresql://***@host:5432/db", "").replace(before, ""), shown)
