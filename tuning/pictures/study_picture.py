"""The picture of a study: what was tried, what it brought, and how overfitting turned into a good fit.

Left, the objective over the trials: every point is a trial, coloured by its fit, named by what it changed. Right, the
learning curves of the first and of the best trial: the gap that opens between training and validation is the overfit
that the search goes through on purpose, and then backs off from.

>>> start = TrialPoint(0, 0.081, 0.081, "cross the border", "start", "overfit_decisions")
>>> halved = TrialPoint(1, 0.064, 0.064, "back off", "dropout 0 → 0.2", "fit")
>>> curves = {"start (0)": {"train_loss": [0.2, 0.05, 0.01], "val_loss": [0.15, 0.09, 0.12]}}
>>> figure = study_picture([start, halved], curves, "val_loss", "mnist5k")
>>> figure.savefig("study.png")                                              # doctest: +SKIP
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

_SIZE_INCHES = (16.0, 7.0)  # at matplotlib's 100 dots an inch: 1600 x 700 pixels
_MAX_LABEL_CHARS = 30

# Okabe and Ito's colours, told apart by nearly everybody; the markers tell them apart in grey too.
_LOOKS = {
    "diverged": ("#000000", "X"),
    "undertrained": ("#56B4E9", "v"),
    "underfit": ("#0072B2", "s"),
    "capacity_reached": ("#CC79A7", "D"),
    "overfit_confidence": ("#E69F00", "^"),
    "overfit_decisions": ("#D55E00", "P"),
    "fit": ("#009E73", "o"),
}
_OTHER_LOOK = ("#999999", "X")  # pruned or failed: no fit was measured
# A number beside its point, legible where a line runs below it.
_PAPER = {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5}
_NOTE: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "bbox": _PAPER}
_CURVE_COLORS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7")


@dataclass(frozen=True, slots=True)
class TrialPoint:
    """One trial, as the picture shows it.

    Args:
        number: Its number in the study, >= 0.
        value: The objective; None for a trial without a value.
        best_so_far: The best value up to this trial, itself included; not finite while there is none.
        phase: What the search was doing.
        label: What the trial changed, in a few words.
        fit_state: `FitState` of its diagnosis, or how it ended where there is none.

    Raises:
        ValueError: If the number is negative or the value is not finite.
    """

    number: int
    value: float | None
    best_so_far: float
    phase: str
    label: str
    fit_state: str

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError(f"`number` must be >= 0, got {self.number}.")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"`value` must be finite or None, got {self.value} for trial {self.number}.")


def study_picture(
    trials: Sequence[TrialPoint],
    curves: Mapping[str, Mapping[str, Sequence[float]]],
    monitor: str,
    title: str,
) -> Figure:
    """Draw a study.

    Args:
        trials: In the order in which they were run, at least one.
        curves: By name of a trial ("start", "best"), its `train_loss` and `val_loss`, one value an epoch.
        monitor: The objective's name.
        title: Stands above both panels.

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
    objective = left.subplots()
    _draw_trials(objective, trials, monitor)
    _draw_curves(right.subplots(), curves)
    # The changes fill the left side below its plot, so the plot's legend stands below the right one.
    entries = objective.get_legend_handles_labels()
    right.legend(*entries, loc="outside lower center", title="Left: how each trial fits", ncols=2, fontsize=9)
    return figure


@dataclass(frozen=True, slots=True)
class _Scale:
    """The stretch of the objective that is drawn; what is off it, or has no value, stands at its worst end."""

    low: float
    high: float
    worst: float

    def height(self, value: float | None) -> float:
        return self.worst if value is None else min(max(value, self.low), self.high)


def _scale(trials: Sequence[TrialPoint]) -> _Scale:
    """From the best value to beyond the first one and beyond what four fifths of the trials reach.

    One network that is far off would press all others into a line.
    """
    values, best = [trial.value for trial in trials if trial.value is not None], trials[-1].best_so_far
    if not values:
        return _Scale(0.0, 1.0, worst=1.0)
    distances = sorted(abs(value - best) for value in values)
    reach = max(1.3 * abs(values[0] - best), 1.6 * distances[int(0.8 * (len(distances) - 1))]) or 0.1
    if max(values) > best:  # minimized
        return _Scale(best, best + reach, worst=best + reach)
    return _Scale(best - reach, best, worst=best - reach)


