"""Engines side by side: validation and test error over trials and over seconds, with intervals over repeats."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tuning.pictures.style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY

_SIZE_INCHES = (13.0, 8.5)
_COLORS = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY, BLACK, GREY)
_LINES = ("-", "--", "-.", ":")

# What comes before the first sensible network would press everything else into a line.
_SHARE_SHOWN = 0.9


@dataclass(frozen=True, eq=False)
class Line:
    """One engine on one axis: means over repeats, and half the width of their intervals; NaN where there is none."""

    x: NDArray[np.float64]
    mean: NDArray[np.float64]
    half: NDArray[np.float64]


def comparison_picture(panels: Mapping[tuple[str, str], Mapping[str, Line]], title: str, n_repeats: int) -> Figure:
    """Draw a comparison.

    Args:
        panels: By row and column (what is measured, over what), each engine's line by its name.
        title: Stands above.
        n_repeats: Studies behind each mean.

    Returns:
        A figure of 1300 x 850 pixels.

    Raises:
        ValueError: If there is nothing to draw.
    """
    if not panels:
        raise ValueError("A comparison needs at least one panel to be drawn, got none.")
    rows = list(dict.fromkeys(row for row, _ in panels))
    columns = list(dict.fromkeys(column for _, column in panels))
    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    figure.suptitle(title, fontsize=14, fontweight="bold")
    grid = figure.subplots(len(rows), len(columns), squeeze=False, sharex="col", sharey="row")
    for (i, row), (j, column) in itertools.product(enumerate(rows), enumerate(columns)):
        _draw(grid[i, j], panels[row, column])
        grid[i, 0].set_ylabel(row, fontsize=11)
        grid[-1, j].set_xlabel(column, fontsize=11)
    for i, row in enumerate(rows):
        grid[i, 0].set_ylim(0, _highest(panels[row, column] for column in columns))
    shade = f"; shaded: 95 % interval over {n_repeats} repeats" if n_repeats > 1 else ""
    names = f"What each engine would have shipped{shade}"
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=10, title=names)
    return figure


def _draw(axes: Axes, lines: Mapping[str, Line]) -> None:
    styles = zip(itertools.cycle(_COLORS), itertools.cycle(_LINES), strict=False)
    for (name, line), (color, dashes) in zip(lines.items(), styles, strict=False):
        axes.step(line.x, line.mean, where="post", color=color, linestyle=dashes, linewidth=2, label=name)
        low, high = line.mean - line.half, line.mean + line.half
        axes.fill_between(line.x, low, high, step="post", color=color, alpha=0.12, linewidth=0)
    axes.grid(alpha=0.3)


def _highest(panels: Iterable[Mapping[str, Line]]) -> float | None:
    """Where the axis of a row ends; None where there is nothing but zeros."""
    means = np.concatenate([line.mean for lines in panels for line in lines.values()])
    finite = means[np.isfinite(means)]
    highest = float(np.quantile(finite, _SHARE_SHOWN, method="lower")) if len(finite) else 0.0
    return 1.15 * highest or None
