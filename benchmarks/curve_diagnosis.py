"""Does the diagnosis predict what helps? Each state against the next rung of every lever, on learning-curve tables.

    python -m benchmarks.curve_diagnosis

An observation is a training (configuration and seed) with the state that the diagnosis gives it, and the effect of the
next rung of one lever: the change of the value at the best epoch, mean over the *other* seeds, so that the luck that
made the curve look as it does is not in the effect. Losses are compared as logarithms and errors as arcsines of their
roots, which makes the noise of the seeds about the same everywhere; it is pooled over all pairs of a task and a lever.
A rung *helps* or *hurts* where its effect is beyond two standard errors.

Intervals (95 %) resample tasks, and architectures within each: regularizations of one architecture are not independent.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.curve_tasks import TASKS
from benchmarks.recorded import AXES, TABLES, Recording, Table
from tuning.engine.stopping import StopRule
from tuning.strategy.diagnosis import FitState

Array = NDArray[np.float64]

OVERFIT = frozenset({FitState.OVERFIT_CONFIDENCE, FitState.OVERFIT_DECISIONS})
CROSSED = OVERFIT | {FitState.CAPACITY_REACHED}  # over the border, where the back-off begins
UNDERFIT = frozenset({FitState.UNDERFIT})
_QUESTIONS = (
    ("overfit", OVERFIT, ("dropout", "l2")),
    ("over the border", CROSSED, ("dropout", "l2")),
    ("underfit", UNDERFIT, ("units", "layers")),
)
EFFECTS = ("helps", "no clear change", "hurts")

_CLEAR = 2.0  # standard errors
_N_BOOTSTRAP = 2_000

_TRANSFORMS: dict[str, Callable[[Array], Array]] = {
    "val_loss": np.log,
    "val_error": lambda errors: np.arcsin(np.sqrt(errors)),
}


@dataclass(frozen=True)
class Observation:
    """A diagnosed training and what the next rung of a lever did on the other seeds: an index of `EFFECTS`."""

    task: str
    architecture: tuple[int, int]
    lever: str
    state: FitState
    effect: int


def observations(task: str, table: Table, monitor: str) -> Iterator[Observation]:
    """All of a table, for one of `_TRANSFORMS`."""
    states, values = _diagnosed(table, monitor)
    for axis, lever in enumerate(AXES):
        effects = effects_of_next_rung(values, axis)
        for place in np.ndindex(effects.shape):
            yield Observation(task, (place[0], place[1]), lever, states[place], int(effects[place]))


def effects_of_next_rung(values: Array, axis: int) -> NDArray[np.int64]:
    """The effect of one rung up on the other seeds, for every training that has a next rung: indices of `EFFECTS`.

    Args:
        values: To be minimised, on a scale of even noise; shape (units, layers, dropout, l2, seeds).
        axis: Of the lever.
    """
    changes = np.diff(values, axis=axis)
    n_others = changes.shape[-1] - 1
    on_others = (changes.sum(axis=-1, keepdims=True) - changes) / n_others
    stderr = np.sqrt(changes.var(axis=-1, ddof=1).mean() / n_others)
    return 1 + (on_others > _CLEAR * stderr).astype(int) - (on_others < -_CLEAR * stderr)


def _diagnosed(table: Table, monitor: str) -> tuple[NDArray[np.object_], Array]:
    """State and value of every training, as the stop rule of a search ends it; shape (..., seeds)."""
    shape = (*table.shape, table.n_seeds)
    states, values = np.empty(shape, object), np.empty(shape)
    for place in np.ndindex(shape):
        training = table.at(place[:-1], place[-1])
        states[place], values[place] = _state_and_value(training, monitor)
    return states, _TRANSFORMS[monitor](np.maximum(values, 1e-6))


def _state_and_value(training: Recording, monitor: str) -> tuple[FitState, float]:
    n_epochs = training.n_epochs("val_loss", StopRule())
    best = int(np.nanargmin(training.curves["val_loss"][:n_epochs]))
    return training.diagnosis(n_epochs).state, float(training.curves[monitor][best])


Counts = dict[str, Array]
"""Task -> array of shape (architectures, 2 groups, len(EFFECTS)): first the trainings in the states, then the rest."""


def counts(found: Sequence[Observation], states: frozenset[FitState], levers: frozenset[str]) -> Counts:
    """How often which effect was seen, with these states and with all others."""
    tables: dict[str, dict[tuple[int, int], Array]] = {}
    for each in found:
        if each.lever in levers:
            of_task = tables.setdefault(each.task, {})
            cell = of_task.setdefault(each.architecture, np.zeros((2, len(EFFECTS))))
            cell[int(each.state not in states), each.effect] += 1
    return {task: np.array(list(cells.values())) for task, cells in tables.items()}


def resampled(table: Counts) -> Array:
    """Bootstrap sums, shape (resamplings, 2, len(EFFECTS))."""
    rng, tasks = np.random.default_rng(0), list(table.values())
    sums = []
    for _ in range(_N_BOOTSTRAP):
        chosen = [tasks[i] for i in rng.integers(len(tasks), size=len(tasks))]
        sums.append(sum(cells[rng.integers(len(cells), size=len(cells))].sum(axis=0) for cells in chosen))
    return np.array(sums)


def row(name: str, table: Counts) -> list[str]:
    """The confusion of one question: shares of the effects with the state and without it, and their difference."""
    total, draws = sum(cells.sum(axis=0) for cells in table.values()), resampled(table)
    n_with, n_without = total.sum(axis=1)
    recall = _percent(total[0, 0], total[:, 0].sum(), draws[:, 0, 0], draws[:, :, 0].sum(axis=1))
    shares = (
        _percent(total[i, j], total[i].sum(), draws[:, i, j], draws[:, i].sum(axis=1)) for i in (0, 1) for j in (0, 2)
    )
    return [name, f"{n_with:.0f} / {n_without:.0f}", *shares, _difference(total, draws), recall]


def _percent(part: float, whole: float, parts: Array, wholes: Array) -> str:
    if whole == 0:
        return "-"
    low, high = np.quantile(parts[wholes > 0] / wholes[wholes > 0], [0.025, 0.975])
    return f"{100 * part / whole:.0f} [{100 * low:.0f}, {100 * high:.0f}]"


def _difference(total: Array, draws: Array) -> str:
    """How much more often it helps with the state than without it."""
    if 0 in total.sum(axis=1):
        return "-"
    kept = draws[(draws.sum(axis=2) > 0).all(axis=1)]
    rates = kept[:, :, 0] / kept.sum(axis=2)
    low, high = 100 * np.quantile(rates[:, 0] - rates[:, 1], [0.025, 0.975])
    value = 100 * float(np.subtract(*(total[:, 0] / total.sum(axis=1))))
    mark = "**" if low > 0 or high < 0 else ""
    return f"{mark}{value:+.0f}{mark} [{low:+.0f}, {high:+.0f}]"


_HEAD = ("n, in the state / not", "helps", "hurts", "helps without it", "hurts without it", "difference", "recall")


def question(found: Sequence[Observation], states: frozenset[FitState], levers: Sequence[str]) -> str:
    """Does a rung of these levers help where the diagnosis gives one of these states? By lever, and by task."""
    lines = [["", *_HEAD], ["---"] * (len(_HEAD) + 1)]
    lines += [row(f"{lever}, all tasks", counts(found, states, frozenset({lever}))) for lever in levers]
    for task in dict.fromkeys(each.task for each in found):
        of_task = [each for each in found if each.task == task]
        lines.append(row(f"{' or '.join(levers)}, {task}", counts(of_task, states, frozenset(levers))))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def confusion(found: Sequence[Observation]) -> str:
    """Every state against every lever: how often a rung helps / hurts, in per cent."""
    head = ["state", *(f"more {lever}: helps / hurts" for lever in AXES)]
    lines = [head, ["---"] * len(head)]
    for state in FitState:
        cells = []
        for lever in AXES:
            total = sum(c[:, 0].sum(axis=0) for c in counts(found, frozenset({state}), frozenset({lever})).values())
            n = total.sum()
            cells.append(f"{100 * total[0] / n:.0f} / {100 * total[2] / n:.0f} (n = {n:.0f})" if n else "-")
        lines.append([state.value, *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@click.command()
@click.option("--tasks", default=";".join(TASKS), show_default=True, help="Separated by semicolons.")
@click.option("--folder", type=click.Path(path_type=Path), default=TABLES, help="Of the tables.")
def main(tasks: str, folder: Path) -> None:
    """Print the confusion tables as Markdown."""
    tables = {task: Table.load(folder / f"{task}.npz") for task in tasks.split(";")}
    for monitor in _TRANSFORMS:
        found = [each for task, table in tables.items() for each in observations(task, table, monitor)]
        print(f"\n{monitor}: what a rung more does, in per cent of the trainings in each state\n\n{confusion(found)}")
        for name, states, levers in _QUESTIONS:
            print(f"\n{monitor}: {name}, and more {' or '.join(levers)}, %\n\n{question(found, states, levers)}")


if __name__ == "__main__":
    sys.exit(main())