def _draw_trials(axes: Axes, trials: Sequence[TrialPoint], monitor: str) -> None:
    places, scale = range(len(trials)), _scale(trials)
    _shade_first_phase(axes, trials)
    best = [trial.best_so_far for trial in trials]
    axes.step(places, best, where="post", color="#555555", linewidth=1.5, label="best so far", zorder=2)
    for state in dict.fromkeys(trial.fit_state for trial in trials):
        _draw_state(axes, trials, state, scale)
    _number_trials(axes, trials, scale)
    axes.set_title("What each trial changed, and what it brought", fontsize=12)
    axes.set_ylabel(monitor, fontsize=11)
    axes.set_xlim(-0.7, len(trials) - 0.3)
    margin = 0.2 * (scale.high - scale.low)  # for the numbers, which stand below the points
    axes.set_ylim(scale.low - margin, scale.high + margin / 4)
    labels = [_shortened(trial.label) for trial in trials]
    font_size = min(9.0, 260 / len(trials))
    axes.set_xticks(places, labels, rotation=50, ha="right", rotation_mode="anchor", fontsize=font_size)
    axes.grid(axis="y", alpha=0.3)


def _shade_first_phase(axes: Axes, trials: Sequence[TrialPoint]) -> None:
    """The trials before the study's first change of phase."""
    phase = trials[0].phase
    n_trials = sum(1 for _ in takewhile(lambda trial: trial.phase == phase, trials))
    axes.axvspan(-0.5, n_trials - 0.5, color="#F0E442", alpha=0.25, linewidth=0, zorder=0, label=f"phase 1: {phase}")


def _draw_state(axes: Axes, trials: Sequence[TrialPoint], state: str, scale: _Scale) -> None:
    """The trials of one fit state."""
    color, marker = _LOOKS.get(state, _OTHER_LOOK)
    places = [i for i, trial in enumerate(trials) if trial.fit_state == state]
    heights = [scale.height(trials[i].value) for i in places]
    looks: dict[str, Any] = {"color": color, "markersize": 10, "markeredgecolor": "white", "zorder": 3}
    axes.plot(places, heights, marker, label=state.replace("_", " "), **looks)


def _number_trials(axes: Axes, trials: Sequence[TrialPoint], scale: _Scale) -> None:
    """Below every point its number; the best trial and those off the scale also show their value."""
    best = next((i for i, trial in enumerate(trials) if trial.value == trials[-1].best_so_far), None)
    font_size = min(8.0, 220 / len(trials))
    for i, trial in enumerate(trials):
        height, note = scale.height(trial.value), str(trial.number)
        if i == best:
            note += f"\nbest {trial.value:.4g}"
        elif height != trial.value:
            note += "\nno value" if trial.value is None else f"\n{trial.value:.3g}"
        weight = "bold" if i == best else "normal"
        axes.annotate(note, (i, height), xytext=(0, -8), va="top", fontsize=font_size, fontweight=weight, **_NOTE)


def _draw_curves(axes: Axes, curves: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    for color, (name, curve) in zip(_CURVE_COLORS, curves.items(), strict=False):
        epochs = range(1, len(curve["val_loss"]) + 1)
        axes.plot(epochs, curve["train_loss"], color=color, linewidth=1.5, linestyle="--", label=f"{name}: training")
        axes.plot(epochs, curve["val_loss"], color=color, linewidth=2, label=f"{name}: validation")
        _mark_lowest(axes, curve["val_loss"], color)
    axes.set_title("Learning curves: ● is the lowest validation loss", fontsize=12)
    axes.set_xlabel("epoch (the gap from training to validation is the overfit)", fontsize=11)
    axes.set_ylabel("loss", fontsize=11)
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
        axes.annotate(f"{loss:.3g}", (epoch, loss), xytext=(0, 9), color=color, **_NOTE)


def _shortened(label: str) -> str:
    return label if len(label) <= _MAX_LABEL_CHARS else f"{label[: _MAX_LABEL_CHARS - 1]}…"
