"""What the documentation shows: its commands and its Python, for the tests that run them."""

import re
import shlex
from pathlib import Path

import tuning

DOCS = Path(tuning.__file__).parents[1] / "docs"


def blocks(name: str, language: str) -> list[str]:
    """The fenced blocks of a language in a file of `docs/`."""
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / name).read_text(encoding="utf-8"), flags=re.DOTALL)


def command(name: str, option: str) -> list[str]:
    """The words of the one command in a file of `docs/` that has an option, or another word."""
    (found,) = (words for words in map(shlex.split, blocks(name, "console")) if option in words)
    return found
