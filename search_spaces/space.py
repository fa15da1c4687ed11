"""A search space: ordered levers, and the way between Optuna's parameters and points in natural coordinates.

>>> from search_spaces import mlp_space
>>> space = mlp_space()
>>> space.params((8.0, 2.0, 0.2, -4.5, 0.0))
{'units': 256, 'layers': 2, 'dropout': 0.2, 'l2': 3.16e-05, 'learning_rate_scale': 1.0}
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from search_spaces.lever import Lever, Role, Value

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Params = dict[str, Value]
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
        ValueError: If there is no lever, two share a name, or one depends on a lever that does not stand before it.
    """

    name: str
    levers: tuple[Lever, ...]

    def __post_init__(self) -> None:
        names = [lever.name for lever in self.levers]
        if not names:
            raise ValueError(f"A search space needs at least one lever, got none for {self.name!r}.")
        if len(set(names)) < len(names):
            raise ValueError(f"Lever names must be unique, got {names} for {self.name!r}.")
        for i, lever in enumerate(self.levers):
            if unknown := {parent for parent, _ in lever.active_if} - set(names[:i]):
                raise ValueError(f"{lever.name!r} must depend on levers that stand before it, got {sorted(unknown)}.")

    def indices(self, role: Role) -> tuple[int, ...]:
        """Positions of the levers of one role."""
        return self._by_role[role]

    def groups(self, role: Role) -> tuple[tuple[int, ...], ...]:
        """Positions of the levers of one role, those together whose names differ by a number only, in order.

        Groups on which other levers of the role depend, such as the number of layers, come last.

        >>> from search_spaces import mlp_space
        >>> mlp_space().groups(Role.CAPACITY)  # units, layers
        ((0,), (1,))
        """
        by_name: dict[str, list[int]] = {}
        for j in self.indices(role):
            by_name.setdefault(re.sub(r"\d+", "", self.levers[j].name), []).append(j)
        parents = {parent for j in self.indices(role) for parent, _ in self.levers[j].active_if}
        groups = map(tuple, by_name.values())
        return tuple(sorted(groups, key=lambda group: any(self.levers[j].name in parents for j in group)))

    def start(self) -> Params:
        """The configuration from which a search starts."""
        return self.params(self.start_point())

    def start_point(self) -> Point:
        """The start in natural coordinates, on the grid."""
        return self.snap(tuple(lever.coordinate(lever.start) for lever in self.levers))

    def point(self, params: Mapping[str, Value]) -> Point:
        """The natural coordinates of a configuration.

        Raises:
            ValueError: If a lever is missing from `params` or a value lies outside its range.
        """
        for lever in self.levers:
            if lever.name not in params:
                raise ValueError(f"Lever {lever.name!r} is missing, got only {sorted(params)}.")
            if not lever.contains(params[lever.name]):
                bounds = list(lever.choices) or f"[{lever.low}, {lever.high}]"
                raise ValueError(f"`{lever.name}` must be in {bounds}, got {params[lever.name]}.")
        return tuple(lever.coordinate(params[lever.name]) for lever in self.levers)

    def nearest_point(self, params: Mapping[str, Value]) -> Point:
        """The grid point nearest to a configuration; canonical.

        Raises:
            ValueError: If a lever is missing from `params` or a value lies outside its range.
        """
        try:
            rungs = [lever.rung_of(params[lever.name]) for lever in self.levers]
        except (KeyError, ValueError):
            return self.snap(self.point(params))  # which says what is wrong
        return self.canonical(tuple(rungs))

    def params(self, point: Point) -> Params:
        """The configuration at a point in natural coordinates."""
        return {lever.name: lever.value(x) for lever, x in zip(self.levers, point, strict=True)}

    def snap(self, point: Point) -> Point:
        """The grid point nearest to a point, inside the space; canonical."""
        return self.canonical(tuple(lever.nearest(x) for lever, x in zip(self.levers, point, strict=True)))

    def is_active(self, j: int, point: Point) -> bool:
        """Whether a lever does anything at a point: `active_if` holds, also for the levers that it names."""
        for parent, values in self.levers[j].active_if:
            i = self._position[parent]
            if self.levers[i].value(point[i]) not in values or not self.is_active(i, point):
                return False
        return True

    def canonical(self, point: Point) -> Point:
        """The point with every lever that does nothing there at its start: the same network is one point."""
        if not self._has_conditions:
            return point
        return tuple(
            x if self.is_active(j, point) else lever.rung_of(lever.start)
            for j, (lever, x) in enumerate(zip(self.levers, point, strict=True))
        )

    def moved(self, before: Point, after: Point) -> int | None:
        """The one lever in which two points differ; None if it is not exactly one.

        A lever that does nothing at one of the two points does not count: it came or went with another one.
        """
        differing = (j for j, (a, b) in enumerate(zip(before, after, strict=True)) if a != b)
        moved = [j for j in differing if self.is_active(j, before) and self.is_active(j, after)]
        return moved[0] if len(moved) == 1 else None

    def moved_without_role(self, before: Point, after: Point) -> bool:
        """Whether two points differ, and in levers without a role alone."""
        roles = [lever.role for lever, a, b in zip(self.levers, before, after, strict=True) if a != b]
        return bool(roles) and not any(roles)

    @cached_property  # a replay of thousands of trials asks for them in each step
    def _by_role(self) -> dict[Role, tuple[int, ...]]:
        return {role: tuple(i for i, lever in enumerate(self.levers) if lever.role is role) for role in Role}

    @cached_property
    def _position(self) -> dict[str, int]:
        return {lever.name: j for j, lever in enumerate(self.levers)}

    @cached_property
    def _has_conditions(self) -> bool:
        return any(lever.active_if for lever in self.levers)

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

    @classmethod
    def from_fingerprint(cls, data: Mapping[str, Any]) -> SearchSpace:
        """The space behind its fingerprint."""
        return cls(data["name"], tuple(Lever.from_dict(lever) for lever in data["levers"]))

    def with_roles(self, roles: Mapping[str, Role | None]) -> SearchSpace:
        """The space with other roles of some levers.

        Raises:
            ValueError: If a name is no lever's.
        """
        names = [lever.name for lever in self.levers]
        if unknown := sorted(roles.keys() - set(names)):
            raise ValueError(f"there is no lever {unknown[0]!r}; known: {', '.join(names)}")
        levers = (replace(each, role=roles.get(each.name, each.role)) for each in self.levers)
        return replace(self, levers=tuple(levers))
