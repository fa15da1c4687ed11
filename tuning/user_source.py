"""A digest of the source of a user's model: whether two starts of one study mean the same model.

Comments, blank lines and spaces at the ends of lines do not count. What a module imports from the user's own folder
counts with it; what is installed does not, because versions are logged elsewhere.
"""

from __future__ import annotations

import hashlib
import inspect
import io
import sys
import sysconfig
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuning.user_code import is_ours

_N_HEX = 16  # 64 bits: enough to tell two versions of a file from each other
_INSTALLED = ("site-packages", "dist-packages")
_LIBRARY = Path(sysconfig.get_path("stdlib"))


def digest_of_module(name: str, folder: Path) -> str | None:
    """The digest of an imported module and of what it brought in from the user's folder.

    Args:
        name: Of the module, dotted.
        folder: Of the user, absolute.

    Returns:
        The digest in hex; None for a module without source.
    """
    own = _source_file(sys.modules[name])
    if own is None:
        return None
    files = {own, *(file for file in _source_files() if _is_users(file, folder))}
    return _digest(sorted(_essence(_text(file)) for file in files))


def digest_of_object(build: Any) -> str | None:  # noqa: ANN401 - a function, a class or an instance of one
    """The digest of a function, or of an object's class, that no import finds; None where it has no source."""
    try:
        return _digest([_essence(inspect.getsource(build if hasattr(build, "__code__") else _kind(build)))])
    except (OSError, TypeError):  # typed at a prompt
        return None


def _kind(build: Any) -> type:  # noqa: ANN401
    return build if isinstance(build, type) else type(build)


def _digest(sources: list[str]) -> str:
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()[:_N_HEX]


def _essence(source: str) -> str:
    """The source without comments, blank lines and spaces at the ends of lines."""
    lines = source.split("\n")
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                row, column = token.start
                lines[row - 1] = lines[row - 1][:column]
    except (tokenize.TokenError, SyntaxError):  # the lines of a lambda are no whole statement
        pass
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _source_files() -> Iterator[Path]:
    """Of all modules that are imported, but for the program that runs."""
    for name, module in list(sys.modules.items()):
        if name != "__main__" and (file := _source_file(module)) is not None:
            yield file


def _source_file(module: Any) -> Path | None:  # noqa: ANN401 - modules put all kinds of things in their own place
    name = getattr(module, "__file__", None)
    return Path(name) if isinstance(name, str) and name.endswith(".py") and Path(name).is_file() else None


def _is_users(file: Path, folder: Path) -> bool:
    is_installed = file.is_relative_to(_LIBRARY) or any(part in _INSTALLED for part in file.parts)
    return file.is_relative_to(folder) and not is_installed and not is_ours(str(file))


def _text(file: Path) -> str:
    with tokenize.open(file) as source:  # in the encoding that it declares
        return source.read()
