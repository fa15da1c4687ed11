"""Bad input in bulk: whatever a user's files and options hold, one line says so, and nothing else happens.

    python -m benchmarks.fuzz --cases 100000

The cases are Hypothesis's: command lines of all commands, space files, `.npz` archives and images that are made up or
damaged, URLs with passwords. A case passes if it ends within ten seconds without any exception but the project's own,
says what is wrong in one printable line without a password, exits with 2, and touches no file. `tests/test_fuzz.py`
runs some of each; `python -m benchmarks.fuzz_coverage` lets atheris look for inputs that reach other lines of the code.
"""

from __future__ import annotations

import importlib
import pkgutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import click
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import tuning
from benchmarks import fuzz_checks as checks
from benchmarks import fuzz_inputs as inputs
from tuning.own_image import POLARITIES

_COMMANDS = ("search", "export", "explain", "predict", "sync", "compare")


@dataclass(frozen=True)
class Target:
    """What is fuzzed.

    Args:
        check: Called with each case; raises if it does not pass.
        cases: What the cases are made of, by the names of the check's arguments.
        share: Of all cases, relative to the other targets'.
    """

    check: Callable[..., None]
    cases: dict[str, st.SearchStrategy[Any]]
    share: int = 1


def _commands() -> list[click.Command]:
    found = [each for each in pkgutil.iter_modules(tuning.__path__) if each.name in _COMMANDS]
    modules = [f"tuning.{each.name}{'.__main__' if each.ispkg else ''}" for each in found]
    return [getattr(importlib.import_module(module), each.name) for module, each in zip(modules, found, strict=True)]


_secrets = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=4, max_size=20)
_polarity = st.sampled_from(POLARITIES)

TARGETS = {
    **{
        f"command line of {each.name}": Target(
            partial(checks.check_command_line, each), {"args": inputs.command_lines(each)}, share=2
        )
        for each in _commands()
    },
    "space file": Target(checks.check_space, {"text": inputs.space_texts()}, share=3),
    "npz, damaged": Target(checks.check_npz, {"data": inputs.damaged([inputs.SOUND_ARCHIVE])}, share=3),
    "npz, made up": Target(checks.check_npz, {"data": inputs.archives()}, share=2),
    "image, damaged": Target(
        checks.check_image, {"data": inputs.damaged(inputs.sound_images()), "polarity": _polarity}, share=4
    ),
    "image, none": Target(checks.check_image, {"data": st.binary(max_size=200), "polarity": _polarity}),
    "URL of a server": Target(checks.check_url, {"url": inputs.urls()}),
    "password in a text": Target(
        checks.check_password, {"user": _secrets, "password": _secrets, "before": st.just("error:")}
    ),
}


def as_test(name: str, n_cases: int, number: int | None = None) -> tuple[Callable[[], None], list[int]]:
    """A target as a Hypothesis test, and a list to whose only number each case adds one.

    Args:
        name: Of the target.
        n_cases: How many cases.
        number: Seed; None for the same cases every time.
    """
    target, n_run = TARGETS[name], [0]

    @settings(
        max_examples=n_cases,
        deadline=None,
        database=None,
        derandomize=number is None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(st.fixed_dictionaries(target.cases))
    def one(case: dict[str, Any]) -> None:
        n_run[0] += 1
        target.check(**case)

    return one if number is None else seed(number)(one), n_run


def fuzz(name: str, n_cases: int, number: int | None = None) -> int:
    """Run cases of one target; returns how many there were.

    Raises:
        AssertionError: Or whatever else a case raised, with the smallest such case.
    """
    test, n_run = as_test(name, n_cases, number)
    test()
    return n_run[0]


@click.command()
@click.option("--cases", default=100_000, show_default=True, help="In all; each target gets its share.")
@click.option("--only", default="", help="Targets whose name holds this.")
@click.option("--seed", "number", default=0, show_default=True, help="Another one makes other cases.")
def main(cases: int, only: str, number: int) -> None:
    """Fuzz every target in turn and print a row for each."""
    whole = sum(target.share for target in TARGETS.values())
    for name, target in TARGETS.items():
        if only not in name:
            continue
        begun = time.perf_counter()
        n_run = fuzz(name, cases * target.share // whole, number)
        print(f"| {name} | {n_run:,} | {time.perf_counter() - begun:.0f} |", flush=True)


if __name__ == "__main__":
    main()
