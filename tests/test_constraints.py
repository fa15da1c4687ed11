"""The sets of packages that the version ranges are tested with belong to these ranges, and name no machine."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import tuning

PROJECT = Path(tuning.__file__).parents[1]
OURS = "overfit-backoff"
LEFT_OUT = ("benchmark", "gp")  # extras that the tests do without


def pins(name: str) -> dict[str, Version]:
    """The versions of a set, by package."""
    lines = (PROJECT / "constraints" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    found = [line for line in lines if not line.startswith("#")]
    assert [] == [line for line in found if not re.fullmatch(r"[\w.-]+==[\w.!+]+", line)], (
        "a version each, no addresses"
    )
    return {canonicalize_name(package): Version(version) for package, _, version in (x.partition("==") for x in found)}


def requirements(*, of_tests: bool) -> list[Requirement]:
    """What the project needs, or its tests beside that."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    product = [line for name, lines in extras.items() if name not in (*LEFT_OUT, "test") for line in lines]
    found = map(Requirement, extras["test"] if of_tests else (*project["dependencies"], *product))
    return [each for each in found if each.name != OURS]


@pytest.mark.parametrize("name", ["oldest", "newest"])
def test_a_set_is_within_the_ranges(name: str) -> None:
    """Every package that the project needs, in a version that is allowed; of the tests' tools those that it names."""
    known = pins(name)
    product, tools = requirements(of_tests=False), requirements(of_tests=True)
    assert [] == [str(each) for each in product if known[canonicalize_name(each.name)] not in each.specifier]
    named = [each for each in tools if canonicalize_name(each.name) in known]
    assert [] == [str(each) for each in named if known[canonicalize_name(each.name)] not in each.specifier]


def test_the_oldest_set_holds_the_lower_bounds() -> None:
    """Whoever changes a bound resolves and tests the set anew."""
    command = [sys.executable, str(PROJECT / ".ci" / "lower_bounds"), "oldest"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    bounds = {canonicalize_name(name): Version(version) for name, _, version in (line.partition("==") for line in said)}
    known = pins("oldest")
    assert len(bounds) > 20
    assert bounds == {name: known[name] for name in bounds}
