"""Phase 2, directional back-off: every move is one experiment; its signed reaction chooses the next one.

`BackOff` replays the trials in the order of their numbers and holds what they taught: the incumbent, and for every
lever the sign and the length of its next step, the signs that lost at this incumbent, and whether it rests. It follows
from the history alone, so there is nothing to save or restore; `Replays` remembers the last one, to go on from it.

    strong gain   keep going with a doubled step        flat          take the cheaper network, rest the lever
    weak gain     keep going with the same step         loss          halve the step, rest the lever
    bracketed     go to the parabola's vertex           strong loss   turn round with half the step

What is flat keeps its step: that a small change does nothing is no reason to try a smaller one.

A *cycle* ends when every lever rests. After a cycle with two or more gains the pattern move (the sum of what worked)
comes first, then all levers are polled again, with their smaller steps, around the new incumbent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from search_spaces import Point, Role, SearchSpace
from tuning.strategy.ceiling import Blocked
from tuning.strategy.configuration import Configuration
from tuning.strategy.diagnosis import FitState
from tuning.strategy.racing import Race
from tuning.strategy.reaction import Reaction, Response
from tuning.strategy.records import Outcome
from tuning.strategy.tried import Tried

_OVERFIT = (FitState.OVERFIT_CONFIDENCE, FitState.OVERFIT_DECISIONS, FitState.CAPACITY_REACHED)
_UNDERFIT = (FitState.UNDERFIT, FitState.UNDERTRAINED)


@dataclass(frozen=True)
class LeverMemory:
    """What the experiments on one lever taught; `step` in natural coordinates, `sign` 0 until the first poll."""

    step: float
    sign: int = 0
    resting: bool = False
    lost: frozenset[int] = frozenset()
    gain_z: float = 1.0  # of its last experiment, if that was a gain; nothing is known of the next one otherwise


@dataclass(frozen=True)
class Experiment:
    """One finished experiment and what followed from it."""

    trial: Configuration
    base: Configuration
    lever: int | None  # None where more than one lever moved
    response: Response
    accepted: bool
    is_raced: bool = False  # better-looking, to be repeated before it is taken


@dataclass
class BackOff:
    """The state of phase 2, private to one decision; build it with `begin`."""

    space: SearchSpace
    incumbent: Configuration
    levers: list[LeverMemory]
    tried: Tried
    race: Race = field(default_factory=Race)
    focus: int | None = None
    cycle_start: Point = ()
    n_accepted: int = 0
    last: Experiment | None = None
    challenger: Configuration | None = None
    n_experiments: int = 0
    n_without_role: int = 0  # of these, with levers without a role

    def copy(self) -> BackOff:
        """One that can learn while this one stays as it is."""
        return replace(self, levers=list(self.levers), tried=self.tried.copy())

    def blocked(self, taken: frozenset[Point]) -> Blocked:
        """What must not be proposed while these points are being tried."""
        return self.tried.blocked(taken)

    def is_regularized(self) -> bool:
        """Whether the incumbent has any regularization at all."""
        at = self.incumbent.point
        return any(at[j] > self.space.levers[j].bottom for j in self.space.indices(Role.REGULARIZATION))

    def absorb(self, trial: Configuration) -> None:
        """Learn from one finished trial.

        What a lever does is measured from the trial's own base; whether it is taken, against the incumbent, which
        another worker may have replaced since the trial was proposed.
        """
        base = self.incumbent if trial.base is None else self.tried.by_number.get(trial.base, self.incumbent)
        lever, response = self._lever_of(base, trial), self.race.measure(base, trial)
        accepted = self._is_accepted(trial)
        is_raced = accepted and not self.race.is_settled(self.incumbent, trial)
        if is_raced:
            self.challenger, accepted = self.race.better(self.incumbent, self.challenger, trial), False
        is_beside = accepted or base is self.incumbent
        self.tried.add(trial)
        self.n_experiments += 1
        self.n_without_role += self.space.moved_without_role(base.point, trial.point)
        self.last = Experiment(trial, base, lever, response, accepted, is_raced)
        self.focus = lever if accepted and response.reaction.is_gain else None
        if accepted:
            self._accept(trial)
        if lever is not None:
            delta = trial.point[lever] - base.point[lever]
            self._remember(lever, delta, response, is_beside)

    def _lever_of(self, base: Configuration, trial: Configuration) -> int | None:
        """The one lever that was moved, if it has a role: without one there is no direction to remember."""
        lever = self.space.moved(base.point, trial.point)
        return None if lever is None or self.space.levers[lever].role is None else lever

    def is_turn_without_role(self, running: frozenset[Point]) -> bool:
        """Whether levers without a role had less of the experiments than is their share of the active levers."""
        at = self.incumbent.point
        roles = [lever.role for j, lever in enumerate(self.space.levers) if self.space.is_active(j, at)]
        n_without_role = self.n_without_role + sum(self.space.moved_without_role(at, point) for point in running)
        return n_without_role * len(roles) < roles.count(None) * (self.n_experiments + len(running))

    def start_cycle(self) -> None:
        """Wake every lever; with smaller steps, a direction that lost may be tried again.

        The cycle starts from the best trial where that is surely better: one from under the border, say.
        """
        best = self.tried.best
        if self.race.measure(self.incumbent, best).reaction.is_gain and self.race.is_settled(self.incumbent, best):
            self.incumbent = best
        self.levers = [replace(memory, resting=False, lost=frozenset()) for memory in self.levers]
        self.cycle_start, self.n_accepted, self.focus = self.incumbent.point, 0, None

    def _is_accepted(self, trial: Configuration) -> bool:
        if trial.outcome is not Outcome.COMPLETE or trial.point == self.incumbent.point:
            return False
        response = self.race.measure(self.incumbent, trial)
        if response.reaction is not Reaction.FLAT:
            return response.reaction.is_gain
        # Within the noise the smaller network wins, and the better mean among equals: a bigger one has to show that
        # it pays. The smaller one must tie with the best so far, or a row of ties would add up to a loss.
        growth = [trial.point[j] - self.incumbent.point[j] for j in self.space.indices(Role.CAPACITY)]
        if any(change > 0 for change in growth):
            return False
        ties_with_best = self.race.measure(self.tried.best, trial).z > -1
        return response.improvement > 0 or (ties_with_best and any(change < 0 for change in growth))

    def _accept(self, trial: Configuration) -> None:
        self.incumbent = trial
        self.n_accepted += 1
        # The other levers stand at a new place: what lost there may win here.
        self.levers = [replace(memory, lost=frozenset()) for memory in self.levers]

    def _remember(self, j: int, delta: float, response: Response, is_beside: bool) -> None:
        """Sign, step and rest of a lever; which side lost only where the trial or its base is the incumbent."""
        reaction = response.reaction
        memory, lever = self.levers[j], self.space.levers[j]
        sign, step = (1 if delta > 0 else -1), abs(delta)
        if reaction.is_gain:
            factor = 2.0 if reaction is Reaction.STRONG_GAIN else 1.0
            longest = max(lever.span / 2, lever.step)
            lost = memory.lost | {-sign} if is_beside else memory.lost
            self.levers[j] = LeverMemory(min(step * factor, longest), sign, lost=lost, gain_z=response.z)
            return
        has_lost = is_beside and reaction is not Reaction.FLAT
        lost = memory.lost | {sign} if has_lost else memory.lost
        turns = reaction is Reaction.STRONG_LOSS and -sign not in lost
        is_new_bracket = len(lost) == 2 and lost != memory.lost
        kept = step if reaction is Reaction.FLAT else max(step / 2, lever.step)
        self.levers[j] = LeverMemory(kept, -sign if turns else sign, not (turns or is_new_bracket), lost)


def begin(
    space: SearchSpace, start: Configuration, known: Iterable[Configuration], race: Race | None = None
) -> BackOff:
    """The state before phase 2's first experiment: phase 1's trials are known points around the start."""
    memories = [LeverMemory(lever.first_step) for lever in space.levers]
    tried = Tried.of(space, (*known, start))
    return BackOff(space, start, memories, tried, race or Race(), cycle_start=start.point)


def first_sign(role: Role | None, state: FitState | None, regularized: bool) -> int:
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
