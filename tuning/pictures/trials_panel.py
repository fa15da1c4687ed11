"""The left side of a study's picture: the objective and the validation error of every trial.

>>> start = TrialPoint(0, 0.081, 0.081, "cross the border", "start", "overfit_decisions", error=0.022)
>>> draw_trials(figure, [start], "val_loss", shipped=0)                              # doctest: +SKIP
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import FigureBase

from tuning.pictures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    NOTE,
    ORANGE,
    PALE,
    PURPLE,
    RED,
    RING,
    SKY,
    YELLOW,
)

_MAX_LABEL_CHARS = 30

# The markers tell them apart in grey too.
_LOOKS = {
    "diverged": (BLACK, "X"),
    "undertrained": (SKY, "v"),
    "underfit": (BLUE, "s"),
    "capacity_reached": (PURPLE, "D"),
    "overfit_confidence": (ORANGE, "^"),
    "overfit_decisions": (RED, "P"),
    "fit": (GREEN, "o"),
}
_OTHER_LOOK = (GREY, "X")  # pruned or failed: no fit was measured
_PHASE_COLORS = {"cross the border": YELLOW, "back off": PALE, "local model": SKY, "confirm": GREEN}


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
        error: Share of the validation examples that it got wrong, 0 to 1; None where it is not known.

    Raises:
        ValueError: If the number is negative or the value is not finite.
    """

    number: int
    value: float | None
    best_so_far: float
    phase: str
    label: str
    fit_state: str
    error: float | None = None

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError(f"`number` must be >= 0, got {self.number}.")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"`value` must be finite or None, got {self.value} for trial {self.number}.")


def draw_trials(figure: FigureBase, trials: Sequence[TrialPoint], monitor: str, shipped: int | None) -> Axes:
    """Draw the objective over the trials and, where it is another measure and known, the validation error below it.

    Args:
        figure: That holds nothing else.
        trials: In the order in which they were run, at least one.
        monitor: The objective's name, with its unit.
        shipped: Number of the trial that is marked, if any.

    Returns:
        The panel of the objective, whose artists are named for a legend.
    """
    has_errors = any(trial.error is not None for trial in trials)
    panels = figure.subplots(1 + has_errors, 1, sharex=True, squeeze=False, height_ratios=(3, 1)[: 1 + has_errors])
    objective: Axes = panels[0, 0]
    lowest: Axes = panels[-1, 0]
    _draw_objective(objective, trials, monitor, shipped)
    if has_errors:
        _draw_errors(lowest, trials, shipped)
    font_size = min(9.0, 260 / len(trials))
    labels = [_shortened(trial.label) for trial in trials]
    lowest.set_xticks(range(len(trials)), labels, rotation=50, ha="right", rotation_mode="anchor", fontsize=font_size)
    lowest.set_xlim(-0.5, len(trials) - 0.5)
    return objective


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


def _draw_objective(axes: Axes, trials: Sequence[TrialPoint], monitor: str, shipped: int | None) -> None:
    scale = _scale(trials)
    _shade_phases(axes, trials)
    best = [trial.best_so_far for trial in trials]
    axes.step(range(len(trials)), best, where="post", color="#555555", linewidth=1.5, label="best so far", zorder=2)
    _draw_points(axes, trials, lambda trial: scale.height(trial.value), size=10)
    _number_trials(axes, trials, scale, shipped)
    axes.set_title("What each trial changed, and what it brought", fontsize=12)
    axes.set_ylabel(monitor, fontsize=11)
    margin = 0.2 * (scale.high - scale.low)  # for the numbers, which stand below the points
    axes.set_ylim(scale.low - margin, scale.high + margin / 4)
    axes.grid(axis="y", alpha=0.3)


def _draw_errors(axes: Axes, trials: Sequence[TrialPoint], shipped: int | None) -> None:
    """The share of wrong validation examples, in percent; of what is far off, an arrow and the number."""
    _shade_phases(axes, trials)
    low, high = _error_range([100 * trial.error for trial in trials if trial.error is not None])
    margin = 0.25 * (high - low) or 0.1
    axes.set_ylim(low - margin, high + margin)
    heights = {t.number: math.nan if t.error is None or 100 * t.error > high else 100 * t.error for t in trials}
    _draw_points(axes, trials, lambda trial: heights[trial.number], size=7)
    for i, trial in enumerate(trials):
        if trial.error is not None and 100 * trial.error > high:
            note = f"↑\n{100 * trial.error:.3g}"
            axes.annotate(note, (i, high + margin), xytext=(0, -2), va="top", fontsize=7, **NOTE)
        elif trial.number == shipped:
            axes.plot(i, heights[trial.number], "o", **{**RING, "markersize": 13})
    axes.set_ylabel("error (%)", fontsize=11)
    axes.grid(axis="y", alpha=0.3)


def _error_range(errors: Sequence[float]) -> tuple[float, float]:
    """From the lowest error to the highest that is no more than four times as far from it as the median."""
    low = min(errors)
    reach = 4 * (statistics.median(errors) - low) or math.inf
    return low, max(error for error in errors if error - low <= reach)


def _shade_phases(axes: Axes, trials: Sequence[TrialPoint]) -> None:
    """A background for every run of trials of one phase, with a line where another one begins."""
    begin, named = 0, set[str]()
    for phase, run in groupby(trials, key=lambda trial: trial.phase):
        end = begin + len(list(run))
        label = None if phase in named else f"phase: {phase or 'none, not decided here'}"
        looks: dict[str, Any] = {"color": _PHASE_COLORS.get(phase, PALE), "alpha": 0.25, "linewidth": 0, "zorder": 0}
        axes.axvspan(begin - 0.5, end - 0.5, label=label, **looks)
        if begin:
            axes.axvline(begin - 0.5, color="#777777", linewidth=0.8, linestyle=":", zorder=1)
        named.add(phase)
        begin = end


def _draw_points(axes: Axes, trials: Sequence[TrialPoint], height: Callable[[TrialPoint], float], size: float) -> None:
    """Every trial in the looks of its fit state."""
    for state in dict.fromkeys(trial.fit_state for trial in trials):
        color, marker = _LOOKS.get(state, _OTHER_LOOK)
        places = [i for i, trial in enumerate(trials) if trial.fit_state == state]
        looks: dict[str, Any] = {"color": color, "markersize": size, "markeredgecolor": "white", "zorder": 4}
        axes.plot(places, [height(trials[i]) for i in places], marker, label=state.replace("_", " "), **looks)


def _number_trials(axes: Axes, trials: Sequence[TrialPoint], scale: _Scale, shipped: int | None) -> None:
    """Below every point its number; the shipped trial, ringed, and those off the scale also show their value."""
    font_size = min(8.0, 220 / len(trials))
    for i, trial in enumerate(trials):
        height, note = scale.height(trial.value), str(trial.number)
        if trial.number == shipped and trial.value is not None:
            note += f"\nshipped\n{trial.value:.4g}"
            axes.plot(i, height, "o", label=f"trial {shipped}, shipped", **RING)
        elif height != trial.value:
            note += "\nno value" if trial.value is None else f"\n{trial.value:.3g}"
        weight = "bold" if trial.number == shipped else "normal"
        axes.annotate(note, (i, height), xytext=(0, -8), va="top", fontsize=font_size, fontweight=weight, **NOTE)


def _shortened(label: str) -> str:
    return label if len(label) <= _MAX_LABEL_CHARS else f"{label[: _MAX_LABEL_CHARS - 1]}…"
