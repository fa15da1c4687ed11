"""The comparison of samplers as Markdown tables: regrets, ranks, and ours against each other arm with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.statistics import contrast, differences, holm, mean_ranks, stderr

Regrets = Mapping[str, Mapping[str, NDArray[np.float64]]]
"""Arm -> task -> array of shape (repetitions, budgets)."""

_OURS = "ours"
_ABLATIONS = "ours, "  # how their names begin: each of their runs has the seeds of the run of ours with its number
_REGRET_TICKS = (5, 10, 20, 50, 100)
_N_COLORS = 10  # Matplotlib's; the lines after them are dashed


def tables(regrets: Regrets, tasks: Sequence[str], budgets: Sequence[float]) -> str:
    """All tables; an arm that has not run on every task yet is left out."""
    complete = {arm: by_task for arm, by_task in regrets.items() if set(tasks) <= by_task.keys()}
    parts = [_mean_table(complete, tasks, budgets)]
    if _OURS in complete:
        parts += [_contrast_table(complete, tasks, budgets), _task_table(complete, tasks, budgets)]
    return "\n\n".join(parts)


def picture(regrets: Regrets, tasks: Sequence[str], budgets: Sequence[float]) -> Figure:
    """Mean regret over the budget; a line for each arm that ran on every task."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    complete = {arm: by_task for arm, by_task in regrets.items() if set(tasks) <= by_task.keys()}
    for i, (arm, by_task) in enumerate(complete.items()):
        means = np.mean([by_task[task].mean(axis=0) for task in tasks], axis=0)
        width, order = (3.0, 3) if arm == _OURS else (1.2, 2)
        style = "-" if i < _N_COLORS else "--"
        axes.plot(budgets, means, style, marker="o", label=arm, linewidth=width, zorder=order)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="trials, repeats and confirmation included",
        ylabel="regret, % of the median's",
    )
    axes.set_xticks(budgets, [str(n) for n in budgets])
    axes.set_yticks(_REGRET_TICKS, [str(tick) for tick in _REGRET_TICKS])
    axes.minorticks_off()
    axes.legend(fontsize="small", ncols=2)
    return figure


def _mean_table(regrets: Regrets, tasks: Sequence[str], budgets: Sequence[float]) -> str:
    ranks = [
        mean_ranks([{arm: float(by[task][:, i].mean()) for arm, by in regrets.items()} for task in tasks])
        for i in range(len(budgets))
    ]
    head = ["arm", "runs a task", *(f"N = {n}" for n in budgets)]
    rows = [
        [
            arm,
            str(min(len(by_task[task]) for task in tasks)),
            *(
                f"{np.mean([by_task[task][:, i].mean() for task in tasks]):.1f} ({ranks[i][arm]:.1f})"
                for i in range(len(budgets))
            ),
        ]
        for arm, by_task in sorted(regrets.items(), key=lambda item: np.mean([a.mean() for a in item[1].values()]))
    ]
    return _markdown(head, rows)


def _contrast_table(regrets: Regrets, tasks: Sequence[str], budgets: Sequence[float]) -> str:
    head = ["ours minus", *(f"N = {n}" for n in budgets)]
    rows = [
        [arm, *_contrasts(regrets[_OURS], other, tasks, budgets, is_paired=arm.startswith(_ABLATIONS))]
        for arm, other in regrets.items()
        if arm != _OURS
    ]
    return _markdown(head, rows)


def _contrasts(
    ours: Mapping[str, NDArray[np.float64]],
    other: Mapping[str, NDArray[np.float64]],
    tasks: Sequence[str],
    budgets: Sequence[float],
    *,
    is_paired: bool,
) -> Iterator[str]:
    found = {
        i: contrast([ours[task][:, i] for task in tasks], [other[task][:, i] for task in tasks], is_paired=is_paired)
        for i in range(len(budgets))
    }
    corrected = holm({i: each.p_value for i, each in found.items()})
    for i, each in found.items():
        mark = "**" if each.excludes_zero else ""
        yield (
            f"{mark}{each.difference:+.1f}{mark} [{each.low:+.1f}, {each.high:+.1f}], "
            f"{each.wins}/{each.ties}/{each.losses}, p = {corrected[i]:.2g}"
        )


def paired_table(regrets: Regrets, ablation: str, tasks: Sequence[str], budgets: Sequence[float]) -> str:
    """Ours minus one of its ablations, task by task: means of the pairs of runs and, in brackets, standard errors."""
    rows = []
    for task in tasks:
        gained = differences(regrets[_OURS][task], regrets[ablation][task])
        cells = (f"{gained[:, i].mean():+.1f} ({stderr(gained[:, i]):.1f})" for i in range(len(budgets)))
        rows.append([task, str(len(gained)), *cells])
    together = _contrasts(regrets[_OURS], regrets[ablation], tasks, budgets, is_paired=True)
    return _markdown(["task", "pairs", *(f"N = {n}" for n in budgets)], [*rows, ["all of them", "", *together]])


def _task_table(regrets: Regrets, tasks: Sequence[str], budgets: Sequence[float]) -> str:
    shown = [arm for arm in (_OURS, "start", "TPE + start", "GP + start", "random 2x") if arm in regrets]
    head = ["task", *shown]
    rows = [
        [task, *(" / ".join(f"{regrets[arm][task][:, i].mean():.1f}" for i in range(len(budgets))) for arm in shown)]
        for task in tasks
    ]
    return _markdown(head, rows)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
