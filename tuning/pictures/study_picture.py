"""The picture of a study: what was tried, what it brought, and how overfitting turned into a good fit.

Left, the objective and the validation error over the trials: every point is a trial, coloured by its fit, named by what
it changed. Right, the learning curves of the start and of the shipped trial: the gap that opens between training and
validation is the overfit that the search goes through on purpose, and then backs off from.

>>> start = TrialPoint(0, 0.081, 0.081, "cross the border", "start", "overfit_decisions")
>>> halved = TrialPoint(1, 0.064, 0.064, "back off", "dropout 0 → 0.2", "fit")
>>> curves = {"start (0)": {"train_loss": [0.2, 0.05, 0.01], "val_loss": [0.15, 0.09, 0.12]}}
>>> figure = study_picture([start, halved], curves, "val_loss", "mnist5k")
>>> figure.savefig("study.png")                                              # doctest: +SKIP
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tuning.pictures.style import BLUE, GREEN, NOTE, PURPLE, RED, with_unit
from tuning.pictures.trials_panel import TrialPoint, draw_trials

_SIZE_INCHES = (16.0, 7.0)  # at matplotlib's 100 dots an inch: 1600 x 700 pixels
_CURVE_COLORS = (RED, BLUE, GREEN, PURPLE)


def study_picture(
    trials: Sequence[TrialPoint],
    curves: Mapping[str, Mapping[str, Sequence[float]]],
    monitor: str,
    title: str,
    shipped: int | None = None,
    loss_unit: str = "nats",
) -> Figure:
    """Draw a study.

    Args:
        trials: In the order in which they were run, at least one.
        curves: By name of a trial ("start", "best"), its `train_loss` and `val_loss`, one value an epoch.
        monitor: The objective's name.
        title: Stands above both panels.
        shipped: Number of the trial whose weights are exported, which is marked; it need not be the luckiest run.
        loss_unit: Of the losses.

    Returns:
        A figure of 1600 x 700 pixels.

    Raises:
        ValueError: If there is no trial.
    """
    if not trials:
        raise ValueError("A study needs at least one trial to be drawn, got none.")
    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    figure.suptitle(title, fontsize=15, fontweight="bold")
    ((left, right),) = figure.subfigures(1, 2, squeeze=False, width_ratios=(2.2, 1))
    objective = draw_trials(left, trials, with_unit(monitor, loss_unit), shipped)
    _draw_curves(right.subplots(), curves, loss_unit)
    # The changes fill the left side below its plot, so the plot's legend stands below the right one.
    entries = objective.get_legend_handles_labels()
    right.legend(*entries, loc="outside lower center", title="Left: how each trial fits", ncols=2, fontsize=9)
    return figure


def _draw_curves(axes: Axes, curves: Mapping[str, Mapping[str, Sequence[float]]], loss_unit: str) -> None:
    for color, (name, curve) in zip(_CURVE_COLORS, curves.items(), strict=False):
        epochs = range(1, len(curve["val_loss"]) + 1)
        axes.plot(epochs, curve["train_loss"], color=color, linewidth=1.5, linestyle="--", label=f"{name}: training")
        axes.plot(epochs, curve["val_loss"], color=color, linewidth=2, label=f"{name}: validation")
        _mark_lowest(axes, curve["val_loss"], color)
    axes.set_title("Learning curves: ● is the lowest validation loss", fontsize=12)
    axes.set_xlabel("epoch (the gap from training to validation is the overfit)", fontsize=11)
    axes.set_ylabel(with_unit("loss", loss_unit), fontsize=11)
    # The first epoch is far above all others and would press them into a line.
    later_losses = [loss for curve in curves.values() for loss in curve["val_loss"][1:] if math.isfinite(loss)]
    axes.set_ylim(0.0, 1.3 * max(later_losses) if later_losses else None)
    axes.grid(alpha=0.3)
    if curves:
        axes.legend(fontsize=9, loc="upper right")


def _mark_lowest(axes: Axes, val_loss: Sequence[float], color: str) -> None:
    finite = [(loss, epoch) for epoch, loss in enumerate(val_loss, start=1) if math.isfinite(loss)]
    if finite:
        loss, epoch = min(finite)
        axes.plot(epoch, loss, "o", color=color, markersize=10, markeredgecolor="white")
        axes.annotate(f"{loss:.3g}", (epoch, loss), xytext=(0, 9), color=color, **NOTE)
