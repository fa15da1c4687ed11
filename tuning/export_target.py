"""The folder of an exported model: may it be written, and what was written there. Needs no TensorFlow."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from tuning.errors import ExportError

MARK = "overfit-backoff.json"  # tells our own exports from a folder that is somebody else's
TEMPERATURE = "temperature"  # a key in it: divides the logits, fitted on the study's validation examples


@dataclass(frozen=True)
class Exported:
    """What was written and how well it reproduces the scored model."""

    folder: Path
    files: tuple[str, ...]
    max_difference: float  # of any probability on the checked inputs
    n_checked: int


def check_target(folder: Path) -> None:
    """Refuse a target that would overwrite something other than an export of ours.

    Raises:
        ExportError: If the folder exists, is not empty, and was not written by an export; or cannot be created.
    """
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):  # asking for permissions would not tell: root has them everywhere
            pass
    except OSError as error:
        raise ExportError(f"{folder} cannot be created in {existing}: choose another --export-dir.") from error
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise ExportError(f"{folder} exists and is not an export of ours: remove it or choose another --export-dir.")
