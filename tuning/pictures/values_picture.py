"""Predicted over true values of a regression, and what is left over: residuals over predicted values.

>>> figure = values_picture({"tuned": Predicted(values, targets)})                     # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tuning.pictures.style import BLACK, BLUE

_PANEL_INCHES = (4.6, 3.9)
_MAX_POINTS = 2_000  # more hide each other
_SEED = 0


@dataclass(frozen=True, eq=False, slots=True)
class Predicted:
    """A model's values on examples, beside the true ones.

    Args:
        values: Shape (examples,) or (examples, numbers).
        targets: Same shape.

    Raises:
        ValueError: If the shapes differ.
    """

    values: NDArray[np.floating]
    targets: NDArray[np.floating]

    def __post_init__(self) -> None:
        if self.values.shape != self.targets.shape:
            raise ValueError(f"Values and targets must have one shape, got {self.values.shape}, {self.targets.shape}.")


def values_picture(models: Mapping[str, Predicted]) -> Figure:
    """Draw two panels for each model: true values over predicted ones, and the residuals over predicted ones.

    Of several numbers an example the first one is drawn; of many examples a random choice.

    Args:
        models: By name, at least one.

    Raises:
        ValueError: If there is no model.
    """
    if not models:
        raise ValueError("A picture of values needs at least one model, got none.")
    width, height = _PANEL_INCHES
    figure = Figure(figsize=(len(models) * width, 2 * height), layout="constrained")
    figure.suptitle("Do predicted values agree with the true ones?", fontweight="bold")
    panels = figure.subplots(2, len(models), sharex=True, sharey="row", squeeze=False)
    for (upper, lower), (name, predicted) in zip(panels.T, models.items(), strict=True):
        _draw(upper, lower, name, predicted)
    panels[0, 0].set_ylabel("true value")
    panels[1, 0].set_ylabel("residual: true - predicted")
    return figure


def _draw(upper: Axes, lower: Axes, name: str, predicted: Predicted) -> None:
    values, targets = (each.reshape(len(each), -1)[:, 0] for each in (predicted.values, predicted.targets))
    chosen = np.random.default_rng(_SEED).permutation(len(values))[:_MAX_POINTS]
    x, y = values[chosen], targets[chosen]
    rmse = float(np.sqrt(np.mean((values - targets) ** 2)))
    ends = [float(min(x.min(), y.min())), float(max(x.max(), y.max()))]
    upper.set_title(f"{name}: RMSE {rmse:.4g}", fontsize=10)
    upper.plot(ends, ends, color=BLACK, linewidth=1, linestyle=":")
    upper.plot(x, y, "o", color=BLUE, markersize=4, alpha=0.5)
    lower.axhline(0.0, color=BLACK, linewidth=1, linestyle=":")
    lower.plot(x, y - x, "o", color=BLUE, markersize=4, alpha=0.5)
    lower.set_xlabel("predicted value")
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
