"""The most confident mistakes: the images that a model got wrong and was surest about."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tuning.pictures.scored import Scored
from tuning.pictures.style import percent, show_image

_N_COLUMNS = 6
_CELL_INCHES = (1.65, 2.1)


def most_confident_mistakes(scored: Scored, n: int = 12) -> NDArray[np.intp]:
    """Positions of the wrong examples of highest calibrated confidence, the surest first, `n` at most."""
    confidence = scored.probabilities().max(axis=1)
    wrong = np.flatnonzero(scored.logits.argmax(axis=1) != scored.labels)
    return np.asarray(wrong[np.argsort(-confidence[wrong], kind="stable")][:n])


def mistakes_picture(name: str, scored: Scored, images: NDArray[Any]) -> Figure:
    """Draw the most confident mistakes with the predicted class, how surely, and the true one.

    Args:
        name: Of the model.
        scored: Its scores on these images.
        images: Shape (examples, height, width) or with a last axis of 1 or 3 channels.
    """
    chosen = most_confident_mistakes(scored)
    probabilities = scored.probabilities()
    n_wrong = int((scored.logits.argmax(axis=1) != scored.labels).sum())
    n_rows = max(1, math.ceil(len(chosen) / _N_COLUMNS))
    width, height = _CELL_INCHES
    figure = Figure(figsize=(_N_COLUMNS * width, n_rows * height + 0.3), layout="constrained")
    shown = f"the {len(chosen)} most confident of {n_wrong} mistakes" if n_wrong else "no mistakes"
    figure.suptitle(f"{name}: {shown} on {len(images):,} test images", fontweight="bold")
    cells = figure.subplots(n_rows, _N_COLUMNS, squeeze=False).flatten()
    for axes in cells:
        axes.set_axis_off()
    for axes, i in zip(cells, chosen, strict=False):
        predicted = int(scored.logits[i].argmax())
        axes.set_axis_on()
        show_image(axes, images[i])
        confidence = percent(probabilities[i, predicted])
        axes.set_title(f"predicted {predicted}: {confidence}\ntrue {scored.labels[i]}", fontsize=10)
    return figure
