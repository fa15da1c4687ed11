"""Learning curves of a whole grid of the four-lever network, recorded once, so that studies replay in seconds.

The `.npz` (written by `benchmarks.curves`) holds `curves`, shape (units, layers, dropout, l2, seeds, epochs, columns),
`epoch_secs` of each training, the sizes of the three sets, and the axes `units`, `layers`, `dropout`, `l2` and
`columns`. An older recording, of one seed and without the spread of the per-example losses, is read as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search_spaces import Lever, Params, Role, Scale, SearchSpace
from tuning.engine.stopping import StopRule
from tuning.pruner import CatchUpPruner
from tuning.strategy.diagnosis import FitDiagnosis, diagnose
from tuning.strategy.learning_curves import LearningCurves
from tuning.trial_attrs import CROSSED_BORDER, EXPECTED_VALUE, FIT_STATE, VALUE_STDERR

AXES = ("units", "layers", "dropout", "l2")
TABLES = Path(__file__).with_name("tables")  # those that are shipped

_TRAIN_SAMPLE_SIZE = 2_500  # train metrics of the engine are measured on so many examples

# The older recording: sizes of its sets, and the spread of the per-example losses, which in the engine's trainings on
# mnist5k is 1.3 to 1.5 times the root of the mean loss for every network that is any good.
_OLDER_SIZES = {"n_train": 10_000, "n_val": 10_000, "n_classes": 10}
_LOSS_SD_BY_ROOT_OF_LOSS = 1.4


@dataclass(frozen=True)
class Recording:
    """One training: its curves by name, one value an epoch, what an epoch costs, and the sizes behind the numbers."""

    curves: dict[str, np.ndarray]
    epoch_secs: float
    n_train: int
    n_val: int
    n_classes: int

    def n_epochs(self, monitor: str, stop: StopRule) -> int:
        """After how many epochs the stop rule ends the training."""
        values = self.curves[monitor].tolist()
        return next((n for n in range(1, len(values)) if stop.reason_to_stop(values[:n])), len(values))

    def value_stderr(self, monitor: str, n_epochs: int) -> float:
        """Standard error of the best loss or error of the first epochs."""
        value = float(self.curves[monitor][:n_epochs].min())
        if monitor.endswith("error"):
            return math.sqrt(max(value * (1 - value), 1 / self.n_val) / self.n_val)
        return self._val_loss_sd(n_epochs) / math.sqrt(self.n_val)

    def diagnosis(self, n_epochs: int) -> FitDiagnosis:
        """What the strategy would have been told after so many epochs."""
        names = ("train_loss", "train_error", "val_loss", "val_error")
        rises = self.curves.get("val_loss_rise_stderr")
        return diagnose(
            LearningCurves(
                **{name: tuple(self.curves[name][:n_epochs].tolist()) for name in names},
                n_classes=self.n_classes,
                n_train=self.n_train,
                n_val=self.n_val,
                val_loss_sd=self._val_loss_sd(n_epochs),
                val_loss_rise_stderr=None if rises is None else float(rises[n_epochs - 1]),
            )
        )

    def attrs(self, monitor: str, n_epochs: int) -> dict[str, Any]:
        """What a trial of so many epochs would have written down for the next decision."""
        fit, stderr = self.diagnosis(n_epochs), self.value_stderr(monitor, n_epochs)
        return {FIT_STATE: fit.state.value, CROSSED_BORDER: fit.crossed_border, VALUE_STDERR: stderr}

    def _val_loss_sd(self, n_epochs: int) -> float:
        """Spread of the per-example validation losses at the best epoch."""
        losses = self.curves["val_loss"][:n_epochs]
        if "val_loss_sd" in self.curves:
            return float(self.curves["val_loss_sd"][int(np.argmin(losses))])
        return _LOSS_SD_BY_ROOT_OF_LOSS * math.sqrt(float(losses.min()))


@dataclass(frozen=True)
class Table:
    """The recorded grid."""

    arrays: dict[str, np.ndarray]

    @classmethod
    def load(cls, path: Path) -> Table:
        """Read the `.npz`.

        Raises:
            ValueError: If trainings are missing: the recording was interrupted.
        """
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        if "seconds" in arrays:
            n_epochs = arrays["curves"].shape[-2]
            arrays["epoch_secs"] = arrays.pop("seconds")[..., np.newaxis] / n_epochs
            arrays["curves"] = np.expand_dims(arrays["curves"], 4)
        elif not arrays["is_done"].all():
            n_missing = int((~arrays["is_done"]).sum())
            raise ValueError(f"{path.name} lacks {n_missing} trainings: run `python -m benchmarks.curves` again.")
        return cls(arrays)

    @property
    def max_epochs(self) -> int:
        """Epochs of every recorded training."""
        return int(self.arrays["curves"].shape[-2])

    @property
    def shape(self) -> tuple[int, ...]:
        """Points of each axis."""
        return tuple(len(self.arrays[axis]) for axis in AXES)

    @property
    def n_seeds(self) -> int:
        """Trainings of each configuration."""
        return int(self.arrays["curves"].shape[4])

    @cached_property
    def _sizes(self) -> dict[str, int]:
        sizes = {name: int(self.arrays.get(name, older)) for name, older in _OLDER_SIZES.items()}
        if "n_train" in self.arrays:
            sizes["n_train"] = min(sizes["n_train"], _TRAIN_SAMPLE_SIZE)
        return sizes

    def recording(self, params: Params) -> Recording:
        """The curves of the grid point nearest to a configuration, in the levers' own scales; of the first seed."""
        levers = {lever.name: lever for lever in self.space().levers}
        index = tuple(
            int(np.argmin([abs(levers[a].coordinate(params[a]) - levers[a].coordinate(float(x))) for x in grid]))
            for a, grid in ((axis, self.arrays[axis]) for axis in AXES)
        )
        return self.at(index)

    def at(self, index: tuple[int, ...], seed: int = 0) -> Recording:
        """The curves at a position of the grid."""
        curves = self.arrays["curves"][(*index, seed)].astype(float)
        by_name = {str(name): curves[:, i] for i, name in enumerate(self.arrays["columns"])}
        return Recording(by_name, float(self.arrays["epoch_secs"][(*index, seed)]), **self._sizes)

    def space(self, units: int = 256, layers: int = 2, order: int = 0) -> SearchSpace:
        """The four levers on the recorded grid, with another start or in another order.

        Args:
            units: Where the search starts.
            layers: Where the search starts.
            order: By how many places the levers are rotated.
        """
        axes = {axis: [float(x) for x in self.arrays[axis]] for axis in AXES}
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
            trial.set_user_attr(VALUE_STDERR, recording.value_stderr(monitor, epoch))
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
