"""Which experiments are possible from the incumbent: the next poll, the pattern move, the coupled move, the vertex."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from search_spaces import Point, Role, SearchSpace
from tuning.strategy.backoff import BackOff, first_sign, lever_order
from tuning.strategy.border import shifted
from tuning.strategy.ceiling import Blocked
from tuning.strategy.diagnosis import FitState
from tuning.strategy.reaction import vertex
from tuning.strategy.records import Outcome

SecsOf = Callable[[Sequence[Point]], Sequence[float]]


@dataclass(frozen=True)
class Proposal:
    """One possible experiment from the incumbent.

    Args:
        point: What to try.
        move: The kind of experiment.
        why: A clause.
        gain: What a model expects of it, in standard deviations of a run's noise; infinite where none was asked.
    """

    point: Point
    move: str
    why: str
    gain: float = math.inf


def next_experiment(state: BackOff, taken: frozenset[Point], secs_of: SecsOf | None = None) -> Proposal | None:
    """The next experiment, starting new cycles as needed; None when nothing is left to try.

    Args:
        state: The replayed state; cycles are started in place, which is what a replay has to repeat.
        taken: Points of running trials, which are not proposed again.
        secs_of: Seconds of a training at each of some points; with it a poll is chosen by its gain per second.
    """
    blocked = state.blocked(taken)
    if slower := _after_divergence(state, blocked):
        return slower
    proposal = _first(state, taken, secs_of) or next(_between_cycles(state, blocked), None)
    if proposal is None:
        state.start_cycle()
        proposal = _first(state, taken, secs_of)
    return proposal


def without_role(state: BackOff, taken: frozenset[Point]) -> Proposal | None:
    """A first step of a lever without a role, for a model that needs two values before it can say anything."""
    space, at, blocked = state.space, state.incumbent.point, state.blocked(taken)
    levers = [(j, lever) for j, lever in enumerate(space.levers) if lever.role is None and space.is_active(j, at)]
    for (j, lever), sign in itertools.product(levers, (1, -1)):
        point = space.canonical(_with(at, j, lever.nearest(at[j] + sign * lever.first_step)))
        if point != at and point not in blocked:
            return Proposal(point, "try", f"{lever.name} has no role, and the model needs two values to begin with")
    return None


def _after_divergence(state: BackOff, blocked: Blocked) -> Proposal | None:
    """What just diverged, once more with a lower learning rate; None where it was lowered already."""
    last, space = state.last, state.space
    if last is None or Outcome.DIVERGED is not last.trial.outcome and FitState.DIVERGED is not last.trial.state:
        return None
    if any(last.trial.point[j] != last.base.point[j] for j in space.indices(Role.NUISANCE)):
        return None
    lower = shifted(last.trial.point, space, Role.NUISANCE, -1, blocked)
    return Proposal(lower, "lower learning rate", "the same with a lower learning rate") if lower else None


def _first(state: BackOff, taken: frozenset[Point], secs_of: SecsOf | None) -> Proposal | None:
    if secs_of is None:
        return next(_in_cycle(state, taken), None)
    return _most_per_second(state, _in_cycle(state, taken), secs_of)


def _most_per_second(state: BackOff, proposals: Iterator[Proposal], secs_of: SecsOf) -> Proposal | None:
    """Of every lever's first proposal the one with the largest gain per second, the first of equals.

    Costs count in whole octaves, so that among what costs about the same, or less, the diagnosis's order holds; a lever
    that gained is expected to gain as much again.
    """
    at, first = state.incumbent.point, dict[int, Proposal]()
    for proposal in proposals:
        lever = state.space.moved(at, proposal.point)
        if lever is not None:
            first.setdefault(lever, proposal)
    if len(first) < 2:
        return next(iter(first.values()), None)
    now_secs, *secs = secs_of([at, *(proposal.point for proposal in first.values())])
    octaves = [max(0, math.floor(math.log2(each / now_secs))) for each in secs]
    values = {j: state.levers[j].gain_z / 2**cost for j, cost in zip(first, octaves, strict=True)}
    return first[max(values, key=lambda j: values[j])]


def _in_cycle(state: BackOff, taken: frozenset[Point]) -> Iterator[Proposal]:
    """The polls of a cycle; of several workers each takes another lever, then the other directions: 2d in parallel."""
    blocked, running = state.blocked(taken), _running(state.space, state.incumbent.point, taken)
    if state.focus is not None and not running & {(state.focus, 1), (state.focus, -1)}:
        yield from _poll(state, state.focus, blocked, running, "keep going")
    order = lever_order(state.space, state.incumbent.state)
    for j in sorted(order, key=lambda j: len(running & {(j, 1), (j, -1)})):
        if not state.levers[j].resting and state.space.is_active(j, state.incumbent.point):
            yield from _poll(state, j, blocked, running, "poll")


def _running(space: SearchSpace, at: Point, taken: frozenset[Point]) -> set[tuple[int, int]]:
    """Lever and direction of the polls from here that other workers run."""
    levers = ((space.moved(at, point), point) for point in taken)
    return {(j, 1 if point[j] > at[j] else -1) for j, point in levers if j is not None}


def _poll(state: BackOff, j: int, blocked: Blocked, running: set[tuple[int, int]], move: str) -> Iterator[Proposal]:
    """The lever's next step in its own direction, then the other; shorter where the point is known already."""
    memory, role = state.levers[j], state.space.levers[j].role
    sign = memory.sign or first_sign(role, state.incumbent.state, state.is_regularized())
    if {1, -1} <= memory.lost:
        yield from _vertex(state, j, blocked)
        return
    for direction in sorted((sign, -sign), key=lambda direction: (j, direction) in running):
        if direction not in memory.lost:
            yield from _steps(state, j, direction, blocked, move)


