"""The generalization gap over capacity: what more weights do to the distance of validation from training loss.

>>> point = GapPoint(trial=3, n_params=55_050, gap=0.08, is_regularized=True, is_shipped=False)
>>> gap_picture([point], "mnist5k").savefig("gap-over-capacity.png")                # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from tuning.pictures.style import BLUE, RED, RING

_SIZE_INCHES = (9.0, 5.5)
_KINDS = ((False, RED, "^", "bare: no dropout, no L2"), (True, BLUE, "o", "regularized: dropout or L2"))
_LABEL_HEIGHT = 0.035  # of the picture: points that are closer share a label


@dataclass(frozen=True, slots=True)
class GapPoint:
    """One trial: its number, its weights, and validation minus training loss at the best epoch."""

    trial: int
    n_params: int
    gap: float
    is_regularized: bool
    is_shipped: bool


def gap_picture(points: Sequence[GapPoint], study: str, loss_unit: str = "nats") -> Figure:
    """Draw every trial at its number of weights; bare and regularized ones differ in colour and shape."""
    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    axes = figure.subplots()
    axes.set_title(f"Study {study}: generalization gap over capacity", fontweight="bold")
    for is_regularized, color, marker, label in _KINDS:
        chosen = [point for point in points if point.is_regularized == is_regularized]
        if chosen:
            at = [point.n_params for point in chosen], [point.gap for point in chosen]
            axes.plot(*at, marker, color=color, markersize=9, markeredgecolor="white", label=label)
    for cluster in _clusters(points):
        _name(axes, cluster)
    _scale(axes, points)
    axes.set_xlabel("weights of the network")
    axes.set_ylabel(f"validation loss - training loss at the best epoch ({loss_unit})")
    axes.margins(x=0.1, y=0.12)
    axes.grid(alpha=0.3)
    return figure


def _clusters(points: Sequence[GapPoint]) -> Iterator[list[GapPoint]]:
    """Points of one width that lie too close together for a label each."""
    gaps = [point.gap for point in points] or [0.0]
    reach = _LABEL_HEIGHT * (max(gaps) - min(gaps))
    cluster: list[GapPoint] = []
    for point in sorted(points, key=lambda each: (each.n_params, each.gap)):
        if cluster and (point.n_params != cluster[-1].n_params or point.gap - cluster[-1].gap > reach):
            yield cluster
            cluster = []
        cluster.append(point)
    if cluster:
        yield cluster


def _name(axes: Axes, cluster: Sequence[GapPoint]) -> None:
    """The numbers of the trials beside their points, the shipped one ringed and named."""
    names = [f"{p.trial} (shipped)" if p.is_shipped else str(p.trial) for p in sorted(cluster, key=lambda p: p.trial)]
    middle = sum(point.gap for point in cluster) / len(cluster)
    is_shipped = any(point.is_shipped for point in cluster)
    axes.annotate(
        ", ".join(names),
        (cluster[0].n_params, middle),
        xytext=(11 if is_shipped else 7, 0),
        textcoords="offset points",
        va="center",
        fontsize=9,
        fontweight="bold" if is_shipped else "normal",
    )
    for point in cluster:
        if point.is_shipped:
            axes.plot(point.n_params, point.gap, "o", label="shipped", **RING)


def _scale(axes: Axes, points: Sequence[GapPoint]) -> None:
    if not points:
        axes.text(0.5, 0.5, "no trial has a value yet", transform=axes.transAxes, ha="center")
        return
    axes.set_xscale("log")
    # Powers of ten alone are too few to read a number of weights within a decade or two.
    numbers = [point.n_params for point in points]
    is_wide = max(numbers) > 30 * min(numbers)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0) if is_wide else (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.legend(fontsize=9)
