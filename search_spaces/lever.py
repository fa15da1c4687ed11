"""A lever: one hyperparameter with its range, its scale and its role.

The *role* is what the strategy knows of a lever's meaning. Raising a capacity lever or lowering a regularization
lever moves towards overfitting; the reverse moves back off. A nuisance lever (learning rate) belongs to neither side
but has to be right for the others to be judged fairly ("nuisance hyperparameter", Google's Tuning Playbook). A lever
without a role is moved by the local model alone.

The *natural coordinate* is the scale on which equal steps have about equal effect: octaves of units, tenths of
dropout, decades of L2. Moves are made on a grid in natural coordinates.

>>> units = Lever("units", Role.CAPACITY, 16, 2048, Scale.LOG2_INTEGER, step=0.5, start=256)
>>> units.coordinate(256), units.value(8.5)
(8.0, 362)
>>> activation = choice("activation", ("relu", "tanh"))
>>> activation.coordinate("tanh"), activation.value(0.0)
(1.0, 'relu')
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

# Coordinates are compared and hashed: beyond this many decimals two of them are the same.
_DECIMALS = 6

# A grid is held in memory; the finest of the spaces that ship has a few hundred steps.
_MAX_STEPS = 1_000_000
_MAX_KNOWN_VALUES = 4_096

Value = float | int | str | bool
"""What a hyperparameter can be: a number, or of a lever of choices any of them."""


class Role(StrEnum):
    """What moving a lever up means for the fit."""

    CAPACITY = "capacity"
    REGULARIZATION = "regularization"
    NUISANCE = "nuisance"


class Scale(StrEnum):
    """How values map to natural coordinates."""

    INTEGER = "integer"
    LOG2_INTEGER = "log2 integer"
    LINEAR = "linear"
    LOG10 = "log10"
    LOG10_OR_ZERO = "log10 with a zero rung"  # zero is the rung below the smallest positive value
    CHOICE = "choice"  # the rungs are the choices, in the order given; the natural coordinate counts them from 0


_INTEGER_SCALES = (Scale.INTEGER, Scale.LOG2_INTEGER)


@dataclass(frozen=True)
class Lever:
    """One hyperparameter of a search space.

    Args:
        name: Optuna's parameter name.
        role: What raising the lever means for the fit; None for a lever that only the local model moves.
        low: Smallest value, inclusive, finite; the smallest *positive* value for `Scale.LOG10_OR_ZERO`; whole on the
            integer scales.
        high: Largest value, inclusive, finite; whole on the integer scales.
        scale: How values map to natural coordinates.
        step: Grid step in natural coordinates (octaves, decades or the value's own unit).
        start: The value from whose nearest grid value the search starts.
        first_step: Length of the first move in natural coordinates, at least `step`; by default a quarter of the
            range.
        choices: The values on the scale `Scale.CHOICE`, at least two, which `low` and `high` count from 0; see
            `choice`.
        active_if: Names of earlier levers with the values at which this one does anything; all have to hold.

    Raises:
        ValueError: If the range is empty, a step is too small, two grid points share a value, or `start` lies
            outside the range.
    """

    name: str
    role: Role | None
    low: float
    high: float
    scale: Scale
    step: float
    start: Value
    first_step: float = 0.0
    choices: tuple[Value, ...] = ()
    active_if: tuple[tuple[str, tuple[Value, ...]], ...] = ()

    def __post_init__(self) -> None:
        if not -math.inf < self.low < self.high < math.inf:
            raise ValueError(f"`low < high`, both finite, must hold, got {self.low}, {self.high} ({self.name!r}).")
        if (self.scale is Scale.CHOICE) != bool(self.choices) or (self.choices and self.high != len(self.choices) - 1):
            raise ValueError(f"`choices` belong to the scale {Scale.CHOICE}: use `choice(...)` ({self.name!r}).")
        if self.scale not in (Scale.INTEGER, Scale.LINEAR, Scale.CHOICE) and self.low <= 0:
            raise ValueError(f"`low` must be positive on the scale {self.scale}, got {self.low} ({self.name!r}).")
        if self.scale in _INTEGER_SCALES and not (float(self.low).is_integer() and float(self.high).is_integer()):
            raise ValueError(f"`low` and `high` must be whole, got {self.low}, {self.high} ({self.name!r}).")
        if not self.contains(self.start):
            raise ValueError(f"`start` of lever {self.name!r} must lie in its range, got {self.start}.")
        self._check_steps()

    def _check_steps(self) -> None:
        if not 0 < self.step < math.inf:
            raise ValueError(f"`step` must be positive and finite, got {self.step} for lever {self.name!r}.")
        if self.span / self.step > _MAX_STEPS:
            raise ValueError(f"`step` = {self.step} makes more than {_MAX_STEPS:,} steps: enlarge it ({self.name!r}).")
        if self.first_step == 0.0:
            object.__setattr__(self, "first_step", max(self.step, self.span / 4))
        if not self.step <= self.first_step < math.inf:
            raise ValueError(
                f"`first_step >= step`, finite, must hold, got {self.first_step} < {self.step} ({self.name!r})."
            )
        values = [self.value(coordinate) for coordinate in self.grid()]
        if len(set(values)) < len(values):  # 2^0 and 2^0.25 are both one unit
            raise ValueError(f"`step` = {self.step} gives two grid points one value: enlarge it ({self.name!r}).")

    # Cached: a replay of a hundred trials asks for the edges thousands of times.
    @cached_property
    def bottom(self) -> float:
        """The lowest natural coordinate (the zero rung where there is one)."""
        lowest = self._transform(self.low)
        return round(lowest - self.step, _DECIMALS) if self.scale is Scale.LOG10_OR_ZERO else lowest

    @cached_property
    def top(self) -> float:
        """The highest natural coordinate."""
        return self._transform(self.high)

    @property
    def span(self) -> float:
        """Length of the range in natural coordinates."""
        return self.top - self.bottom

    def grid(self) -> tuple[float, ...]:
        """The natural coordinates of all grid points, ascending."""
        return tuple(self._rung(i) for i in range(self._n_steps + 1))

    def contains(self, value: Value) -> bool:
        """Whether a value lies in the range and is of the lever's kind (a whole number, say)."""
        if self.scale is Scale.CHOICE:
            return value in self.choices
        if isinstance(value, str):
            return False
        if self.scale is Scale.LOG10_OR_ZERO and value == 0:
            return True
        whole = self.scale not in _INTEGER_SCALES or float(value).is_integer()
        return whole and self.low <= value <= self.high

    def coordinate(self, value: Value) -> float:
        """The natural coordinate of a value; a grid value gives its grid coordinate exactly.

        Rounding to whole units (2^4.5 is 23 units) would otherwise make a grid point miss its own coordinate.
        """
        if self.scale is Scale.CHOICE or isinstance(value, str):
            return float(self.choices.index(value))
        if self.scale is Scale.LOG10_OR_ZERO and value == 0:
            return self.bottom
        exact = self._transform(value)
        on_grid = self.nearest(exact)
        return on_grid if self.value(on_grid) == value else exact

    def rung_of(self, value: Value) -> float:
        """The grid coordinate nearest to a value.

        Raises:
            ValueError: If the value lies outside the range.
        """
        return self._rung_of(value)

    def value(self, coordinate: float) -> Value:
        """The value at a natural coordinate, to three significant digits where the scale is logarithmic."""
        if self.scale is Scale.CHOICE:
            return self.choices[min(max(round(coordinate), 0), len(self.choices) - 1)]
        if self.scale is Scale.LOG10_OR_ZERO and coordinate <= self.bottom:
            return 0.0
        return min(max(self._rounded_value(coordinate), self.low), self.high)  # rounding may leave the range

    def _rounded_value(self, coordinate: float) -> float | int:
        if self.scale is Scale.INTEGER:
            return round(coordinate)
        if self.scale is Scale.LOG2_INTEGER:
            return round(math.exp2(coordinate))
        if self.scale is Scale.LINEAR:
            return round(coordinate, _DECIMALS)
        return float(f"{10.0**coordinate:.3g}")

    def nearest(self, coordinate: float) -> float:
        """The grid coordinate nearest to a natural coordinate, inside the range."""
        return self._rung(min(max(round((coordinate - self.bottom) / self.step), 0), self._n_steps))

    def snap(self, value: Value) -> Value:
        """The grid value nearest to a value."""
        return self.value(self.nearest(self.coordinate(value)))

    def distribution(self) -> BaseDistribution:
        """The lever as an Optuna distribution that contains every grid value.

        A log scale with a zero rung has no numeric counterpart in Optuna, so it becomes its grid of choices.
        """
        from optuna import distributions as optuna_distributions  # keeps decision code free of Optuna

        if self.scale in _INTEGER_SCALES:
            log = self.scale is Scale.LOG2_INTEGER
            return optuna_distributions.IntDistribution(int(self.low), int(self.high), log=log)
        if self.scale in (Scale.LOG10_OR_ZERO, Scale.CHOICE):
            return optuna_distributions.CategoricalDistribution([self.value(c) for c in self.grid()])
        return optuna_distributions.FloatDistribution(self.low, self.high, log=self.scale is Scale.LOG10)

    def as_dict(self) -> dict[str, object]:
        """The lever as plain data, for a study's fingerprint; what only some levers have is left out of the others."""
        optional = ("choices", "active_if")
        return {name: value for name, value in asdict(self).items() if value or name not in optional}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Lever:
        """The lever behind its plain data."""
        role = None if data["role"] is None else Role(data["role"])
        choices = tuple(data.get("choices", ()))
        active_if = tuple((name, tuple(values)) for name, values in data.get("active_if", ()))
        typed = {"role": role, "scale": Scale(data["scale"]), "choices": choices, "active_if": active_if}
        return cls(**{**data, **typed})

    @cached_property
    def _n_steps(self) -> int:
        return math.floor(self.span / self.step + 1e-9)

    @cached_property  # thousands of trials share few values
    def _rung_of(self) -> Callable[[Value], float]:
        return functools.lru_cache(_MAX_KNOWN_VALUES)(self._nearest_rung)

    def __getstate__(self) -> dict[str, object]:
        return {each.name: getattr(self, each.name) for each in fields(self)}  # a copy makes its caches anew

    def _nearest_rung(self, value: Value) -> float:
        if not self.contains(value):
            raise ValueError(f"{value!r} lies outside the range of {self.name!r}.")
        return self.nearest(self.coordinate(value))

    def _rung(self, i: int) -> float:
        return round(self.bottom + i * self.step, _DECIMALS)

    def _transform(self, value: float) -> float:
        if self.scale is Scale.LOG2_INTEGER:
            return round(math.log2(value), _DECIMALS)
        if self.scale in (Scale.LOG10, Scale.LOG10_OR_ZERO):
            return round(math.log10(value), _DECIMALS)
        return round(float(value), _DECIMALS)


def choice(
    name: str,
    choices: Sequence[Value],
    role: Role | None = None,
    start: Value | None = None,
    active_if: tuple[tuple[str, tuple[Value, ...]], ...] = (),
) -> Lever:
    """A lever of choices, ascending where it has a role.

    Args:
        name: Optuna's parameter name.
        choices: At least two different values.
        role: What going up the choices means for the fit.
        start: Where the search starts; None for the first choice.
        active_if: As of `Lever`.

    Raises:
        ValueError: If there are fewer than two different choices, or `start` is none of them.
    """
    if len(set(choices)) < max(2, len(choices)):
        raise ValueError(f"`choices` must be at least two different values, got {list(choices)} ({name!r}).")
    first = choices[0] if start is None else start
    highest = len(choices) - 1
    return Lever(name, role, 0, highest, Scale.CHOICE, 1.0, first, 0.0, tuple(choices), active_if)


def shown(value: Value) -> str:
    """A value for people."""
    return f"{value:g}" if isinstance(value, float | int) and not isinstance(value, bool) else str(value)
