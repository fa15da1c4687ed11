"""Which sampler finds the better network sooner, in trials and in seconds? Studies replayed on learning-curve tables.

    python -m benchmarks.curve_studies run --limit-secs 400     # again until it says that all is done
    python -m benchmarks.curve_studies show                     # the tables, as Markdown

Regret is that of the validation loss, as the stop rule of a search ends each training: (mean on the seeds that no
search saw - best) / (median - best), in per cent. Which tasks are reported and which are for development says
`benchmarks/curve_tasks.py`.

* Trials: every arm ships its choice after N trials, confirmed on repeats that it pays for, as in `benchmarks.samplers`.
* Seconds: what an arm would ship at any moment without a confirmation, which nobody can plan who has seconds to spend;
  100 % before its first trial has ended. Ours is told that its budget is time. The unit is the mean training of the
  table; no arm runs more than 60 trials. Random search twice is random search with two machines.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import click
import optuna

from benchmarks.arms import (
    OPTUNA_ARMS,
    RANDOM_TWICE,
    Run,
    Variant,
    record,
    regrets_of_optuna_arm,
    regrets_of_ours,
    started_small,
)
from benchmarks.curve_report import NO_MODEL, Trace, report
from benchmarks.curve_tasks import DEVELOPMENT, REPORT
from benchmarks.results import Results
from benchmarks.tables import Replay, load
from search_spaces import Lever, Role, SearchSpace
from tuning.strategy.actions import Goal, Plan, Stop
from tuning.strategy.history import History
from tuning.strategy.policy import leader_of, next_action
from tuning.strategy.records import TrialRecord

BUDGETS = (5, 10, 20, 40)
MAX_COST, MAX_TRIALS = 40.0, 60  # of the seconds axis; the cost in mean trainings

_NO_RESULT = 100.0  # regret of the median configuration
_OPTUNA_ARMS = ("start", "random", "TPE", "TPE + start", "GP + start")
_REPETITIONS = {"GP + start": 5}
_OTHER_REPETITIONS = 10


def small_network(space: SearchSpace) -> SearchSpace:
    """The same space, started at the smallest network, without regularization."""

    def at_bottom(lever: Lever) -> Lever:
        return replace(lever, start=lever.low) if lever.role is Role.CAPACITY else lever

    return replace(space, levers=tuple(map(at_bottom, space.levers)))


OURS: dict[str, Variant] = {
    "ours": Variant(),
    NO_MODEL: Variant(Plan(use_model=False)),
    "ours, started small": Variant(space=lambda space, repetition: started_small(space)),
    "ours, small network": Variant(space=lambda space, repetition: small_network(space)),
}


@dataclass(frozen=True)
class Cell:
    """One run of one arm on one task."""

    task: str
    arm: str
    repetition: int


_RESULTS = Results.of("curve_studies", Cell)


def trace_of_optuna_arm(runs: Sequence[Run], replay: Replay) -> Trace:
    """What the arm would ship after each of its trials: the configuration with the lowest value."""
    spent, best, trace = 0.0, float("inf"), []
    for run in runs:
        spent += run.secs
        if run.value < best:
            best = run.value
            trace.append((spent, replay.regret(run.point)))
    return trace


def trace_of_ours(variant: Variant, replay: Replay, limit_secs: float) -> Trace:
    """What the strategy would ship after each trial of a search whose budget is time."""
    space = variant.space(replay.table.space, replay.repetition)
    plan = replace(variant.plan, is_timed=True, seed=replay.repetition)
    trials: list[TrialRecord] = []
    spent, trace = 0.0, []
    while spent < limit_secs and len(trials) < MAX_TRIALS:
        action = next_action(History.of(trials), space, Goal("value"), plan)
        if isinstance(action, Stop):
            break
        trials.append(record(len(trials), action.point, action.seed_index, action.base, replay))
        spent += trials[-1].secs or 0.0
        leader = leader_of(History.of(trials), plan)
        if leader is not None:
            trace.append((spent, replay.regret(leader.configuration.point)))
    return trace


def run_cell(cell: Cell) -> dict[str, dict[str, list[float] | Trace]]:
    """Regrets at every budget of trials, and over the seconds (in mean trainings), by arm."""
    replay = Replay(load(cell.task), cell.repetition)
    unit = float(replay.table.secs.mean())
    if cell.arm in OURS:
        variant = OURS[cell.arm]
        trace = trace_of_ours(variant, replay, MAX_COST * unit)
        return {cell.arm: {"trials": regrets_of_ours(variant, replay, BUDGETS), "secs": _in_units(trace, unit)}}
    is_random = cell.arm == "random"
    runs = OPTUNA_ARMS[cell.arm](replay, 2 * MAX_TRIALS if is_random else MAX_TRIALS)
    trace = _in_units(trace_of_optuna_arm(runs, replay), unit)
    found = {cell.arm: {"trials": _regrets(runs, replay, BUDGETS), "secs": trace}}
    if is_random:
        halved = [(secs / 2, regret) for secs, regret in trace]
        found[RANDOM_TWICE] = {"trials": _regrets(runs, replay, [2 * n for n in BUDGETS]), "secs": halved}
    return found


def _regrets(runs: list[Run], replay: Replay, budgets: Sequence[int]) -> list[float]:
    return regrets_of_optuna_arm(lambda replay, n_trials: runs, replay, budgets)


def _in_units(trace: Trace, unit: float) -> Trace:
    return [(round(secs / unit, 4), round(regret, 3)) for secs, regret in trace]


def cells(tasks: Sequence[str]) -> Iterator[Cell]:
    """All runs, one repetition of everything before the next one."""
    for repetition in range(_OTHER_REPETITIONS):
        for task in tasks:
            for arm in (*OURS, *_OPTUNA_ARMS):
                if repetition < _REPETITIONS.get(arm, _OTHER_REPETITIONS):
                    yield Cell(task, arm, repetition)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Compare samplers on learning-curve tables."""


_TASKS = click.option("--tasks", type=click.Choice(["development", "report"]), default="report", show_default=True)
_GROUPS = {"development": DEVELOPMENT, "report": REPORT}


@main.command()
@_TASKS
@click.option("--arms", default="", help="Separated by semicolons; all by default.")
@click.option("--limit-secs", type=float, default=float("inf"), help="Begin no run later than this.")
def run(tasks: str, arms: str, limit_secs: float) -> None:
    """Run what is missing."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    begun, known = time.monotonic(), _RESULTS.kept()
    chosen = set(arms.split(";")) if arms else {*OURS, *_OPTUNA_ARMS}
    missing = [cell for cell in cells(_GROUPS[tasks]) if cell.arm in chosen and cell not in known]
    for n_done, cell in enumerate(missing):
        if time.monotonic() - begun > limit_secs:
            click.echo(f"{len(missing) - n_done} of {len(missing)} runs are left: run it again")
            return
        _RESULTS.keep(cell, run_cell(cell))
    click.echo("all is done")


@main.command()
@_TASKS
def show(tasks: str) -> None:
    """Print the tables as Markdown."""
    names = _GROUPS[tasks]
    kept = sorted(_RESULTS.kept().items(), key=lambda item: item[0].repetition)
    results = [(cell.task, result) for cell, result in kept if cell.task in names]
    units = {name: float(load(name).secs.mean()) for name in names}
    click.echo(report(results, units, BUDGETS, _NO_RESULT))


if __name__ == "__main__":
    sys.exit(main())
