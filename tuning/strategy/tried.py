"""What a replay has tried so far, found by number, by point and by line: one more trial costs the same always."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from search_spaces import Point, SearchSpace
from tuning.strategy.ceiling import Blocked, Ceiling, ceiling_of
from tuning.strategy.configuration import Configuration


@dataclass
class Tried:
    """Configurations in the order in which they were tried.

    Args:
        space: Whose points they are.
        by_number: The configurations by the number of their first run.
        points: Their points.
    """

    space: SearchSpace
    by_number: dict[int, Configuration] = field(default_factory=dict)
    points: set[Point] = field(default_factory=set)
    _best: Configuration | None = None
    _ceiling: Ceiling | None = None
    _lines: dict[tuple[int, Point], tuple[Configuration, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, space: SearchSpace, configurations: Iterable[Configuration]) -> Tried:
        """Add them one after the other; the same one twice counts once."""
        tried = cls(space)
        for each in configurations:
            if each.number not in tried.by_number:
                tried.add(each)
        return tried

    def add(self, configuration: Configuration) -> None:
        """Add a configuration that was not there."""
        self.by_number[configuration.number] = configuration
        self.points.add(configuration.point)
        if self._best is None or configuration.loss < self._best.loss:
            self._best = configuration
        if configuration.outcome.is_too_large:
            self._ceiling = self.ceiling.lowered(configuration.point)
        for j in range(len(self.space.levers)):
            key = _line(j, configuration.point)
            self._lines[key] = (*self._lines.get(key, ()), configuration)

    def copy(self) -> Tried:
        """One that can be added to while this one stays."""
        return Tried(self.space, dict(self.by_number), set(self.points), self._best, self._ceiling, dict(self._lines))

    @property
    def best(self) -> Configuration:
        """The one with the lowest loss, the first of equals.

        Raises:
            ValueError: If nothing was tried.
        """
        if self._best is None:
            raise ValueError("Nothing was tried, so nothing is the best.")
        return self._best

    @property
    def ceiling(self) -> Ceiling:
        """What is too large."""
        return self._ceiling or ceiling_of(self.space, ())

    def blocked(self, taken: frozenset[Point]) -> Blocked:
        """What must not be proposed while these points are being tried."""
        return Blocked(self.points, self.ceiling, taken)

    def on_line(self, j: int, point: Point) -> Mapping[float, Configuration]:
        """Those that differ from a point in no lever but the `j`-th, by its coordinate."""
        return {each.point[j]: each for each in self._lines.get(_line(j, point), ())}


def _line(j: int, point: Point) -> tuple[int, Point]:
    return j, (*point[:j], *point[j + 1 :])
