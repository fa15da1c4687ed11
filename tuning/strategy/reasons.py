"""A decision in words and numbers: what the last experiment showed, and what follows. It names no trial numbers."""

from __future__ import annotations

from search_spaces import Point, SearchSpace, shown
from tuning.strategy.actions import Goal
from tuning.strategy.backoff import BackOff, Experiment
from tuning.strategy.border import Crossing
from tuning.strategy.history import History
from tuning.strategy.reaction import Reaction
from tuning.strategy.records import Outcome


def describe_change(space: SearchSpace, before: Point, after: Point) -> str:
    """The levers that differ, as `dropout 0 -> 0.2, units 256 -> 512`."""
    pairs = [each for each in zip(space.levers, before, after, strict=True) if each[1] != each[2]]
    return ", ".join(f"{lever.name} {shown(lever.value(a))} -> {shown(lever.value(b))}" for lever, a, b in pairs)


def exhausted(history: History) -> str:
    """Why there is no next experiment."""
    if history.pending:
        return "nothing left to try until the running trials end"
    return "nothing left to try: every neighbour of the best configuration was tried and none is better"


def conclusion(state: BackOff, border: Crossing, goal: Goal) -> str:
    """What the last experiment of the back-off showed."""
    if state.last is None:
        return f"{border.why}: back off from here"
    return _experiment_sentence(state.space, state.last, goal)


def _experiment_sentence(space: SearchSpace, done: Experiment, goal: Goal) -> str:
    change = describe_change(space, done.base.point, done.trial.point)
    if done.trial.outcome is not Outcome.COMPLETE:
        return f"{change}: no value ({done.trial.outcome.replace('_', ' ')}), {_consequence(done)}"
    moved = f"{goal.show(done.base.loss)} -> {goal.show(done.trial.loss)}"
    reaction = done.response.reaction
    return f"{change}: {goal.monitor} {moved} (z = {done.response.z:+.2f}), {reaction}, {_consequence(done)}"


def _consequence(done: Experiment) -> str:
    if done.accepted:
        if done.response.reaction is not Reaction.FLAT:
            return "taken"
        return "taken as the better mean" if done.response.improvement > 0 else "taken as the smaller network"
    return "to be repeated before it is taken" if done.is_raced else "the incumbent stays"
