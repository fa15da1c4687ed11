"""The strategy: trials in, the next action with its reason out. Pure; imports neither Keras nor MLflow nor Optuna.

    trials --> phase 1, cross the border --> phase 2, directional back-off --> Stop
               (border.py)                   (backoff.py, moves.py)

Phases are not stored anywhere: phase 1 ends with the first trial that overfits, which the history shows.

>>> from search_spaces import mlp_space
>>> next_action(History.of([]), mlp_space(), Goal("val_loss")).reason
'the first network should be big enough to overfit'
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from search_spaces import Point, SearchSpace
from tuning.strategy.backoff import BackOff, Experiment, begin
from tuning.strategy.border import Climb, Crossing, cross_border
from tuning.strategy.history import History, Outcome, TrialRecord
from tuning.strategy.moves import next_experiment
from tuning.strategy.reaction import Reaction


class Phase(StrEnum):
    """What the search is doing."""

    CROSS_BORDER = "cross the border"
    BACK_OFF = "back off"


@dataclass(frozen=True)
class Goal:
    """The objective's name, and its sign where it is maximized (values arrive here as losses)."""

    monitor: str
    maximize: bool = False

    def show(self, loss: float) -> str:
        """A loss in the objective's own terms."""
        return f"{-loss if self.maximize else loss:.4g}"


@dataclass(frozen=True)
class Suggest:
    """Try this configuration next.

    Args:
        point: Configuration in natural coordinates.
        phase: What the search is doing.
        move: The kind of experiment: start, raise capacity, poll, keep going, vertex, pattern, coupled, ...
        base: Number of the trial from which this is an experiment; None for the first.
        reason: What the last experiment showed and why this one follows, in words and numbers. It names no trial
            numbers: a killed and retried trial shifts them and must change nothing else.
    """

    point: Point
    phase: Phase
    move: str
    base: int | None
    reason: str


@dataclass(frozen=True)
class Stop:
    """Nothing is left to try, and why."""

    reason: str


Action = Suggest | Stop


def next_action(history: History, space: SearchSpace, goal: Goal) -> Action:
    """Decide what to try next from the history alone."""
    border = cross_border(history.finished, space, history.pending)
    if isinstance(border, Climb):
        return _climb(border, history)
    if not isinstance(border, Crossing):
        return Stop(border.why)
    state = _replayed(history, space, border)
    proposal = next_experiment(state, history.pending)
    if proposal is None:
        return Stop(_exhausted(history))
    change = describe_change(space, state.incumbent.point, proposal.point)
    reason = f"{_conclusion(state, border, goal)}; next: {proposal.why} ({change})"
    return Suggest(proposal.point, Phase.BACK_OFF, proposal.move, state.incumbent.number, reason)


def describe_change(space: SearchSpace, before: Point, after: Point) -> str:
    """The levers that differ, as `dropout 0 -> 0.2, units 256 -> 512`."""
    pairs = zip(space.levers, before, after, strict=True)
    return ", ".join(f"{lever.name} {lever.value(a):g} -> {lever.value(b):g}" for lever, a, b in pairs if a != b)


def _climb(climb: Climb, history: History) -> Suggest:
    base = history.finished[-1].number if history.finished else None
    return Suggest(climb.point, Phase.CROSS_BORDER, climb.move, base, climb.why)


def _replayed(history: History, space: SearchSpace, border: Crossing) -> BackOff:
    """Fold the finished trials: those of phase 1 as neighbours of the start, then each later one in turn."""
    finished = history.finished
    state = begin(space, border.trial, finished[: border.n_trials])
    for trial in finished[border.n_trials :]:
        next_experiment(state, frozenset())  # starts the cycles that had started when this trial was proposed
        state.absorb(trial)
    return state


def _exhausted(history: History) -> str:
    if history.pending:
        return "nothing left to try until the running trials end"
    return "nothing left to try: every neighbour of the best configuration was tried and none is better"


def _conclusion(state: BackOff, border: Crossing, goal: Goal) -> str:
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
    return "the incumbent stays"


__all__ = ["Action", "Goal", "Phase", "Stop", "Suggest", "TrialRecord", "describe_change", "next_action"]
