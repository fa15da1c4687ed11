"""`python -m hub.build OUT`: the OptunaHub package of `hub/overfit_backoff/`, ready for a pull request to the registry.

The registry takes a folder that stands alone, and this project's sampler is some thirty files, which its requirements
cannot name: a package that brought TensorFlow and MLflow with it would be of no use to somebody who wants a sampler.
So the package is built, not kept: every file of the project that `__init__.py` imports, and what those import, is put
beside it, with relative imports and in the registry's format. `OUT/package/samplers/overfit_backoff/` is the result.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "hub" / "overfit_backoff"
PLACE = Path("package") / "samplers" / "overfit_backoff"
_OURS = ("search_spaces", "tuning")

# As the registry's own pyproject.toml has it.
RUFF_RULES = """
line-length = 99
[lint]
select = ["E4", "E7", "E9", "F", "I"]
[lint.isort]
known-third-party = ["optuna"]
lines-after-imports = 2
force-single-line = true
force-sort-within-sections = true
order-by-type = false
"""


def build(out: Path) -> Path:
    """Write the package below a folder, and replace an earlier one there.

    Args:
        out: Such as a checkout of the registry; created if it is missing.

    Returns:
        The folder of the package.

    Raises:
        ValueError: If a file imports something that the requirements do not name, or in a way that cannot be relative.
    """
    folder = out / PLACE
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for path in needed():
        target = folder / path.relative_to(PACKAGE if path.is_relative_to(PACKAGE) else ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(relative(path, len(target.relative_to(folder).parts)), encoding="utf-8")
    _check_requirements(folder)
    for command in (["check", "--fix"], ["format"]):
        ruff(command, folder)
    return folder


def needed() -> list[Path]:
    """The package's `__init__.py` and every file of the project that it imports, directly or not."""
    found, to_read = set(), [PACKAGE / "__init__.py"]
    while to_read:
        path = to_read.pop()
        if path in found:
            continue
        found.add(path)
        to_read += [file for node in _imports(path) for file in _files(node)]
    return sorted(found)


def relative(path: Path, depth: int) -> str:
    """The source of a file of ours with relative imports.

    Args:
        path: The file.
        depth: How many names its path inside the package has, >= 1.
    """
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    for node in _imports(path):
        line = lines[node.lineno - 1]
        lines[node.lineno - 1] = line.replace(f"from {node.module}", f"from {'.' * depth}{node.module}", 1)
    return "".join(lines)


def _imports(path: Path) -> Iterator[ast.ImportFrom]:
    """What a file imports of ours."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import) and any(alias.name.split(".")[0] in _OURS for alias in node.names):
            raise ValueError(f"{path}, line {node.lineno}: write `from ... import`, which can be made relative.")
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in _OURS:
            yield node


def _files(node: ast.ImportFrom) -> Iterator[Path]:
    """The files behind an import: the module, the packages around it, and what it imports where that is a module."""
    parts = str(node.module).split(".")
    for names in (*(parts[:n] for n in range(1, len(parts) + 1)), *([*parts, alias.name] for alias in node.names)):
        module = ROOT.joinpath(*names)
        yield from (path for path in (module.with_suffix(".py"), module / "__init__.py") if path.is_file())


def _check_requirements(folder: Path) -> None:
    """Every library that is imported is required, and none that is not."""
    text = (folder / "requirements.txt").read_text(encoding="utf-8").replace("scikit-learn", "sklearn")
    required = {re.match(r"[\w-]+", line)[0] for line in text.splitlines()}  # type: ignore[index]
    imported = {name for path in folder.rglob("*.py") if "tests" not in path.parts for name in _libraries(path)}
    if difference := imported.symmetric_difference(required | {"optunahub"}):
        raise ValueError(f"requirements.txt and the imports differ in {', '.join(sorted(difference))}.")


def _libraries(path: Path) -> Iterator[str]:
    """The libraries that a file imports, but for Python's own."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [str(node.module)] if isinstance(node, ast.ImportFrom) and not node.level else []
        yield from {module.split(".")[0] for module in modules} - sys.stdlib_module_names


def ruff(command: Sequence[str], folder: Path) -> None:
    """Let ruff check or format a folder by the registry's rules.

    Raises:
        subprocess.CalledProcessError: If it finds something.
    """
    with tempfile.TemporaryDirectory() as rules:
        config = Path(rules) / "ruff.toml"
        config.write_text(RUFF_RULES, encoding="utf-8")
        words = [sys.executable, "-m", "ruff", *command, "--quiet", "--no-cache", "--config", str(config), str(folder)]
        subprocess.run(words, check=True)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
def main(out: Path) -> None:
    """Build the OptunaHub package below the folder OUT, such as a checkout of the registry."""
    print(build(out))


if __name__ == "__main__":
    main()
