"""Learning curves of the start, the shipped trial and its neighbours, each with its overfit point marked.

>>> start = TrialCurves("start (trial 0)", [0.2, 0.05, 0.01], [0.15, 0.09, 0.12], best_epoch=2)
>>> curves_picture([start], "mnist5k", shipped=0).savefig("learning-curves.png")               # doctest: +SKIP
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import shorten

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tuning.pictures.style import BLACK, BLUE, GREY, RED, with_unit

_PANEL_INCHES = (4.3, 3.5)
_N_COLUMNS = 3
_MAX_TITLE_CHARS = 55


@dataclass(frozen=True, slots=True)
class TrialCurves:
    """A trial's losses, one value an epoch.

    Args:
        title: Which trial it is.
        train_loss: In evaluation mode.
        val_loss: On the validation examples, as long as `train_loss`.
        best_epoch: The epoch whose weights were kept, from 1: after it the network overfits.

    Raises:
        ValueError: If the curves differ in length or `best_epoch` is not one of their epochs.
    """

    title: str
    train_loss: Sequence[float]
    val_loss: Sequence[float]
    best_epoch: int

    def __post_init__(self) -> None:
        if len(self.train_loss) != len(self.val_loss):
            raise ValueError(f"Both curves need one value an epoch, got {len(self.train_loss)}, {len(self.val_loss)}.")
        if not 1 <= self.best_epoch <= len(self.val_loss):
            raise ValueError(f"`best_epoch` must be from 1 to {len(self.val_loss)}, got {self.best_epoch}.")


def curves_picture(trials: Sequence[TrialCurves], study: str, shipped: int, loss_unit: str = "nats") -> Figure:
    """Draw a panel for each trial, all on one scale; the shipped one's validation loss is repeated in the others.

    Args:
        trials: The start, the shipped trial (unless it is the start), its neighbours; at least one.
        study: Name of the study.
        shipped: Position of the shipped trial among them.

    Raises:
        ValueError: If there is no trial.
    """
    if not trials:
        raise ValueError("Learning curves need at least one trial, got none.")
    n_columns = min(_N_COLUMNS, len(trials))
    n_rows = math.ceil(len(trials) / n_columns)
    width, height = _PANEL_INCHES
    figure = Figure(figsize=(max(n_columns, 2) * width, n_rows * height + 0.8), layout="constrained")
    title = f"Study {study}: learning curves; past the overfit point, validation got no better"
    figure.suptitle(title, fontweight="bold")
    panels = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False).flatten()
    for axes, trial in zip(panels, trials, strict=False):
        _draw(axes, trial, None if trial is trials[shipped] else trials[shipped])
    for axes in panels[len(trials) :]:
        axes.set_visible(False)
    panels[0].set_ylim(0.0, _top(trials))
    # A hidden panel leaves the one above it without numbers.
    for axes in panels[max(0, len(trials) - n_columns) : len(trials)]:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("epoch")
    for axes in panels[::n_columns]:
        axes.set_ylabel(with_unit("loss", loss_unit))
    handles = {h.get_label(): h for axes in panels for h in axes.get_lines() if not str(h.get_label()).startswith("_")}
    figure.legend(handles=list(handles.values()), loc="outside lower center", ncols=len(handles), frameon=False)
    return figure


def _draw(axes: Axes, trial: TrialCurves, reference: TrialCurves | None) -> None:
    epochs = range(1, len(trial.val_loss) + 1)
    if reference is not None:
        others = range(1, len(reference.val_loss) + 1)
        label = "validation loss of the shipped trial"
        axes.plot(others, reference.val_loss, color=GREY, linewidth=1.5, linestyle=":", label=label)
    axes.plot(epochs, trial.train_loss, color=RED, linewidth=1.5, linestyle="--", label="training loss")
    axes.plot(epochs, trial.val_loss, color=BLUE, linewidth=2, label="validation loss")
    overfit_point = "overfit point: the best epoch, whose weights were kept"
    axes.axvline(trial.best_epoch, color=BLACK, linewidth=1, label=overfit_point)
    axes.axvspan(trial.best_epoch, max(len(trial.val_loss), trial.best_epoch + 0.2), color=RED, alpha=0.08, linewidth=0)
    best = trial.val_loss[trial.best_epoch - 1]
    axes.plot(trial.best_epoch, best, "o", color=BLUE, markeredgecolor="white", markersize=9, zorder=3)
    title = shorten(trial.title, _MAX_TITLE_CHARS, placeholder=" …")
    axes.set_title(f"{title}\n{best:.4g} at epoch {trial.best_epoch} of {len(trial.val_loss)}", fontsize=10)
    axes.grid(alpha=0.3)


def _top(trials: Sequence[TrialCurves]) -> float:
    """Above all but the first epochs, which would press the rest into a line."""
    kept = [loss for trial in trials for loss in trial.val_loss[1:] if math.isfinite(loss)]
    best = max(trial.val_loss[trial.best_epoch - 1] for trial in trials)
    highest = max(kept, default=1.0)
    return 1.1 * (min(highest, 3 * best) if math.isfinite(best) and best > 0 else highest)
