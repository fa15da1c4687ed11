"""Each lever's measured response: what moving it alone did to the objective, and how surely.

>>> step = LeverStep("dropout", 0.0, 0.2, 0.081, 0.064, "strong gain")
>>> lever_picture([step], "val_loss", "mnist5k").savefig("levers.png")          # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from search_spaces import Value, shown
from tuning.pictures.style import GREEN, GREY, ORANGE, RED, SKY, with_unit

_PANEL_INCHES = (3.2, 4.0)

# The line's style and width tell the reactions apart in grey too.
_LOOKS = {
    "strong gain": (GREEN, "-", 2.5),
    "weak gain": (SKY, "-", 1.5),
    "flat": (GREY, ":", 1.5),
    "loss": (ORANGE, "-", 1.5),
    "strong loss": (RED, "-", 2.5),
}


@dataclass(frozen=True, slots=True)
class LeverStep:
    """One experiment on one lever: its values and the objective before and after, and the reaction."""

    lever: str
    before: Value
    after: Value
    value_before: float
    value_after: float
    reaction: str


def lever_picture(steps: Sequence[LeverStep], monitor: str, study: str, loss_unit: str = "nats") -> Figure:
    """Draw a panel for each lever that moved alone, an arrow for each experiment; without any, a sentence."""
    levers = list(dict.fromkeys(step.lever for step in steps))
    width, height = _PANEL_INCHES
    figure = Figure(figsize=(max(1, len(levers)) * width, height), layout="constrained")
    figure.suptitle(f"Study {study}: what each lever did to {monitor}")
    if not levers:
        figure.text(0.5, 0.5, "no lever has moved alone yet", ha="center")
        return figure
    panels = figure.subplots(1, len(levers), sharey=True, squeeze=False)[0]
    for axes, lever in zip(panels, levers, strict=True):
        _draw(axes, lever, [step for step in steps if step.lever == lever])
    panels[0].set_ylabel(with_unit(monitor, loss_unit))
    handles = _legend(panels[-1], {step.reaction for step in steps})
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    return figure


def _draw(axes: Axes, lever: str, steps: Sequence[LeverStep]) -> None:
    """Equal distances between the values that were tried: their scales differ from lever to lever."""
    values = sorted({value for step in steps for value in (step.before, step.after)}, key=_order)
    at = {value: i for i, value in enumerate(values)}
    for step in steps:
        color, style, width = _LOOKS[step.reaction]
        arrow = {"arrowstyle": "->", "color": color, "linestyle": style, "linewidth": width}
        ends = (at[step.before], step.value_before), (at[step.after], step.value_after)
        axes.annotate("", xy=ends[1], xytext=ends[0], arrowprops=arrow)
        axes.plot(*zip(*ends, strict=True), marker="o", linestyle="none", color=color, markersize=4)
    axes.set_xticks(range(len(values)), [shown(value) for value in values])
    axes.set_xlabel(lever)
    axes.margins(x=0.2)


def _order(value: Value) -> tuple[bool, float, str]:
    return isinstance(value, str), 0.0 if isinstance(value, str) else float(value), str(value)


def _legend(axes: Axes, reactions: set[str]) -> list[object]:
    shown = {name: look for name, look in _LOOKS.items() if name in reactions}
    return [
        axes.plot([], [], color=color, linestyle=style, linewidth=width, label=name)[0]
        for name, (color, style, width) in shown.items()
    ]
