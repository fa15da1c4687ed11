"""Reliability diagrams: is a model right as often as it says, before and after its temperature?

>>> figure = reliability_picture({"tuned": Scored(logits, labels, temperature=1.3)})   # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tuning.evaluation.calibration import expected_calibration_error
from tuning.evaluation.metrics import wilson_interval
from tuning.evaluation.reliability import width_bins
from tuning.pictures.scored import Scored
from tuning.pictures.style import BLACK, BLUE, RED

_PANEL_INCHES = (4.6, 5.2)
_N_BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Examples of about one confidence: how many, their mean confidence, how many of them are right."""

    n_examples: int
    confidence: float
    n_right: int


def reliability_bins(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> list[Bin]:
    """Ten bins of equal width over the confidence, empty ones left out."""
    confidence, is_right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    at = width_bins(confidence, _N_BINS)
    chosen = [at == i for i in range(_N_BINS)]
    return [Bin(int(c.sum()), float(confidence[c].mean()), int(is_right[c].sum())) for c in chosen if c.any()]


def reliability_picture(models: Mapping[str, Scored]) -> Figure:
    """Draw a panel for each model: the share that is right over the confidence, and how many examples are behind it.

    Args:
        models: By name, at least one.

    Raises:
        ValueError: If there is no model.
    """
    if not models:
        raise ValueError("A reliability diagram needs at least one model, got none.")
    width, height = _PANEL_INCHES
    figure = Figure(figsize=(len(models) * width, height), layout="constrained")
    figure.suptitle("Is a model right as often as it says? (bars: 95 % intervals)", fontweight="bold")
    panels = figure.subplots(2, len(models), sharex=True, sharey="row", squeeze=False, height_ratios=(3, 1))
    for (upper, lower), (name, scored) in zip(panels.T, models.items(), strict=True):
        _draw(upper, lower, name, scored)
    panels[0, 0].set_ylabel("share that is right")
    panels[1, 0].set_ylabel("examples")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(handles), frameon=False)
    return figure


def _draw(upper: Axes, lower: Axes, name: str, scored: Scored) -> None:
    eces = []
    upper.plot([0, 1], [0, 1], color=BLACK, linewidth=1, linestyle=":", label="as often as it says")
    for calibrated, color, marker, filled, label in (
        (False, RED, "^", "none", "raw"),
        (True, BLUE, "o", BLUE, "at its temperature"),
    ):
        bins = reliability_bins(scored.probabilities(calibrated=calibrated), scored.labels)
        at = [each.confidence for each in bins]
        shares = [each.n_right / each.n_examples for each in bins]
        limits = [wilson_interval(each.n_right, each.n_examples) for each in bins]
        errors = [[s - i.low for s, i in zip(shares, limits, strict=True)]]
        errors.append([i.high - s for s, i in zip(shares, limits, strict=True)])
        looks: dict[str, Any] = {"color": color, "markerfacecolor": filled, "markersize": 7, "elinewidth": 1}
        upper.errorbar(at, shares, yerr=errors, fmt=f"{marker}-", label=label, capsize=2, **looks)
        counts: dict[str, Any] = {"color": color, "markerfacecolor": filled, "markersize": 5, "linewidth": 1}
        lower.plot(at, [each.n_examples for each in bins], f"{marker}-", **counts)
        temperature = scored.temperature if calibrated else 1.0
        eces.append(expected_calibration_error(scored.logits, scored.labels, temperature))
    before, after = eces
    upper.set_title(f"{name}\nECE {before:.4f} raw, {after:.4f} at T = {scored.temperature:.3g}", fontsize=10)
    upper.set_xlim(0, 1.02)
    upper.set_ylim(-0.03, 1.05)
    upper.grid(alpha=0.3)
    lower.set_yscale("log")
    lower.set_xlabel("confidence")
    lower.grid(alpha=0.3)
