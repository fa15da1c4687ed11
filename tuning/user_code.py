"""A user's module: imported by name, and its errors told as the user's own."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from typing import Any

from tuning.errors import ModelError

_OURS = {str(Path(__file__).parents[1] / package) for package in ("tuning", "models", "search_spaces")}


def imported(reference: str, folder: Path, what: str) -> Any:  # noqa: ANN401 - whatever the user's module holds
    """What `package.module:name` names, looked for in a folder first.

    Args:
        reference: The name; what follows the colon may have dots.
        folder: Of the user; stays on the path, because a module may import another one late.
        what: The option that gave it, for the message.

    Raises:
        ModelError: If the module cannot be imported or holds no such name.
    """
    module_name, _, name = reference.partition(":")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:  # a module is a program of the user's: anything can go wrong in it
        if isinstance(error, ModuleNotFoundError) and error.name in (module_name, module_name.partition(".")[0]):
            raise ModelError(
                f"`{what}` names the module {module_name!r}, which is neither in {folder} nor installed."
            ) from None
        raise ModelError(f"`{what}`: importing {module_name!r} failed:", told(error)) from None
    for part in name.split("."):
        if not hasattr(found, part):
            known = ", ".join(sorted(each for each in vars(found) if not each.startswith("_"))) or "nothing"
            raise ModelError(f"`{what}` names {reference}, but {module_name!r} has no {name!r}; it has {known}.")
        found = getattr(found, part)
    return found


def told(error: BaseException) -> str:
    """The traceback of a user's error, from the user's first line on."""
    frames = traceback.extract_tb(error.__traceback__)
    first = next((i for i, frame in enumerate(frames) if not is_ours(frame.filename)), 0)
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames[first:])]
    return "".join([*lines, *traceback.format_exception_only(error)]).rstrip()


def is_ours(filename: str) -> bool:
    """Whether a file is one of this project's, or of Python's own import."""
    return (
        filename.startswith("<frozen")
        or any(filename.startswith(folder) for folder in _OURS)
        or "importlib" in filename
    )
