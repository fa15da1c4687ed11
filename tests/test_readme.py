"""What the README shows is what happens: its Python runs, `.ci/run` types its test command, its files are there."""

import re
from pathlib import Path
from typing import Any

import tuning

PROJECT = Path(tuning.__file__).parents[1]
README = (PROJECT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_sampler_example_runs_and_finds_the_optimum() -> None:
    """The study of the example ends near width 300 and dropout 0.3."""
    (example,) = blocks("python")
    names: dict[str, Any] = {}
    exec(example, names)
    best = names["study"].best_params
    assert 0.2 <= best["dropout"] <= 0.4
    assert 250 <= best["width"] <= 370


def test_ci_types_the_test_command_to_the_letter() -> None:
    """The README's command for the tests stands in `.ci/run`."""
    (command,) = [block.strip() for block in blocks("console") if "pytest" in block]
    assert command in (PROJECT / ".ci" / "run").read_text(encoding="utf-8")


def test_every_file_of_the_layout_exists() -> None:
    """A file that moved takes its place in the README with it."""
    layout = README.split("## Layout")[1].split("```")[1]
    names = re.findall(r"[\w/]+\.py", layout)
    known = {
        path.name for package in ("tuning", "models", "search_spaces") for path in (PROJECT / package).rglob("*.py")
    }
    assert len(names) > 10
    assert [] == [name for name in names if Path(name).name not in known]
    folders = re.findall(r"^(\w+)/", layout, flags=re.MULTILINE)
    assert [] == [folder for folder in folders if not (PROJECT / folder).is_dir()]
