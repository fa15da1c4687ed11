"""Small copies of a study's pictures for the description of its run, where MLflow shows them as wide as they are."""

from __future__ import annotations

import shutil
from pathlib import Path

from PIL import Image

# Beside a description of this width, the rest of MLflow's page has room on a screen of 1440.
_WIDTH = 740

# What answers most, the first first: a description has room for these.
_SHOWN = ("study", "levers", "learning-curves", "gap-over-capacity", "confidence", "reliability", "confusion")


def write_previews(pictures: Path, folder: Path) -> dict[str, str]:
    """Write small copies of the pictures that answer most; earlier copies are deleted.

    Args:
        pictures: The folder of the pictures.
        folder: Where to, beside the first one.

    Returns:
        The path of each copy by that of its picture, relative to the folder that holds both.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    found = [path for name in _SHOWN if (path := pictures / f"{name}.png").is_file()]
    return {f"{pictures.name}/{path.name}": f"{folder.name}/{_preview(path, folder).name}" for path in found}


def _preview(path: Path, folder: Path) -> Path:
    with Image.open(path) as picture:
        small = picture.convert("RGB")
        small.thumbnail((_WIDTH, small.height), Image.Resampling.LANCZOS)
        small.save(folder / path.name, optimize=True)
    return folder / path.name
