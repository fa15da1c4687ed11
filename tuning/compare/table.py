"""The result of a comparison as a table: for the terminal and, the same rows, as Markdown."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tuning.compare.numbers import by_engine, difference, mean_of, test_of
from tuning.compare.record import StudyRecord
from tuning.task import Task

_WIDTH = 110  # of the text below the table
_TABLE_WIDTH = 140


def headers(records: Sequence[StudyRecord]) -> list[str]:
    """Of the columns."""
    is_regression = Task(records[0].task) is Task.REGRESSION
    error, points = ("test error", "difference") if is_regression else ("test error, %", "difference, points")
    return [
        "engine",
        "trials",
        "seconds",
        "val loss",
        "test loss",
        error,
        "difference of loss",
        points,
        "w/t/l",
    ]


def rows(records: Sequence[StudyRecord]) -> list[list[str]]:
    """A row an engine, the reference first."""
    found = by_engine(records)
    reference = found[records[0].sampler]
    return [_row(name, of_engine, reference) for name, of_engine in found.items()]


def table_text(records: Sequence[StudyRecord], title: str, caption: str) -> str:
    """The table for a terminal, plain text."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    cells = rows(records)
    for i, header in enumerate(headers(records)):
        width = max(len(row[i]) for row in cells)  # a header may be wrapped, a cell not
        table.add_column(header, justify="left" if i == 0 else "right", min_width=width)
    for row in cells:
        table.add_row(*row)
    console = Console(width=_TABLE_WIDTH, color_system=None, highlight=False)
    with console.capture() as capture:
        console.print(table)
    lines = [line.rstrip() for line in capture.get().splitlines()]
    return "\n".join([*lines, textwrap.fill(caption, _WIDTH)])


def markdown(records: Sequence[StudyRecord]) -> str:
    """The table as Markdown."""
    head = headers(records)
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows(records)))


def caption(records: Sequence[StudyRecord]) -> str:
    """How to read the table."""
    n = max(len(of_engine) for of_engine in by_engine(records).values())
    reference = records[0].sampler
    if n < 2:
        return f"One study each: no interval. Differences: {reference} minus the engine, negative where it is better."
    return (
        f"Means over {n} repeats ± half of their 95 % interval (Student). Differences in pairs, {reference} minus the "
        f"engine: negative where {reference} is better, * where the interval excludes 0; w/t/l: repeats by test error."
        f"{_p_values(records)}"
    )


def _p_values(records: Sequence[StudyRecord]) -> str:
    """A sentence with the tests of all engines that have two repeats or more in common with the reference."""
    found = by_engine(records)
    reference = found.pop(records[0].sampler)
    against = {name: difference(reference, of_engine) for name, of_engine in found.items()}
    tests = [f"{name} {a.loss_p:.2g}, {a.error_p:.2g}" for name, a in against.items() if a and math.isfinite(a.loss_p)]
    return f" Sign-flip test of the same pairs, p by loss and by error: {'; '.join(tests)}." if tests else ""


def _row(name: str, records: Sequence[StudyRecord], reference: Sequence[StudyRecord]) -> list[str]:
    scale, decimals = (1.0, 4) if Task(records[0].task) is Task.REGRESSION else (100.0, 2)
    validation = mean_of([record.validation[record.shipped].loss for record in records])
    loss = mean_of([test_of(record).loss for record in records])
    error = mean_of([scale * test_of(record).error for record in records])
    used = [f"{mean_of([record.n_trials for record in records]).value:.1f}".removesuffix(".0")]
    used.append(f"{mean_of([record.secs for record in records]).value:.0f}")
    cells = [name, *used, validation.text(4), loss.text(4), error.text(decimals)]
    against = None if records[0].sampler == reference[0].sampler else difference(reference, records)
    if against is None:
        return [*cells, "", "", ""]
    counts = f"{against.n_better}/{against.n_equal}/{against.n_worse}"
    return [*cells, against.loss.text(4, signed=True), against.error.times(scale).text(decimals, signed=True), counts]
