"""Paths that come from outside: does the operating system take them, and is there a file that ends?"""

from __future__ import annotations

import stat
from pathlib import Path

_FREE = "is free"


def refusal(path: str | Path) -> str:
    """Why the operating system takes no such path, in a clause; empty if it does, whether anything is there or not."""
    why = _trouble(path)
    return "" if why == _FREE else why


def file_trouble(path: str | Path) -> str:
    """Why there is no file to read at a path, in a clause; empty if there is one.

    A device or a pipe is none: it may never end, or wait for somebody who writes.
    """
    why = _trouble(path)
    if why:
        return "there is no such file" if why == _FREE else why
    mode = Path(path).stat().st_mode
    if stat.S_ISDIR(mode):
        return "it is a folder"
    return "" if stat.S_ISREG(mode) else "it is a device or a pipe"


def _trouble(path: str | Path) -> str:
    try:
        Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return _FREE
    except ValueError:  # a character that no path can hold, such as NUL
        return "it holds a character that no path can hold"
    except OSError as error:  # too long, links in a circle, a folder that is closed to this user
        return str(error.strerror).lower()
    return ""
