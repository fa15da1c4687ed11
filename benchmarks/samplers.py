"""Which sampler finds the better configuration at an equal budget? Recorded trainings, replayed in seconds.

    python -m benchmarks.samplers run --tasks report --limit-secs 400     # again until it says that all is done
    python -m benchmarks.samplers show --tasks report                     # the tables, as Markdown

Needs `pip install -e ".[benchmark]"`. Every arm pays for all of its trainings: of N trials, a fifth (from 15 on) goes
to the same confirmation of its best configurations on three seeds; then its choice is judged on seeds that no search
saw. Results are kept, one line a run, in `benchmarks/.results/`, so that the work can be done in pieces.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import optuna

from benchmarks.arms import OPTUNA_ARMS, OURS, RANDOM_TWICE, regrets_of_optuna_arm, regrets_of_ours
from benchmarks.results import Results
from benchmarks.samplers_report import Regrets, paired_table, picture, tables
from benchmarks.tables import DEVELOPMENT, FCNET, HPOBENCH, Replay, load

BUDGETS = (5, 10, 20, 40, 60)

# The Gaussian processes of Optuna need seconds a run, random search milliseconds.
_REPETITIONS = {"GP": 6, "GP + start": 10, "random": 30, "TPE": 30, "TPE + start": 30, "CMA-ES + start": 20, "ours": 10}
_ABLATION_REPETITIONS = 10


@dataclass(frozen=True)
class Cell:
    """One run of one arm on one task."""

    task: str
    arm: str
    repetition: int
    noise: float


_RESULTS = Results.of("samplers", Cell)


def tasks_of(name: str, curves: Path | None) -> list[str]:
    """The tasks of a group: `development`, `report`, or all curve tables of the folder with `curves`."""
    recorded = sorted(path.stem for path in curves.glob("curves-*.npz")) if curves else []
    if name == "curves":
        return recorded
    chosen = [*HPOBENCH, *FCNET]
    return [task for task in chosen if (task in DEVELOPMENT) == (name == "development")]


def cells(tasks: list[str], noise: float) -> Iterator[Cell]:
    """All runs, one repetition of everything before the next one."""
    arms = [*OPTUNA_ARMS, *OURS]
    for repetition in range(max(_REPETITIONS.values())):
        for task in tasks:
            for arm in arms:
                if repetition < _REPETITIONS.get(arm, _ABLATION_REPETITIONS):
                    yield Cell(task, arm, repetition, noise)


def run_cell(cell: Cell, curves: Path | None) -> dict[str, list[float]]:
    """Regrets at every budget, in per cent, by arm: random search gives its doubled budget as well."""
    replay = Replay(load(cell.task, curves), cell.repetition, cell.noise)
    if cell.arm in OURS:
        return {cell.arm: regrets_of_ours(OURS[cell.arm], replay, BUDGETS)}
    arm = OPTUNA_ARMS[cell.arm]
    if cell.arm != "random":
        return {cell.arm: regrets_of_optuna_arm(arm, replay, BUDGETS)}
    doubled = regrets_of_optuna_arm(arm, replay, tuple(2 * n for n in BUDGETS))
    return {cell.arm: regrets_of_optuna_arm(arm, replay, BUDGETS), RANDOM_TWICE: doubled}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def samplers() -> None:
    """Compare samplers on recorded trainings."""


_TASKS = click.option("--tasks", type=click.Choice(["development", "report", "curves"]), default="report")
_NOISE = click.option("--noise", type=float, default=0.0, help="Added to every value, in units of the median's regret.")
_CURVES = click.option("--curves", type=click.Path(path_type=Path), default=None, help="Folder of curves-*.npz.")
_ARMS = click.option("--arms", default="", help="Separated by semicolons; all by default.")


@samplers.command()
@_TASKS
@_NOISE
@_CURVES
@_ARMS
@click.option("--limit-secs", type=float, default=float("inf"), help="Begin no run later than this.")
def run(tasks: str, noise: float, curves: Path | None, arms: str, limit_secs: float) -> None:
    """Run what is missing."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    begun, known = time.monotonic(), _RESULTS.kept()
    chosen = set(arms.split(";")) if arms else {*OPTUNA_ARMS, *OURS}
    missing = [each for each in cells(tasks_of(tasks, curves), noise) if each.arm in chosen and each not in known]
    for n_done, cell in enumerate(missing):
        if time.monotonic() - begun > limit_secs:
            click.echo(f"{len(missing) - n_done} of {len(missing)} runs are left: run it again")
            return
        _RESULTS.keep(cell, run_cell(cell, curves))
    click.echo("all is done")


@samplers.command()
@_TASKS
@_NOISE
@_CURVES
@click.option("--picture", "picture_path", type=click.Path(path_type=Path), default=None, help="Draw it there as well.")
@click.option("--against", default="", help='Task by task against one ablation instead. Example: "ours, no model"')
def show(tasks: str, noise: float, curves: Path | None, picture_path: Path | None, against: str) -> None:
    """Print the tables as Markdown, and draw the means."""
    names = tasks_of(tasks, curves)
    regrets = _regrets(names, noise)
    click.echo(paired_table(regrets, against, names, BUDGETS) if against else tables(regrets, names, BUDGETS))
    if picture_path is not None:
        picture(regrets, names, BUDGETS).savefig(picture_path, dpi=100)


def _regrets(tasks: list[str], noise: float) -> Regrets:
    regrets: dict[str, dict[str, list[list[float]]]] = {}
    for cell, result in sorted(_RESULTS.kept().items(), key=lambda item: item[0].repetition):
        if cell.noise == noise and cell.task in tasks:
            for arm, row in result.items():
                regrets.setdefault(arm, {}).setdefault(cell.task, []).append(row)
    return {arm: {task: np.array(rows) for task, rows in by_task.items()} for arm, by_task in regrets.items()}


if __name__ == "__main__":
    sys.exit(samplers())
