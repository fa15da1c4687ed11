"""The OptunaHub package: loaded as it stands here, and as it is built for the registry, without this project."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hub.build import PACKAGE, PLACE, ROOT, build, needed, relative, ruff

README = (PACKAGE / "README.md").read_text(encoding="utf-8")


def ran(code: list[str], folder: Path, **environ: str) -> str:
    """What Python prints that must succeed in a folder outside this project, and that must not import it."""
    watched = "import sys; sys.modules.update(tuning=None, search_spaces=None); "
    command = [sys.executable, "-c", watched + code[0], *code[1:]]
    done = subprocess.run(command, cwd=folder, env={**os.environ, **environ}, capture_output=True, text=True)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def test_the_front_matter_is_what_the_registry_asks_for() -> None:
    """Its keys, all filled, and its tag."""
    _, front, text = README.split("---\n", 2)
    matter = yaml.safe_load(front)
    assert ["author", "title", "description", "tags", "optuna_versions", "license"] == list(matter)
    assert all(matter.values())
    assert "sampler" in matter["tags"]
    assert "MIT License" == matter["license"]
    sections = re.findall(r"^## (.*)$", text, flags=re.MULTILINE)
    assert ["Abstract", "APIs", "Installation", "Example", "Others"] == sections
    assert "<" not in re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL), "the registry's site takes no HTML"


def test_the_licence_is_this_projects() -> None:
    """MIT, with the same holder."""
    assert (ROOT / "LICENSE").read_text(encoding="utf-8") == (PACKAGE / "LICENSE").read_text(encoding="utf-8")


def test_imports_become_relative_and_nothing_else_changes() -> None:
    """As many dots as the file lies deep."""
    path = ROOT / "tuning" / "strategy" / "policy.py"
    before, after = (text.splitlines() for text in (path.read_text(encoding="utf-8"), relative(path, 3)))
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    line = "from search_spaces import Point, SearchSpace"
    assert (line, line.replace("search", "...search", 1)) in changed
    assert all(new == re.sub(r"^( *from )(tuning|search_spaces)", r"\1...\2", old) for old, new in changed)


def test_the_package_takes_the_sampler_and_neither_keras_nor_mlflow() -> None:
    """What `__init__.py` imports, and what that imports."""
    names = {str(path.relative_to(ROOT)) for path in needed()}
    assert {"tuning/sampler.py", "tuning/strategy/policy.py", "search_spaces/lever.py"} <= names
    assert not {"tuning/search.py", "tuning/engine/training.py", "tuning/tracking/tracker.py"} & names


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry that holds the package alone, where OptunaHub keeps what it has downloaded."""
    folder = tmp_path_factory.mktemp("cache") / "github.com" / "optuna" / "optunahub-registry" / "main"
    build(folder)
    return folder


@pytest.mark.slow
def test_the_package_loads_from_this_repository() -> None:
    """By OptunaHub's own loader: the class is the project's."""
    import optunahub

    from tuning import OverfitBackoffSampler

    module = optunahub.load_local_module("overfit_backoff", registry_root=str(ROOT / "hub"))
    assert module.OverfitBackoffSampler is OverfitBackoffSampler


@pytest.mark.slow
def test_the_built_package_runs_its_example_and_its_readme_without_this_project(registry: Path) -> None:
    """Loaded by `load_module` as everybody would, from the cache in the place of the download."""
    cache = {"OPTUNAHUB_CACHE_HOME": str(registry.parents[3])}
    (in_readme,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    example = (registry / PLACE / "example.py").read_text(encoding="utf-8")
    for_both = f"exec({example!r}, {{}})\n{in_readme}\nprint(study.best_params)"
    assert 2 == len(re.findall(r"'width': (2|3)\d\d, 'dropout': 0\.[234]", ran([for_both], registry, **cache)))


@pytest.mark.slow
def test_the_built_package_passes_its_tests_and_the_registrys_checks(registry: Path) -> None:
    """Its own tests from the registry's root; formatted, and free of what ruff finds."""
    some = "TestSingleOnly or bowl"  # the other suites passed on the same files in test_conformance.py
    tests = f"import pytest; sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', '-k', {some!r}, {str(PLACE)!r}]))"
    assert " passed" in ran([tests], registry)
    for command in (["check"], ["format", "--check"]):
        ruff(command, registry / PLACE)
