"""A search space: ordered levers, and the way between Optuna's parameters and points in natural coordinates.

>>> from search_spaces import mlp_space
>>> space = mlp_space()
>>> space.params((8.0, 2.0, 0.2, -4.5, 0.0))
{'units': 256, 'layers': 2, 'dropout': 0.2, 'l2': 3.16e-05, 'learning_rate_scale': 1.0}
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from search_spaces.lever import Lever, Role

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Params = dict[str, float | int]
"""A configuration in Optuna's words: parameter name to value."""

Point = tuple[float, ...]
"""A configuration in natural coordinates, in the order of the levers."""


@dataclass(frozen=True)
class SearchSpace:
    """Ordered levers; the order breaks ties when the strategy chooses the next lever.

    Args:
        name: What the space is called in a study's fingerprint.
        levers: At least one lever, names unique.

    Raises:
        ValueError: If there is no lever or two share a name.
    """

    name: str
    levers: tuple[Lever, ...]

    def __post_init__(self) -> None:
        names = [lever.name for lever in self.levers]
        if not names:
            raise ValueError(f"A search space needs at least one lever, got none for {self.name!r}.")
        if len(set(names)) < len(names):
            raise ValueError(f"Lever names must be unique, got {names} for {self.name!r}.")

    def indices(self, role: Role) -> tuple[int, ...]:
        """Positions of the levers of one role."""
        return tuple(i for i, lever in enumerate(self.levers) if lever.role is role)

    def start(self) -> Params:
        """The configuration from which a search starts."""
        return self.params(self.start_point())

    def start_point(self) -> Point:
        """The start in natural coordinates, on the grid."""
        return self.snap(tuple(lever.coordinate(lever.start) for lever in self.levers))

    def point(self, params: Mapping[str, float | int]) -> Point:
        """The natural coordinates of a configuration.

        Raises:
            ValueError: If a lever is missing from `params` or a value lies outside its range.
        """
        for lever in self.levers:
            if lever.name not in params:
                raise ValueError(f"Lever {lever.name!r} is missing, got only {sorted(params)}.")
            if not lever.contains(params[lever.name]):
                bounds = f"[{lever.low}, {lever.high}]"
                raise ValueError(f"`{lever.name}` must be in {bounds}, got {params[lever.name]}.")
        return tuple(lever.coordinate(params[lever.name]) for lever in self.levers)

    def params(self, point: Point) -> Params:
        """The configuration at a point in natural coordinates."""
        return {lever.name: lever.value(x) for lever, x in zip(self.levers, point, strict=True)}

    def snap(self, point: Point) -> Point:
        """The grid point nearest to a point, inside the space."""
        return tuple(lever.nearest(x) for lever, x in zip(self.levers, point, strict=True))

    @property
    def n_configurations(self) -> int:
        """How many grid points the space has."""
        return math.prod(len(lever.grid()) for lever in self.levers)

    def distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's distribution of every lever, by name."""
        return {lever.name: lever.distribution() for lever in self.levers}

    def fingerprint(self) -> dict[str, object]:
        """The space as plain data: two studies share a space if and only if these are equal."""
        return {"name": self.name, "levers": [lever.as_dict() for lever in self.levers]}
