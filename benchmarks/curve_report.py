"""Studies on learning-curve tables as Markdown: regret over trials and seconds, and seconds to a regret of 10 %."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.samplers_report import Regrets, paired_table, tables

Trace = list[tuple[float, float]]
"""(cost so far, regret in per cent of what would be shipped then), ascending in cost; cost in mean trainings."""

COSTS = (2.5, 5.0, 10.0, 20.0, 40.0)
TARGET = 10.0  # regret, per cent

NO_MODEL = "ours, no model"
_N_BOOTSTRAP = 10_000


def regret_at(trace: Trace, cost: float, without: float) -> float:
    """Regret of what would be shipped once so much was spent; `without` before the first trial has ended."""
    return next((regret for spent, regret in reversed(trace) if spent <= cost), without)


def cost_to(trace: Trace, target: float = TARGET) -> float:
    """What was spent when the regret had come down to the target for good; infinity where that never happened."""
    cost = float("inf")
    for spent, regret in reversed(trace):
        if regret > target:
            break
        cost = spent
    return cost


def first_cost_to(trace: Trace, target: float = TARGET) -> float:
    """What was spent when the regret was down to the target for the first time; infinity where it never was."""
    return next((spent for spent, regret in trace if regret <= target), float("inf"))


def report(
    results: Sequence[tuple[str, Mapping[str, Mapping[str, Any]]]],
    units: Mapping[str, float],
    budgets: Sequence[int],
    without: float,
) -> str:
    """All tables.

    Args:
        results: Task and, by arm, `trials` (regret at each budget) and `secs` (a trace); a pair for each run, in the
            order of repetitions.
        units: Seconds of the mean training, by task, in the order of the tables.
        budgets: Of trials.
        without: Regret of shipping nothing.
    """
    trials: dict[str, dict[str, list[list[float]]]] = {}
    traces: dict[str, dict[str, list[Trace]]] = {}
    for task, by_arm in results:
        for arm, found in by_arm.items():
            trials.setdefault(arm, {}).setdefault(task, []).append(found["trials"])
            traces.setdefault(arm, {}).setdefault(task, []).append(found["secs"])
    at_costs = {
        arm: {task: np.array([[regret_at(t, c, without) for c in COSTS] for t in runs]) for task, runs in by.items()}
        for arm, by in traces.items()
    }
    tasks = list(units)
    parts = [
        "Over trials (N):",
        tables(_arrays(trials), tasks, budgets),
        "Over seconds (N = mean trainings):",
        tables(at_costs, tasks, COSTS),
        f"Seconds to a regret of {TARGET:g} % for good, median of the runs with its 95 % interval:",
        cost_table(traces, units),
        "... and the first time, whatever came later:",
        cost_table(traces, units, first_cost_to),
    ]
    if NO_MODEL in trials:
        parts += [f"Ours minus {NO_MODEL!r} over trials:", paired_table(_arrays(trials), NO_MODEL, tasks, budgets)]
        parts += ["... and over seconds:", paired_table(at_costs, NO_MODEL, tasks, COSTS)]
    return "\n\n".join(parts)


def cost_table(
    traces: Mapping[str, Mapping[str, Sequence[Trace]]],
    units: Mapping[str, float],
    cost: Callable[[Trace], float] = cost_to,
) -> str:
    """Median seconds to the target, a row an arm and a column a task; and on how many tasks each arm is first."""
    arms = [arm for arm, by_task in traces.items() if set(units) <= by_task.keys() and arm != "start"]
    costs = {arm: {task: np.array([cost(t) for t in traces[arm][task]]) for task in units} for arm in arms}
    first = dict.fromkeys(arms, 0)
    for task in units:
        medians = {arm: float(np.median(costs[arm][task])) for arm in arms}
        least = min(medians.values())
        for arm in arms:
            first[arm] += medians[arm] == least < float("inf")
    lines = [["arm", *units, "first on"], ["---"] * (len(units) + 2)]
    for arm in arms:
        cells = (_interval(costs[arm][task], units[task]) for task in units)
        lines.append([arm, *cells, f"{first[arm]} of {len(units)}"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _interval(costs: NDArray[np.float64], unit_secs: float) -> str:
    rng = np.random.default_rng(0)
    medians = np.sort(np.median(costs[rng.integers(len(costs), size=(_N_BOOTSTRAP, len(costs)))], axis=1))
    low, high = medians[int(0.025 * _N_BOOTSTRAP)], medians[int(0.975 * _N_BOOTSTRAP)]  # infinities cannot be averaged
    shown = (f"{x * unit_secs:.3g}" if np.isfinite(x) else "never" for x in (float(np.median(costs)), low, high))
    middle, lowest, highest = shown
    return f"{middle} [{lowest}, {highest}]"


def _arrays(rows: Mapping[str, Mapping[str, list[list[float]]]]) -> Regrets:
    return {arm: {task: np.array(runs) for task, runs in by_task.items()} for arm, by_task in rows.items()}
