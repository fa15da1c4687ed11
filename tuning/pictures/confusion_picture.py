"""The confusion matrix: which classes a model takes for which; the errors are coloured, not the many right answers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tuning.pictures.scored import Scored

_PANEL_INCHES = (5.4, 5.6)
_RIGHT = "#555555"  # written small: they are not what is looked for
_MAX_WRITTEN_CLASSES = 20  # with more, numbers in the cells are too small to read


def confusion_matrix(scored: Scored) -> NDArray[np.int64]:
    """Count examples by true class (rows) and predicted class (columns), shape (classes, classes)."""
    n_classes = scored.logits.shape[1]
    cells = scored.labels * n_classes + scored.logits.argmax(axis=1)
    return np.asarray(np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes))


def confusion_picture(models: Mapping[str, Scored]) -> Figure:
    """Draw a matrix for each model, the colours of all on one scale.

    Args:
        models: By name, at least one.

    Raises:
        ValueError: If there is no model.
    """
    if not models:
        raise ValueError("A confusion matrix needs at least one model, got none.")
    width, height = _PANEL_INCHES
    figure = Figure(figsize=(len(models) * width, height), layout="constrained")
    figure.suptitle("Confusion matrix: the darker, the more errors (in small print: right)", fontweight="bold")
    counts = {name: confusion_matrix(scored) for name, scored in models.items()}
    highest = max(1, *(int((each - np.diag(np.diag(each))).max()) for each in counts.values()))
    panels = figure.subplots(1, len(models), squeeze=False)[0]
    for axes, (name, matrix) in zip(panels, counts.items(), strict=True):
        _draw(axes, name, matrix, highest)
    panels[0].set_ylabel("true class")
    return figure


def _draw(axes: Axes, name: str, matrix: NDArray[np.int64], highest: int) -> None:
    n_classes, n_errors = len(matrix), int(matrix.sum() - np.trace(matrix))
    errors = np.where(np.eye(n_classes, dtype=bool), 0, matrix)
    axes.imshow(errors, cmap="Blues", vmin=0, vmax=highest)
    axes.set_title(f"{name}: {n_errors} errors of {int(matrix.sum()):,}", fontsize=10)
    axes.set_xlabel("predicted class")
    if n_classes > _MAX_WRITTEN_CLASSES:
        return
    axes.set_xticks(range(n_classes))
    axes.set_yticks(range(n_classes))
    font_size = min(10, 100 / n_classes)
    for (i, j), n in np.ndenumerate(matrix):
        if n and i == j:
            axes.text(j, i, f"{n}", ha="center", va="center", color=_RIGHT, fontsize=0.85 * font_size)
        elif n:
            color = "white" if n > 0.6 * highest else "black"
            axes.text(j, i, f"{n}", ha="center", va="center", color=color, fontsize=font_size, fontweight="bold")
