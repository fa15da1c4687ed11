"""The folder of an exported model: may it be written, and what was written there. Needs no TensorFlow."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tuning.errors import ExportError

MARK = "overfit-backoff.json"  # tells our own exports from a folder that is somebody else's
TEMPERATURE = "temperature"  # a key in it: divides the logits, fitted on the study's validation examples
OUTPUTS = "outputs"  # a key in it: what the files give
PROBABILITIES, LOGITS, VALUES = "probabilities", "logits", "values"
TASK = "task"  # a key in it: a word of `Task`; an export without it has one class of several an example


@dataclass(frozen=True)
class Exported:
    """What was written and how well it reproduces the scored model."""

    folder: Path
    files: tuple[str, ...]
    max_difference: float  # of any probability on the checked inputs
    n_checked: int


def check_target(folder: Path, *, force: bool = True) -> None:
    """Refuse a target that would overwrite something other than an export of ours, or one of ours unasked.

    Args:
        folder: Where an export is to go.
        force: Whether an earlier export there may be replaced.

    Raises:
        ExportError: If the folder exists, is not empty, and was not written by an export or must not be replaced; or
            cannot be created.
    """
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):  # asking for permissions would not tell: root has them everywhere
            pass
    except OSError as error:
        raise ExportError(f"{folder} cannot be created in {existing}: choose another --export-dir.") from error
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not (folder / MARK).is_file():
        raise ExportError(f"{folder} exists and is not an export of ours: remove it or choose another --export-dir.")
    if not force:
        raise ExportError(f"{folder} exists: replace it with --force or choose another --export-dir.")


@contextmanager
def written_aside(folder: Path) -> Iterator[Path]:
    """A new folder to write into, which becomes `folder` where the block ends well; otherwise nothing of it is left.

    After a kill the old folder is there, or the new one; what else is left is hidden, and removed by the next export.

    Raises:
        ExportError: If something cannot be written, a full disk included; the old folder is then as it was.
    """
    aside, before = folder.with_name(f".{folder.name}.partial"), folder.with_name(f".{folder.name}.before")
    try:
        _settle(folder, before)
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        yield aside
        if folder.exists():  # two renames, because a folder that is not empty cannot be renamed over
            folder.rename(before)
        aside.rename(folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ExportError(
            f"The model cannot be written to {folder} ({reason}): choose another --export-dir."
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        _settle(folder, before)


def _settle(folder: Path, before: Path) -> None:
    """Put the old folder back where the new one has not come, and remove it where it has."""
    if before.exists() and not folder.exists():
        before.rename(folder)
    shutil.rmtree(before, ignore_errors=True)
