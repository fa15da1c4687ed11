"""What all pictures share: colours that nearly everybody tells apart, how an image is shown, how a file is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

# Okabe and Ito's colours; wherever a colour means something, a shape, a line style or a word says it too.
BLUE, ORANGE, GREEN, SKY, RED, PURPLE = "#0072B2", "#E69F00", "#009E73", "#56B4E9", "#D55E00", "#CC79A7"
YELLOW, BLACK, GREY, PALE = "#F0E442", "#000000", "#999999", "#BBBBBB"

DOTS_PER_INCH = 100

# A number beside its point, legible where a line runs below it.
_PAPER = {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5}
NOTE: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "bbox": _PAPER}

# Around the trial whose weights are exported.
RING: dict[str, Any] = {
    "markersize": 17,
    "markerfacecolor": "none",
    "markeredgecolor": BLACK,
    "markeredgewidth": 1.5,
    "linestyle": "none",
}


def save(figure: Figure, path: Path) -> Path:
    """Write a figure into a file, whose suffix names the format; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for text in _named_texts(figure):
        text.set_parse_math(False)
    figure.savefig(path, dpi=DOTS_PER_INCH)
    return path


def _named_texts(figure: Figure) -> list[Text]:
    """Texts in which names of the user may stand: what lies between two dollar signs there is no formula.

    The numbers along a logarithmic axis are formulas of matplotlib's own.
    """
    ticks = {id(label) for axes in figure.axes for label in _tick_labels(axes)}
    return [text for text in figure.findobj(Text) if id(text) not in ticks]


def _tick_labels(axes: Axes) -> list[Text]:
    return [*axes.get_xticklabels(which="both"), *axes.get_yticklabels(which="both")]


def is_image(shape: tuple[int, ...]) -> bool:
    """Whether inputs of this shape can be shown: height by width, grey (one channel or none) or red, green and blue."""
    return len(shape) == 2 or (len(shape) == 3 and shape[-1] in (1, 3))


def show_image(axes: Axes, image: NDArray[Any]) -> None:
    """Show an image of any number range, light on dark as it is stored, without axes.

    Args:
        axes: Where.
        image: Shape (height, width), (height, width, 1) or (height, width, 3).
    """
    low, high = float(image.min()), float(image.max())
    pixels = (np.asarray(image, np.float32) - low) / ((high - low) or 1.0)
    axes.imshow(pixels.squeeze(), cmap="gray", vmin=0, vmax=1)
    axes.set_xticks([])
    axes.set_yticks([])


def percent(share: float) -> str:
    """A probability in words that never say 100 % or 0 % of what is not certain."""
    if 0.9995 <= share < 1:
        return "> 99.9 %"
    return "< 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def with_unit(metric: str, loss_unit: str = "nats") -> str:
    """A metric's name with its unit, for an axis: losses have that of their task, errors and accuracies are shares."""
    return f"{metric} ({loss_unit})" if metric.endswith("loss") else f"{metric} (share)"
