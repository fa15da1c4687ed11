"""Phase 1, cross the border: raise capacity, without regularization, until the network surely overfits.

"To figure out where this border lies, first you must cross it" (Chollet, Deep Learning with Python, 4.5). The climb
starts from the space's own start and stops at the first network that fits its training set perfectly or overfits:
the back-off begins *just over* the border, because from there both kinds of lever are within reach, and training is
far cheaper than at the largest network.

The climb is a ladder. Levers whose names differ by a number only (`filters_0`, `filters_1`) rise together: by their
first step, then by two, by four, so that with a first step of a quarter the third rung is the top of the range. Then
the next kind of lever rises, the number of layers last. Where no rung may be tried, one lever rises by its first step.
After five networks the climb ends at the best one: a start far below the border (the explicit defaults of a
hypermodel, say) must not use up the budget. They are five whatever the budget is, so that a study that goes on with a
larger one has the trials that it would have had with that one from the beginning.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from search_spaces import Point, Role, SearchSpace
from tuning.strategy.ceiling import Blocked, ceiling_of
from tuning.strategy.configuration import Configuration
from tuning.strategy.diagnosis import FitState
from tuning.strategy.records import Outcome, TrialRecord

# So many networks the climb may train, its start included: room for the three rungs of the first kind of lever.
_MAX_CLIMB = 5

# Trials without a value are read no further; a long history of them must not be gone through each time.
_MAX_READ = 40

# In a space without capacity, as many trials without a value are enough to know that nothing can be trained.
_MAX_UNTRAINED = 10


@dataclass(frozen=True)
class Climb:
    """The next experiment of phase 1."""

    point: Point
    move: str
    why: str


@dataclass(frozen=True)
class Crossing:
    """Phase 1 is over: the back-off starts from `trial`, which was the `n_trials`-th one."""

    trial: Configuration
    n_trials: int
    why: str


@dataclass(frozen=True)
class Unreachable:
    """Phase 1 cannot begin: nothing could be trained."""

    why: str


def cross_border(
    trials: Sequence[Configuration], space: SearchSpace, pending: frozenset[Point] = frozenset()
) -> Climb | Crossing | Unreachable:
    """Where phase 1 stands after these finished trials (ascending numbers), while the pending points are running.

    The first trials that end the phase end it for good: what comes later cannot reopen it. A trial without a fit
    state (a study without train metrics) cannot show the border, so the start is taken for it. While the start itself
    runs, `assumed` stands for the answer.
    """
    if not trials:
        return Climb(space.start_point(), "start", "the first network should be big enough to overfit")
    for n in range(1, min(len(trials), _MAX_READ + 1)):
        step = _after(trials[:n], space, frozenset())
        if isinstance(step, Crossing):
            return step
    return (
        Unreachable("no configuration could be trained") if len(trials) > _MAX_READ else _after(trials, space, pending)
    )


def assumed(start: TrialRecord) -> Crossing:
    """Where phase 1 stands while nothing but its start runs: it was chosen to be over the border, so workers go on."""
    why = "the start, which another worker is training, is taken to be over the border"
    return Crossing(Configuration((start,)), 0, why)


def _crossing_reason(trial: Configuration) -> str:
    if trial.state is None:
        return "without train metrics the border cannot be seen, so the start is taken for it"
    return f"the network is over the border ({trial.state.replace('_', ' ')})"


def _after(
    trials: Sequence[Configuration], space: SearchSpace, pending: frozenset[Point]
) -> Climb | Crossing | Unreachable:
    """What follows from the last of these trials, none of which ended the phase before."""
    last = trials[-1]
    if last.outcome is Outcome.COMPLETE and (last.crossed_border or last.state is None):
        return Crossing(last, len(trials), _crossing_reason(last))
    visited = Blocked({trial.point for trial in trials} | pending, ceiling_of(space, trials))
    trained = _trained(trials)
    is_over = len(trained) >= _MAX_CLIMB
    climb = None if is_over else _climb(last, trained, space, visited)
    if climb:
        return climb
    if trained:
        why = (
            f"none of {_MAX_CLIMB} networks has overfitted: back off from the best one"
            if is_over
            else _end_reason(last)
        )
        return Crossing(min(trained, key=lambda trial: trial.loss), len(trials), why)
    return _without_any_value(last, space, visited, len(trials))


def _climb(
    last: Configuration, trained: Sequence[Configuration], space: SearchSpace, visited: Container[Point]
) -> Climb | None:
    """The experiment that the last trial's fit asks for, if it says anything and there is one."""
    if last.outcome is Outcome.DIVERGED or last.state is FitState.DIVERGED:
        lower = shifted(_unregularized(last.point, space), space, Role.NUISANCE, -1, visited)
        return Climb(lower, "lower learning rate", "it diverged: the learning rate is too high") if lower else None
    higher = _larger(last, trained, space, visited) if last.outcome is Outcome.COMPLETE else None
    return Climb(higher, "raise capacity", _climb_reason(last)) if higher else None


