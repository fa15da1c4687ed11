"""Shrink: the smallest network that is not worse than the best one by a stated margin. Reported, never shipped.

A network is *not worse* where the upper end of the one-sided 90 % interval of its loss's difference lies below the
margin: a test of non-inferiority, because a smaller network need not be better to be preferred. From the best one each
capacity lever is lowered by its first step (half the units, one layer less) for as long as that holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from search_spaces import Point, Role, SearchSpace
from tuning.strategy.configuration import Configuration
from tuning.strategy.racing import Race
from tuning.strategy.reaction import paired_stderr
from tuning.strategy.records import Outcome

_Z = 1.2816  # upper end of the one-sided 90 % interval, in standard errors


@dataclass(frozen=True)
class Smaller:
    """A smaller network that is not worse; `worst` is the upper end of the interval of what it loses."""

    configuration: Configuration
    worst: float


def smallest(
    space: SearchSpace, found: Sequence[Configuration], best: Configuration, race: Race, margin: float
) -> Smaller | None:
    """The smallest configuration that is not worse than the best by the margin (a loss); None if none is smaller."""
    fitting = (Smaller(each, _worst(best, each, race)) for each in found if _is_smaller(space, each.point, best.point))
    proven = [each for each in fitting if each.worst < margin]
    return min(proven, key=lambda each: (size(space, each.configuration.point), each.configuration.loss), default=None)


def next_smaller(
    space: SearchSpace, found: Sequence[Configuration], base: Configuration, pending: frozenset[Point]
) -> Point | None:
    """The next untried network with one capacity lever lowered from the smallest proven one; None if none is left."""
    blocked = {each.point for each in found} | pending
    return next((point for point in _lowered(space, base.point) if point not in blocked), None)


def size(space: SearchSpace, point: Point) -> float:
    """How many first steps of capacity a point stands above the smallest network."""
    levers = ((space.levers[j], point[j]) for j in space.indices(Role.CAPACITY))
    return sum((x - lever.bottom) / lever.first_step for lever, x in levers)


def _lowered(space: SearchSpace, at: Point) -> Iterator[Point]:
    for j in space.indices(Role.CAPACITY):
        lever = space.levers[j]
        lower = lever.nearest(at[j] - lever.first_step)
        if lower != at[j]:
            yield space.canonical((*at[:j], lower, *at[j + 1 :]))


def _is_smaller(space: SearchSpace, point: Point, best: Point) -> bool:
    """Lower on a capacity lever and higher on none."""
    changes = [point[j] - best[j] for j in space.indices(Role.CAPACITY)]
    return max(changes, default=0.0) <= 0 and min(changes, default=0.0) < 0


def _worst(best: Configuration, smaller: Configuration, race: Race) -> float:
    if smaller.outcome is not Outcome.COMPLETE:
        return float("inf")
    response = race.measure(best, smaller)
    return -response.improvement + _Z * paired_stderr(best, smaller, race.noise, response.n_seeds)
