"""Learning curves of a whole grid of the four-lever network, recorded once, so that studies replay in seconds.

The `.npz` holds `curves`, shape (units, layers, dropout, l2, epochs, columns), `seconds` a configuration and the axes
`units`, `layers`, `dropout`, `l2` and `columns` (train, validation and test loss and error after every epoch).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search_spaces import Lever, Params, Role, Scale, SearchSpace
from tuning.engine.stopping import StopRule
from tuning.pruner import CatchUpPruner
from tuning.strategy.diagnosis import LearningCurves, diagnose
from tuning.trial_attrs import CROSSED_BORDER, EXPECTED_VALUE, FIT_STATE, VALUE_STDERR

_AXES = ("units", "layers", "dropout", "l2")
_N_EXAMPLES = 10_000  # of each set
_N_CLASSES = 10

# The spread of the per-example losses was not recorded. In the engine's trainings on mnist5k it is 1.3 to 1.5 times the
# root of the mean loss for every network that is any good.
_LOSS_SD_BY_ROOT_OF_LOSS = 1.4


@dataclass(frozen=True)
class Recording:
    """One configuration's curves, shape (epochs, columns) each, and what an epoch of it costs."""

    curves: dict[str, np.ndarray]
    epoch_secs: float

    def value_stderr(self, monitor: str, value: float) -> float:
        """Standard error of a loss or error."""
        if monitor.endswith("error"):
            return math.sqrt(max(value * (1 - value), 1 / _N_EXAMPLES) / _N_EXAMPLES)
        return _LOSS_SD_BY_ROOT_OF_LOSS * math.sqrt(value / _N_EXAMPLES)

    def attrs(self, monitor: str, n_epochs: int) -> dict[str, Any]:
        """What a trial of so many epochs would have written down for the next decision."""
        lowest_loss = float(self.curves["val_loss"][:n_epochs].min())
        names = ("train_loss", "train_error", "val_loss", "val_error")
        fit = diagnose(
            LearningCurves(
                **{name: tuple(self.curves[name][:n_epochs]) for name in names},
                n_classes=_N_CLASSES,
                n_train=_N_EXAMPLES,
                n_val=_N_EXAMPLES,
                val_loss_sd=_LOSS_SD_BY_ROOT_OF_LOSS * math.sqrt(lowest_loss),
            )
        )
        stderr = self.value_stderr(monitor, float(self.curves[monitor][:n_epochs].min()))
        return {FIT_STATE: fit.state.value, CROSSED_BORDER: fit.crossed_border, VALUE_STDERR: stderr}


@dataclass(frozen=True)
class Table:
    """The recorded grid."""

    arrays: dict[str, np.ndarray]

    @classmethod
    def load(cls, path: Path) -> Table:
        """Read the `.npz`."""
        with np.load(path) as file:
            return cls({name: file[name] for name in file.files})

    @property
    def max_epochs(self) -> int:
        """Epochs of every recorded training."""
        return int(self.arrays["curves"].shape[-2])

    @property
    def shape(self) -> tuple[int, ...]:
        """Points of each axis."""
        return tuple(len(self.arrays[axis]) for axis in _AXES)

    def recording(self, params: Params) -> Recording:
        """The curves of the grid point nearest to a configuration, in the levers' own scales."""
        levers = {lever.name: lever for lever in self.space().levers}
        index = tuple(
            int(np.argmin([abs(levers[a].coordinate(params[a]) - levers[a].coordinate(float(x))) for x in grid]))
            for a, grid in ((axis, self.arrays[axis]) for axis in _AXES)
        )
        return self.at(index)

    def at(self, index: tuple[int, ...]) -> Recording:
        """The curves at a position of the grid."""
        curves = self.arrays["curves"][index].astype(float)
        by_name = {str(name): curves[:, i] for i, name in enumerate(self.arrays["columns"])}
        return Recording(by_name, float(self.arrays["seconds"][index]) / self.max_epochs)

    def space(self, units: int = 256, layers: int = 2, order: int = 0) -> SearchSpace:
        """The four levers on the recorded grid, with another start or in another order.

        Args:
            units: Where the search starts.
            layers: Where the search starts.
            order: By how many places the levers are rotated.
        """
        axes = {axis: [float(x) for x in self.arrays[axis]] for axis in _AXES}
        positive = [x for x in axes["l2"] if x > 0]
        first, last = {a: g[0] for a, g in axes.items()}, {a: g[-1] for a, g in axes.items()}
        capacity, less = Role.CAPACITY, Role.REGULARIZATION
        levers = [
            Lever("units", capacity, first["units"], last["units"], Scale.LOG2_INTEGER, 1.0, units, 1.0),
            Lever("layers", capacity, first["layers"], last["layers"], Scale.INTEGER, 1.0, layers, 1.0),
            Lever("dropout", less, first["dropout"], last["dropout"], Scale.LINEAR, 0.1, 0.0, 0.2),
            Lever("l2", less, positive[0], positive[-1], Scale.LOG10_OR_ZERO, 1.0, 0.0, 3.0),
        ]
        return SearchSpace("recorded", tuple(levers[order:] + levers[:order]))


@dataclass(frozen=True)
class Replayed:
    """A trial as it was replayed: its Optuna number, epochs, seconds, and the value if it has one."""

    number: int
    epochs: int
    epoch_secs: float
    value: float | None


def replay_trial(study: Study, table: Table, space: SearchSpace, monitor: str, stop: StopRule) -> Replayed:
    """Ask, report epoch by epoch, prune or stop as the product does, and tell."""
    trial = study.ask(space.distributions())
    recording = table.recording(trial.params)
    values = recording.curves[monitor].tolist()
    for epoch in range(1, table.max_epochs + 1):
        trial.report(values[epoch - 1], epoch)
        if trial.should_prune():
            trial.set_user_attr(VALUE_STDERR, recording.value_stderr(monitor, min(values[:epoch])))
            if isinstance(study.pruner, CatchUpPruner):
                verdict = study.pruner.verdict(study, study.get_trials(deepcopy=False)[trial.number])
                trial.set_user_attr(EXPECTED_VALUE, verdict.expected_value)
            study.tell(trial, state=TrialState.PRUNED)
            return Replayed(trial.number, epoch, recording.epoch_secs, None)
        if stop.reason_to_stop(values[:epoch]):
            break
    for name, attr in recording.attrs(monitor, epoch).items():
        trial.set_user_attr(name, attr)
    value = min(values[:epoch])
    study.tell(trial, value)
    return Replayed(trial.number, epoch, recording.epoch_secs, value)


class Watched(optuna.pruners.BasePruner):
    """A pruner that is asked but not obeyed: it writes down at which epoch it would first have pruned each trial."""

    def __init__(self, pruner: optuna.pruners.BasePruner) -> None:
        self._pruner = pruner
        self.cut_epochs: dict[int, int] = {}

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Never; but remember."""
        if trial.number not in self.cut_epochs and self._pruner.prune(study, trial):
            self.cut_epochs[trial.number] = int(trial.last_step or 0)
        return False
