"""A ceiling for capacity: what was too large once is too large with more of everything.

A network that ran out of memory or time, or that was refused as infeasible, says so of every network that has at least
as much of each capacity lever; none of those is tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass

from search_spaces import Point, Role, SearchSpace
from tuning.strategy.configuration import Configuration


@dataclass(frozen=True)
class Ceiling:
    """The points that are too large; `point in ceiling` asks.

    Args:
        levers: Numbers of the capacity levers.
        tops: Their coordinates in the networks that were too large, without those that have as much of everything as
            another one.
    """

    levers: tuple[int, ...]
    tops: frozenset[tuple[float, ...]]

    def __contains__(self, point: object) -> bool:
        return isinstance(point, tuple) and any(
            all(point[j] >= x for j, x in zip(self.levers, top, strict=True)) for top in self.tops
        )

    def lowered(self, point: Point) -> Ceiling:
        """The ceiling after this point, too, was too large."""
        if not self.levers or point in self:
            return self
        new = tuple(point[j] for j in self.levers)
        kept = (top for top in self.tops if not all(x >= y for x, y in zip(top, new, strict=True)))
        return Ceiling(self.levers, frozenset((*kept, new)))


@dataclass(frozen=True)
class Blocked:
    """What must not be proposed: points that were tried or are being tried (taken), and what lies above the ceiling."""

    points: Set[Point]
    ceiling: Ceiling
    taken: Set[Point] = frozenset()

    def __contains__(self, point: object) -> bool:
        return point in self.points or point in self.taken or point in self.ceiling


def ceiling_of(space: SearchSpace, found: Iterable[Configuration]) -> Ceiling:
    """The ceiling that these configurations show; without capacity levers there is none."""
    ceiling = Ceiling(space.indices(Role.CAPACITY), frozenset())
    for point in [each.point for each in found if not each.has_value and each.outcome.is_too_large]:
        ceiling = ceiling.lowered(point)
    return ceiling
