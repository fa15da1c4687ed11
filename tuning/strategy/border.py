"""Phase 1, cross the border: raise capacity, without regularization, until the network surely overfits.

"To figure out where this border lies, first you must cross it" (Chollet, Deep Learning with Python, 4.5). The climb
starts from the space's own start and stops at the first network that fits its training set perfectly or overfits:
the back-off begins *just over* the border, because from there both kinds of lever are within reach, and training is
far cheaper than at the largest network.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

from search_spaces import Point, Role, SearchSpace
from tuning.strategy.ceiling import Blocked, ceiling_of
from tuning.strategy.configuration import Configuration
from tuning.strategy.diagnosis import FitState
from tuning.strategy.records import Outcome, TrialRecord

# No climb of our own is nearly as long; a long history of another sampler's trials must not be climbed again each time.
_MAX_TRIALS = 40

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
    for n in range(1, min(len(trials), _MAX_TRIALS + 1)):
        step = _after(trials[:n], space, frozenset())
        if isinstance(step, Crossing):
            return step
    if len(trials) <= _MAX_TRIALS:
        return _after(trials, space, pending)
    trained = _trained(trials[:_MAX_TRIALS])
    if not trained:
        return Unreachable("no configuration could be trained")
    return Crossing(min(trained, key=lambda trial: trial.loss), _MAX_TRIALS, "no network has overfitted so far")


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
    at = _unregularized(last.point, space)
    if last.outcome is Outcome.DIVERGED or last.state is FitState.DIVERGED:
        lower = shifted(at, space, Role.NUISANCE, -1, visited)
        if lower:
            return Climb(lower, "lower learning rate", "it diverged: the learning rate is too high")
    elif last.outcome is Outcome.COMPLETE:
        higher = shifted(at, space, Role.CAPACITY, +1, visited)
        if higher:
            return Climb(higher, "raise capacity", _climb_reason(last))
    trained = _trained(trials)
    if trained:
        return Crossing(min(trained, key=lambda trial: trial.loss), len(trials), _end_reason(last))
    smaller = _smaller(at, space, visited)
    if smaller:
        return Climb(smaller, "lower capacity", f"{_without_value(last)}: a smaller network may give one")
    has_capacity = bool(space.indices(Role.CAPACITY))
    other = None if has_capacity or len(trials) >= _MAX_UNTRAINED else _other(space, visited)
    if other:
        return Climb(other, "another configuration", f"{_without_value(last)}: another configuration may give one")
    return Unreachable("no configuration could be trained")


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
    for j in space.indices(role):
        lever = space.levers[j]
        moved = lever.nearest(point[j] + sign * lever.first_step)
        candidate = space.canonical((*point[:j], moved, *point[j + 1 :]))
        if candidate != point and candidate not in visited:
            return candidate
    return None