def _steps(state: BackOff, j: int, direction: int, blocked: Blocked, move: str) -> Iterator[Proposal]:
    lever, at = state.space.levers[j], state.incumbent.point
    length = _length(state, j, direction)
    while length >= lever.step / 2:
        point = state.space.canonical(_with(at, j, lever.nearest(at[j] + direction * length)))
        if point != at and point not in blocked:
            yield Proposal(point, move, _poll_reason(state, j, direction))
        length /= 2


def _length(state: BackOff, j: int, direction: int) -> float:
    """Of the next step; once a lever has moved, at most half the way to the edge: what lies there is extreme."""
    memory, lever, at = state.levers[j], state.space.levers[j], state.incumbent.point[j]
    left = lever.top - at if direction > 0 else at - lever.bottom
    return memory.step if memory.sign == 0 else min(memory.step, max(left / 2, lever.step))


def _vertex(state: BackOff, j: int, blocked: Blocked) -> Iterator[Proposal]:
    """Bracketed: the parabola through the incumbent and its nearest known neighbours on this lever."""
    at = state.incumbent.point
    known = state.tried.on_line(j, at)
    losses = {x: trial.loss for x, trial in known.items() if trial.outcome is not Outcome.FAILED}
    left = max((x for x in losses if x < at[j]), default=None)
    right = min((x for x in losses if x > at[j]), default=None)
    if left is None or right is None or losses[at[j]] > min(losses[left], losses[right]):
        return
    best = vertex((left, losses[left]), (at[j], losses[at[j]]), (right, losses[right]))
    point = state.space.canonical(_with(at, j, state.space.levers[j].nearest(best)))
    if point not in blocked:
        name = state.space.levers[j].name
        yield Proposal(
            point, "vertex", f"{name} is bracketed: go to the vertex of the parabola through its three points"
        )


def _between_cycles(state: BackOff, blocked: Blocked) -> Iterator[Proposal]:
    """After a cycle: the sum of what worked, and more regularization together with more capacity."""
    if state.n_accepted >= 2:
        point = _pattern_point(state)
        if point not in blocked:
            yield Proposal(point, "pattern", "the sum of the steps that worked in this cycle, once more")
    if state.n_accepted and state.is_regularized():
        yield from _coupled(state, blocked)


def _pattern_point(state: BackOff) -> Point:
    """One more step on every lever that gained in this cycle and has not turned round since."""
    at = list(state.incumbent.point)
    for j, (memory, x0) in enumerate(zip(state.levers, state.cycle_start, strict=True)):
        if memory.sign * (at[j] - x0) > 0:
            at[j] += memory.sign * _length(state, j, memory.sign)
    return state.space.snap(tuple(at))


def _coupled(state: BackOff, blocked: Blocked) -> Iterator[Proposal]:
    """Raise the first lever of each kind together (Srivastava et al. 2014: keep the active units constant)."""
    space, at = state.space, state.incumbent.point
    point, n_moved = at, 0
    for role in (Role.REGULARIZATION, Role.CAPACITY):
        for j in [j for j in space.indices(role) if space.is_active(j, at)][:1]:
            lever = space.levers[j]
            point = _with(point, j, lever.nearest(at[j] + max(lever.first_step / 2, lever.step)))
            n_moved += point[j] != at[j]
    point = space.canonical(point)
    if n_moved == 2 and point not in blocked:
        yield Proposal(point, "coupled", "more regularization together with more capacity")


def _poll_reason(state: BackOff, j: int, direction: int) -> str:
    lever = state.space.levers[j]
    if lever.role is Role.NUISANCE:
        return f"is the {lever.name} right here"
    more = "more" if direction > 0 else "less"
    return f"{more} {lever.role} by {lever.name}"


def _with(point: Point, j: int, x: float) -> Point:
    return (*point[:j], x, *point[j + 1 :])