def _without_any_value(
    last: Configuration, space: SearchSpace, visited: Container[Point], n_tried: int
) -> Climb | Unreachable:
    """Nothing could be trained so far: a smaller network, or without levers of capacity another configuration."""
    smaller = _smaller(_unregularized(last.point, space), space, visited)
    if smaller:
        return Climb(smaller, "lower capacity", f"{_without_value(last)}: a smaller network may give one")
    has_capacity = bool(space.indices(Role.CAPACITY))
    other = None if has_capacity or n_tried >= _MAX_UNTRAINED else _other(space, visited)
    if other:
        return Climb(other, "another configuration", f"{_without_value(last)}: another configuration may give one")
    return Unreachable("no configuration could be trained")


def _larger(
    last: Configuration, trained: Sequence[Configuration], space: SearchSpace, visited: Container[Point]
) -> Point | None:
    """The next rung of the ladder, else one lever by its first step; larger than all that is known to lie below."""
    at = _unregularized(last.point, space)
    below = [trial.point for trial in trained if trial.point == _unregularized(trial.point, space)]
    for point in (*_rungs(at, trained[0].point, space), *_shifts(at, space, Role.CAPACITY, +1)):
        if point != at and point not in visited and not any(_is_within(point, known, space) for known in below):
            return point
    return None


def _rungs(at: Point, foot: Point, space: SearchSpace) -> Iterator[Point]:
    """The ladder from its foot up to the largest network, group by group; what is larger already stays as it is."""
    raised = list(at)
    for group in space.groups(Role.CAPACITY):
        levers = {j: space.levers[j] for j in group}
        for n_steps in _first_steps(max(lever.span / lever.first_step for lever in levers.values())):
            for j, lever in levers.items():
                raised[j] = max(raised[j], lever.nearest(foot[j] + n_steps * lever.first_step))
            yield space.canonical(tuple(raised))


def _first_steps(n_most: float) -> Iterator[int]:
    """How many first steps each rung is above the foot: 1, 3, 7, ... until there is no more room."""
    n_steps = 1
    yield n_steps
    while n_steps < n_most:
        n_steps = 2 * n_steps + 1
        yield n_steps


def _is_within(point: Point, other: Point, space: SearchSpace) -> bool:
    """Whether a network has no more of any lever of capacity than another one."""
    return all(point[j] <= other[j] for j in space.indices(Role.CAPACITY))


def _smaller(point: Point, space: SearchSpace, visited: Container[Point]) -> Point | None:
    """The next smaller network that is not known to be too large, of the first capacity lever that has one."""
    for j in space.indices(Role.CAPACITY):
        lever, x = space.levers[j], point[j]
        while (lower := lever.nearest(x - lever.first_step)) < x:
            x = lower
            candidate = (*point[:j], x, *point[j + 1 :])
            if candidate not in visited:
                return candidate
    return None


def _other(space: SearchSpace, visited: Container[Point]) -> Point | None:
    """The next neighbour of the start: what fails may depend on any lever, on a choice without a role first of all."""
    start = space.start_point()
    for role in (None, Role.NUISANCE, Role.REGULARIZATION):
        for j, lever in enumerate(space.levers):
            for x in (lever.nearest(start[j] - lever.first_step), lever.nearest(start[j] + lever.first_step)):
                candidate = space.canonical((*start[:j], x, *start[j + 1 :]))
                if lever.role is role and candidate not in visited:
                    return candidate
    return None


def _trained(trials: Sequence[Configuration]) -> list[Configuration]:
    return [t for t in trials if t.outcome is Outcome.COMPLETE and t.state is not FitState.DIVERGED]


def _unregularized(point: Point, space: SearchSpace) -> Point:
    """The point as unregularized as the start: an enqueued trial may have been something else."""
    regularization, start = space.indices(Role.REGULARIZATION), space.start_point()
    return space.canonical(tuple(start[j] if j in regularization else x for j, x in enumerate(point)))


def _end_reason(last: Configuration) -> str:
    if last.outcome is Outcome.COMPLETE and last.state is not FitState.DIVERGED:
        return "no bigger network can be tried, so the best one is the start"
    return f"the bigger network gave {_without_value(last)}, so the best one is the start"


def _without_value(last: Configuration) -> str:
    outcome = Outcome.DIVERGED if last.outcome is Outcome.COMPLETE else last.outcome
    return f"no value ({outcome.replace('_', ' ')})"


def _climb_reason(trial: Configuration) -> str:
    state = "unknown" if trial.state is None else trial.state.replace("_", " ")
    return f"the network does not overfit yet ({state}): raise capacity before any regularization"


def shifted(point: Point, space: SearchSpace, role: Role, sign: int, visited: Container[Point]) -> Point | None:
    """The point one first step further on the first lever of a role that has room; None if none has."""
    return next((each for each in _shifts(point, space, role, sign) if each not in visited), None)


def _shifts(point: Point, space: SearchSpace, role: Role, sign: int) -> Iterator[Point]:
    """The points one first step further on each lever of a role that has room."""
    for j in space.indices(role):
        lever = space.levers[j]
        moved = lever.nearest(point[j] + sign * lever.first_step)
        candidate = space.canonical((*point[:j], moved, *point[j + 1 :]))
        if candidate != point:
            yield candidate
