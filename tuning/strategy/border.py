"""Phase 1, cross the border: raise capacity, without regularization, until the network surely overfits.

"To figure out where this border lies, first you must cross it" (Chollet, Deep Learning with Python, 4.5). The climb
starts from the space's own start and stops at the first network that fits its training set perfectly or overfits:
the back-off begins *just over* the border, because from there both kinds of lever are within reach, and training is
far cheaper than at the largest network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from search_spaces import Point, Role, SearchSpace
from tuning.strategy.diagnosis import FitState
from tuning.strategy.history import Outcome, TrialRecord


@dataclass(frozen=True)
class Climb:
    """The next experiment of phase 1."""

    point: Point
    move: str
    why: str


@dataclass(frozen=True)
class Crossing:
    """Phase 1 is over: the back-off starts from `trial`, which was the `n_trials`-th one."""

    trial: TrialRecord
    n_trials: int
    why: str


@dataclass(frozen=True)
class Unreachable:
    """Phase 1 cannot begin: nothing could be trained."""

    why: str


def cross_border(
    trials: Sequence[TrialRecord], space: SearchSpace, pending: frozenset[Point] = frozenset()
) -> Climb | Crossing | Unreachable:
    """Where phase 1 stands after these finished trials (ascending numbers), while the pending points are running.

    A trial without a fit state (a study without train metrics) cannot show the border, so the start is taken for it.
    """
    if not trials:
        return _start(space, pending)
    for i, trial in enumerate(trials):
        if trial.outcome is Outcome.COMPLETE and (trial.crossed_border or trial.state is None):
            return Crossing(trial, i + 1, _crossing_reason(trial))
    return _after(trials, space, {trial.point for trial in trials} | pending)


def _start(space: SearchSpace, pending: frozenset[Point]) -> Climb | Unreachable:
    """The start, or where other workers hold it already, the next bigger network that nobody holds."""
    point = space.start_point()
    if point not in pending:
        return Climb(point, "start", "the first network should be big enough to overfit")
    while point in pending:
        bigger = shifted(point, space, Role.CAPACITY, +1, set())
        if bigger is None:
            return Unreachable("every bigger network is being tried by another worker")
        point = bigger
    return Climb(point, "raise capacity", "the start is being tried by another worker: try the next bigger network")


def _crossing_reason(trial: TrialRecord) -> str:
    if trial.state is None:
        return "without train metrics the border cannot be seen, so the start is taken for it"
    return f"the network is over the border ({trial.state.replace('_', ' ')})"


def _after(trials: Sequence[TrialRecord], space: SearchSpace, visited: set[Point]) -> Climb | Crossing | Unreachable:
    last = trials[-1]
    complete = [trial for trial in trials if trial.outcome is Outcome.COMPLETE]
    if last.outcome is Outcome.DIVERGED or last.state is FitState.DIVERGED:
        lower = shifted(last.point, space, Role.NUISANCE, -1, visited)
        if lower:
            return Climb(lower, "lower learning rate", "it diverged: the learning rate is too high")
    if last.outcome is Outcome.COMPLETE and last.state is not FitState.DIVERGED:
        higher = shifted(last.point, space, Role.CAPACITY, +1, visited)
        if higher:
            return Climb(higher, "raise capacity", _climb_reason(last))
    if complete:
        best = min(complete, key=lambda trial: trial.loss)
        return Crossing(best, len(trials), "no bigger network can be tried, so the best one is the start")
    smaller = shifted(last.point, space, Role.CAPACITY, -1, visited)
    if smaller:
        why = f"no value ({last.outcome.replace('_', ' ')}): a smaller network may give one"
        return Climb(smaller, "lower capacity", why)
    return Unreachable("no configuration could be trained")


def _climb_reason(trial: TrialRecord) -> str:
    state = "unknown" if trial.state is None else trial.state.replace("_", " ")
    return f"the network does not overfit yet ({state}): raise capacity before any regularization"


def shifted(point: Point, space: SearchSpace, role: Role, sign: int, visited: set[Point]) -> Point | None:
    """The point one first step further on the first lever of a role that has room; None if none has."""
    for j in space.indices(role):
        lever = space.levers[j]
        moved = lever.nearest(point[j] + sign * lever.first_step)
        candidate = (*point[:j], moved, *point[j + 1 :])
        if moved != point[j] and candidate not in visited:
            return candidate
    return None
