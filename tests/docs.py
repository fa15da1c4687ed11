"""What the documentation shows: its commands and its Python, for the tests that run them."""

import contextlib
import importlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import tuning
from tuning import cli

DOCS = Path(tuning.__file__).parents[1] / "docs"
REFUSED = "# refused"  # behind a command that has to end with exit code 2


def blocks(name: str, language: str) -> list[str]:
    """The fenced blocks of a language in a file of `docs/`."""
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / name).read_text(encoding="utf-8"), flags=re.DOTALL)


def command(name: str, option: str) -> list[str]:
    """The words of the one command in a file of `docs/` that has an option, or another word."""
    (found,) = (words for words in map(shlex.split, blocks(name, "console")) if option in words)
    return found


def ran(command: list[str], folder: Path) -> str:
    """What a command prints that must succeed in a folder, in a process of its own with this project on the path."""
    environ = {**os.environ, "PYTHONPATH": str(DOCS.parent)}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def run_guide(name: str, folder: Path) -> list[str]:
    """Run every block of a guide in its order in a folder, and return what each command and snippet printed.

    Python that begins with the name of a file is that file, and TOML is `space.toml`. Snippets and this project's
    commands run in this process, where TensorFlow and MLflow are imported once.
    """
    text, printed = (DOCS / name).read_text(encoding="utf-8"), []
    with _as_in(folder):
        for language, block in re.findall(r"```(python|toml|console)\n(.*?)```", text, flags=re.DOTALL):
            file = re.match(r"# (\w+\.py)\n", block)
            if file or language == "toml":
                (folder / (file[1] if file else "space.toml")).write_text(block, encoding="utf-8")
            elif language == "python":
                printed.append(_python(block))
            else:
                printed += [_command(line) for line in block.strip().splitlines()]
    return printed


@contextlib.contextmanager
def _as_in(folder: Path) -> Iterator[None]:
    """As if Python had been started in a folder; what was imported from there is forgotten afterwards."""
    path = list(sys.path)
    with contextlib.chdir(folder):
        sys.path.insert(0, str(folder))
        try:
            yield
        finally:
            sys.path[:] = path
            for module in [name for name, each in sys.modules.items() if _is_in(folder, each)]:
                del sys.modules[module]


def _is_in(folder: Path, module: object) -> bool:
    return str(getattr(module, "__file__", None) or "").startswith(f"{folder}{os.sep}")


def _python(block: str) -> str:
    with redirect_stdout(io.StringIO()) as out:
        exec(block, {"__name__": "__main__"})
    return out.getvalue()


def _command(line: str) -> str:
    """What a command prints. One that is marked as refused has to say why in one line."""
    words = shlex.split(line, comments=True)
    if words[:2] != ["python", "-m"] or not words[2].startswith("tuning."):
        return ran([sys.executable, *words[1:]], Path.cwd())
    exit_code, out, err = _ours(words[2], words[3:])
    assert (cli.EXIT_BAD_INPUT if REFUSED in line else 0) == exit_code, f"{line}: {out}{err}"
    assert REFUSED not in line or 1 == err.count("\n")
    return out + err


def _ours(module: str, args: list[str]) -> tuple[int, str, str]:
    """Exit code, output and errors of one of this project's commands."""
    is_package = hasattr(importlib.import_module(module), "__path__")
    main = getattr(importlib.import_module(f"{module}.__main__" if is_package else module), module.rpartition(".")[2])
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        exit_code = cli.run(main, args)
    return exit_code, out.getvalue(), err.getvalue()
