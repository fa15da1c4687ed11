"""Phase 2, directional back-off: every move is one experiment; its signed reaction chooses the next one.

`BackOff` replays the trials in the order of their numbers and holds what they taught: the incumbent, and for every
lever the sign and the length of its next step, the signs that lost at this incumbent, and whether it rests. It is
built anew for each decision from the history alone and thrown away after it, so there is nothing to save or restore.

    strong gain   keep going with a doubled step        flat          take the cheaper network, rest the lever
    weak gain     keep going with the same step         loss          halve the step, rest the lever
    bracketed     go to the parabola's vertex           strong loss   turn round with half the step

A *cycle* ends when every lever rests. After a cycle with two or more gains the pattern move (the sum of what worked)
comes first, then all levers are polled again, with their smaller steps, around the new incumbent.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from search_spaces import Point, Role, SearchSpace
from tuning.strategy.diagnosis import FitState
from tuning.strategy.history import History, TrialRecord
from tuning.strategy.reaction import Reaction, Response, measure

_OVERFIT = (FitState.OVERFIT_CONFIDENCE, FitState.OVERFIT_DECISIONS, FitState.CAPACITY_REACHED)
_UNDERFIT = (FitState.UNDERFIT, FitState.UNDERTRAINED)


@dataclass(frozen=True)
class LeverMemory:
    """What the experiments on one lever taught; `step` in natural coordinates, `sign` 0 until the first poll."""

    step: float
    sign: int = 0
    resting: bool = False
    lost: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Experiment:
    """One finished experiment and what followed from it."""

    trial: TrialRecord
    base: TrialRecord
    lever: int | None  # None where more than one lever moved
    response: Response
    accepted: bool


@dataclass
class BackOff:
    """The state of phase 2, private to one decision; build it with `replay`."""

    space: SearchSpace
    incumbent: TrialRecord
    levers: list[LeverMemory]
    trials: dict[int, TrialRecord] = field(default_factory=dict)
    focus: int | None = None
    cycle_start: Point = ()
    n_accepted: int = 0
    last: Experiment | None = None

    @property
    def visited(self) -> set[Point]:
        """Points that have been tried so far in the replay."""
        return {trial.point for trial in self.trials.values()}

    def is_regularized(self) -> bool:
        """Whether the incumbent has any regularization at all."""
        at = self.incumbent.point
        return any(at[j] > self.space.levers[j].bottom for j in self.space.indices(Role.REGULARIZATION))

    def absorb(self, trial: TrialRecord) -> None:
        """Learn from one finished trial."""
        base = self.trials.get(trial.base, self.incumbent) if trial.base is not None else self.incumbent
        lever = moved_lever(base.point, trial.point)
        response = measure(base, trial)
        accepted = self._is_accepted(trial, lever)
        self.trials[trial.number] = trial
        self.last = Experiment(trial, base, lever, response, accepted)
        self.focus = lever if accepted and response.reaction.is_gain else None
        if lever is not None:
            self._remember(lever, trial.point[lever] - base.point[lever], response.reaction)
        if accepted:
            self._accept(trial)

    def start_cycle(self) -> None:
        """Wake every lever; with smaller steps, a direction that lost may be tried again."""
        self.levers = [replace(memory, resting=False, lost=frozenset()) for memory in self.levers]
        self.cycle_start, self.n_accepted = self.incumbent.point, 0

    def _is_accepted(self, trial: TrialRecord, lever: int | None) -> bool:
        response = measure(self.incumbent, trial)
        if response.reaction is not Reaction.FLAT:
            return response.reaction.is_gain
        # Within the noise the better mean is the better guess, and at equal quality the smaller network wins.
        return trial.loss < float("inf") and (response.improvement > 0 or self._is_cheaper(trial, lever))

    def _is_cheaper(self, trial: TrialRecord, lever: int | None) -> bool:
        if lever is None or self.space.levers[lever].role is not Role.CAPACITY:
            return False
        return trial.point[lever] < self.incumbent.point[lever]

    def _accept(self, trial: TrialRecord) -> None:
        self.incumbent = trial
        self.n_accepted += 1
        # The other levers stand at a new place: what lost there may win here.
        self.levers = [replace(memory, lost=frozenset()) for memory in self.levers]

    def _remember(self, j: int, delta: float, reaction: Reaction) -> None:
        memory, lever = self.levers[j], self.space.levers[j]
        sign, step = (1 if delta > 0 else -1), abs(delta)
        if reaction.is_gain:
            factor = 2.0 if reaction is Reaction.STRONG_GAIN else 1.0
            self.levers[j] = replace(memory, sign=sign, step=min(step * factor, lever.span / 2))
            return
        lost = memory.lost | {sign} if reaction is not Reaction.FLAT else memory.lost
        turn = reaction is Reaction.STRONG_LOSS and -sign not in lost
        self.levers[j] = LeverMemory(max(step / 2, lever.step), -sign if turn else sign, not turn, lost)


def replay(history: History, space: SearchSpace, start: TrialRecord) -> BackOff:
    """The state of phase 2 before any of its experiments: phase 1's trials are known points around the start."""
    memories = [LeverMemory(lever.first_step) for lever in space.levers]
    return BackOff(space, start, memories, {start.number: start}, cycle_start=start.point)


def moved_lever(base: Point, point: Point) -> int | None:
    """The one lever in which two points differ; None if it is not exactly one."""
    moved = [j for j, (a, b) in enumerate(zip(base, point, strict=True)) if a != b]
    return moved[0] if len(moved) == 1 else None


def first_sign(role: Role, state: FitState | None, regularized: bool) -> int:
    """The direction of a lever's first poll, from its role and the incumbent's fit.

    An overfitting network is regularized, an underfitting one is given capacity and freed. Capacity goes down only
    while nothing else restrains the network: once it is regularized it can carry more (Srivastava et al. 2014: a
    dropout net should have n/p units).
    """
    if role is Role.REGULARIZATION:
        return -1 if state in _UNDERFIT else 1
    if role is Role.CAPACITY:
        return -1 if state in _OVERFIT and not regularized else 1
    return 1 if state is FitState.UNDERTRAINED else -1


def lever_order(space: SearchSpace, state: FitState | None) -> list[int]:
    """The order in which untried levers are polled: an underfitting network is given capacity first."""
    roles = [Role.REGULARIZATION, Role.CAPACITY]
    if state in _UNDERFIT:
        roles.reverse()
    return [j for role in (*roles, Role.NUISANCE) for j in space.indices(role)]
