"""A network's layers from top to bottom: kind, output shape, weights, dropout and L2; drawn without Graphviz.

>>> dense = LayerBox("dense", "Dense", (512,), 401_920, ("relu", "L2 0.0001"))
>>> architecture_picture("tuned", [dense]).savefig("architecture-tuned.svg")         # doctest: +SKIP
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from tuning.pictures.style import BLACK, RED

_BOX_INCHES = (4.4, 0.52)
_ROW_INCHES = 0.8  # a box and the arrow to the next
_MARGIN_INCHES = 0.35  # beside a column: room for arrows past other layers
_MAX_ROWS = 14  # a longer network goes on in another column
_WITH_WEIGHTS, _DROPOUT, _PLAIN = "#CFE5F3", "#FBE3B5", "#EEEEEE"


@dataclass(frozen=True, slots=True)
class LayerBox:
    """One layer of a network.

    Args:
        name: Its name in the model.
        kind: Its class, such as Dense.
        shape: Of one example's output; None for an axis of any length, None alone where it is not known.
        n_params: Its weights, those that are not trained included.
        notes: Its settings, each in a word or two: activation, dropout rate, L2.
        inputs: Positions of the layers whose outputs it takes; empty for an input.
    """

    name: str
    kind: str
    shape: tuple[int | None, ...] | None
    n_params: int
    notes: tuple[str, ...] = ()
    inputs: tuple[int, ...] = ()


def architecture_picture(title: str, layers: Sequence[LayerBox]) -> Figure:
    """Draw the layers of a network, in topological order, from top to bottom.

    Args:
        title: Stands above all.
        layers: In topological order, at least one.

    Raises:
        ValueError: If there is no layer.
    """
    if not layers:
        raise ValueError("A network needs at least one layer to be drawn, got none.")
    n_columns = math.ceil(len(layers) / _MAX_ROWS)
    n_rows = math.ceil(len(layers) / n_columns)
    column_width = _BOX_INCHES[0] + 2 * _MARGIN_INCHES
    size = (n_columns * column_width, n_rows * _ROW_INCHES + 0.45)
    figure = Figure(figsize=size)
    axes = figure.add_axes((0, 0, 1, 1))  # one unit is one inch
    axes.set_xlim(0, size[0])
    axes.set_ylim(0, size[1])
    axes.set_axis_off()
    axes.text(size[0] / 2, size[1] - 0.25, title, ha="center", va="center", fontsize=11, fontweight="bold")
    corners = [
        (i // n_rows * column_width + _MARGIN_INCHES, size[1] - 0.5 - _BOX_INCHES[1] - i % n_rows * _ROW_INCHES)
        for i in range(len(layers))
    ]
    is_chain = all(layer.inputs == ((i - 1,) if i else ()) for i, layer in enumerate(layers))
    for i, (layer, corner) in enumerate(zip(layers, corners, strict=True)):
        _draw_box(axes, layer, corner, None if is_chain else i)
        for source in layer.inputs:
            _draw_arrow(axes, corners[source], corner, is_next=source == i - 1)
    return figure


def _draw_box(axes: Axes, layer: LayerBox, corner: tuple[float, float], number: int | None) -> None:
    """Left the kind and its settings, right the output's shape and the weights; numbered where there are branches."""
    (x, y), (width, height) = corner, _BOX_INCHES
    color = _WITH_WEIGHTS if layer.n_params else _DROPOUT if "Dropout" in layer.kind else _PLAIN
    style = "round,pad=0,rounding_size=0.08"
    axes.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=style, facecolor=color, edgecolor=BLACK, linewidth=1))
    kind = layer.kind if number is None else f"{number}  {layer.kind}"
    sources = ", ".join(map(str, layer.inputs)) if number is not None and len(layer.inputs) > 1 else ""
    notes = (*layer.notes, *([f"from {sources}"] if sources else []))
    shape = "" if layer.shape is None else " × ".join("any" if n is None else str(n) for n in layer.shape)
    n_params = f"{layer.n_params:,} weights" if layer.n_params else ""
    upper, lower = y + 0.68 * height, y + 0.28 * height
    axes.text(x + 0.12, upper, kind, va="center", fontsize=10, fontweight="bold")
    axes.text(x + 0.12, lower, ", ".join(notes) or layer.name, va="center", fontsize=8.5)
    axes.text(x + width - 0.12, upper, shape, va="center", ha="right", fontsize=10)
    axes.text(x + width - 0.12, lower, n_params, va="center", ha="right", fontsize=8.5)


def _draw_arrow(axes: Axes, source: tuple[float, float], target: tuple[float, float], *, is_next: bool) -> None:
    """From one box to another: straight to the next one, past others along the right side, or to another column."""
    (x0, y0), (x1, y1), (width, height) = source, target, _BOX_INCHES
    if is_next and x0 == x1:
        ends, style, color = ((x0 + width / 2, y0), (x1 + width / 2, y1 + height)), "arc3", BLACK
    elif x0 == x1:
        ends = ((x0 + width, y0 + height / 2), (x1 + width, y1 + height / 2))
        # The bend is a share of the distance: as far out as the margin allows, however long the arrow.
        style, color = f"arc3,rad=-{1.6 * _MARGIN_INCHES / (y0 - y1):.3f}", RED
    else:
        ends = ((x0 + width, y0 + height / 2), (x1, y1 + height / 2))
        style, color = "arc3", BLACK if is_next else RED
    looks: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 12, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0}
    axes.add_patch(FancyArrowPatch(*ends, connectionstyle=style, color=color, **looks))
