"""Imports point one way: commands > search > sampler > strategy > search spaces; heavy libraries stay at the edges.

Read from the source with `ast`, so that an import inside a function, which no run of a light module shows, is seen too.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("models", "search_spaces", "tuning")
COMMANDS = {
    f"tuning.{name}" for name in ("search", "export.__main__", "explain", "predict", "sync", "compare.__main__")
}
HEAVY = ("keras", "mlflow", "optuna", "sklearn", "tensorflow", "tensorflow_hub")


@dataclass(frozen=True)
class Import:
    """One imported module: where, what, and when it runs."""

    importer: str
    imported: str
    is_lazy: bool  # inside a function, or for type checkers alone: not run when the importer is imported


def module_name(path: Path) -> str:
    """Return the dotted name of a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}


def imports_of(name: str, source: str) -> Iterator[Import]:
    """Yield every import of a source, wherever it stands."""

    def visit(node: ast.AST, is_lazy: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from (Import(name, alias.name, is_lazy) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{name} imports relatively: write the module's full name"
                yield from (Import(name, target, is_lazy) for target in imported_modules(child))
            else:
                yield from visit(child, is_lazy or is_run_later(child))

    return visit(ast.parse(source), is_lazy=False)


def imported_modules(node: ast.ImportFrom) -> set[str]:
    """Return what `from a import b` imports: `a.b` where that is a module of ours, otherwise `a`."""
    submodules = {f"{node.module}.{alias.name}" for alias in node.names}
    return {name if name in MODULES else str(node.module) for name in submodules}


def is_run_later(node: ast.AST) -> bool:
    """Return whether a node's body does not run when its module is imported."""
    is_for_type_checkers = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
    return is_for_type_checkers or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


IMPORTS = [each for name, path in MODULES.items() for each in imports_of(name, path.read_text(encoding="utf-8"))]


def belongs(module: str, packages: Set[str]) -> bool:
    """Return whether a module is one of these, or inside one."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def imports_by(*importers: str) -> list[Import]:
    """Return the imports of these packages or modules."""
    found = [each for each in IMPORTS if belongs(each.importer, set(importers))]
    assert found, f"no module of {importers} imports anything: has it moved?"
    return found


def foreign_to(imports: list[Import], allowed: set[str]) -> list[Import]:
    """Return the imports that are neither of the standard library nor allowed."""
    return [each for each in imports if not belongs(each.imported, allowed | sys.stdlib_module_names)]


def test_every_kind_of_import_is_seen() -> None:
    """The reader itself: at the top, in a function, for type checkers, and of a submodule."""
    source = """
import a.b
from search_spaces import lever, Role
if TYPE_CHECKING:
    import c
def f():
    try:
        from d import e
    except ImportError: pass
"""
    assert [
        ("a.b", False),
        ("c", True),
        ("d", True),
        ("search_spaces", False),
        ("search_spaces.lever", False),
    ] == sorted((each.imported, each.is_lazy) for each in imports_of("x", source))


def test_search_spaces_know_nothing_but_optuna_and_that_late() -> None:
    """Decision code reads levers without loading Optuna."""
    imports = imports_by("search_spaces")
    assert [] == foreign_to(imports, {"search_spaces", "optuna"})
    assert [] == [each for each in imports if belongs(each.imported, {"optuna"}) and not each.is_lazy]


def test_models_know_nothing_of_tuning() -> None:
    """A model can be used, and replaced, without the framework."""
    forbidden = {"tuning", "mlflow", "optuna"}
    assert [] == [each for each in imports_by("models") if belongs(each.imported, forbidden)]


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("tuning.strategy", {"numpy", "scipy", "sklearn", "threadpoolctl", "search_spaces", "tuning.strategy"}),
        ("tuning.evaluation", {"numpy", "scipy", "tuning.evaluation", "tuning.task"}),
        ("tuning.task", {"numpy"}),
        (
            "tuning.sampler",
            {"optuna", "numpy", "search_spaces", "tuning.memo", "tuning.strategy", "tuning.trial_attrs", "tuning.task"},
        ),
        ("tuning.memo", {"optuna", "search_spaces", "tuning.strategy", "tuning.trial_attrs"}),
        ("tuning.trial_attrs", {"optuna", "numpy", "search_spaces", "tuning.strategy", "tuning.task"}),
    ],
)
def test_a_layer_imports_only_what_lies_below_it(package: str, allowed: set[str]) -> None:
    """Whatever else it needs is given to it as an argument."""
    assert [] == foreign_to(imports_by(package), allowed)


def test_the_engine_knows_neither_study_nor_tracking() -> None:
    """It trains; who asked for it and who records it is not its business."""
    forbidden = {"optuna", "mlflow"}
    assert [] == [each for each in imports_by("tuning.engine") if belongs(each.imported, forbidden)]


def test_mlflow_is_imported_by_tracking_alone() -> None:
    """The files to change when MLflow changes."""
    importers = {each.importer for each in IMPORTS if belongs(each.imported, {"mlflow"})}
    assert [] == sorted(name for name in importers if not belongs(name, {"tuning.tracking"}))


def test_nothing_imports_a_command() -> None:
    """A command is the top: what it shares lies below it."""
    assert [] == [each for each in IMPORTS if each.imported in COMMANDS and each.importer not in COMMANDS]


def test_modules_import_each_other_in_no_circle() -> None:
    """At run time; what a function imports later cannot close a circle while modules load."""
    below = {
        name: {each.imported for each in IMPORTS if each.importer == name and not each.is_lazy} & MODULES.keys()
        for name in MODULES
    }
    while free := {name for name, imported in below.items() if not imported & below.keys()}:
        below = {name: imported for name, imported in below.items() if name not in free}
    assert {} == below


def test_the_strategy_loads_no_heavy_library() -> None:
    """What the source promises holds in a fresh interpreter, and it starts at once."""
    code = "import sys, search_spaces, tuning.strategy.policy; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set() == set(loaded.stdout.split()) & set(HEAVY)


@pytest.mark.slow
def test_the_process_that_holds_the_study_begins_with_light_imports() -> None:
    """Others import TensorFlow meanwhile; MLflow comes while the first trial trains, pictures are drawn at the end."""
    code = "import sys, tuning.search, tuning.study; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "optuna" in loaded.stdout.split()
    assert set() == set(loaded.stdout.split()) & {"keras", "tensorflow", "matplotlib", "mlflow", "sklearn"}


@pytest.mark.slow
def test_a_worker_loads_what_trains_and_can_import_the_rest() -> None:
    """Keras imports scikit-learn and Matplotlib for what no worker uses; a user's own model may want them."""
    code = "import sys, tuning.worker_main; print(*sys.modules); import matplotlib.pyplot, sklearn.base"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"keras", "tensorflow"} == set(loaded.stdout.split()) & {"keras", "tensorflow", "matplotlib", "sklearn"}
