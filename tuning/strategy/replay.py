"""The back-off replayed: the trials so far folded into a state, from the start or on from the last replay.

A replay of 10,000 trials takes a second, one more trial a fraction of a millisecond. The state after some trials
depends on nothing but these trials and the noise, so a replay goes on from the last one where its trials are the first
of the new ones and the noise is the same, and begins anew elsewhere: what is remembered changes the work, never the
answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from search_spaces import SearchSpace
from tuning.strategy.backoff import BackOff, begin
from tuning.strategy.border import Crossing
from tuning.strategy.configuration import Configuration
from tuning.strategy.moves import next_experiment
from tuning.strategy.racing import Race


@dataclass(frozen=True)
class _Replay:
    """A state and what it was replayed from."""

    space: SearchSpace
    found: tuple[Configuration, ...]
    border: Crossing
    race: Race
    state: BackOff

    def leads_to(self, space: SearchSpace, found: Sequence[Configuration], border: Crossing, race: Race) -> bool:
        """Whether the other replay goes through this state."""
        same = (self.space, self.border, self.race) == (space, border, race)
        return same and tuple(found[: len(self.found)]) == self.found


class Replays:
    """Replays, remembering the last one; safe to share among threads."""

    def __init__(self) -> None:
        self._last: _Replay | None = None

    def state(self, found: Sequence[Configuration], space: SearchSpace, border: Crossing, race: Race) -> BackOff:
        """The back-off after these configurations: those of phase 1 as neighbours of the start, then each later one."""
        last = self._last
        if last is not None and last.leads_to(space, found, border, race):
            state, n_known = last.state.copy(), len(last.found)
        else:
            n_known = border.n_trials
            state = begin(space, border.trial, found[:n_known], race)
        for configuration in found[n_known:]:
            next_experiment(state, frozenset())  # starts the cycles that had started when this trial was proposed
            state.absorb(configuration)
        self._last = _Replay(space, tuple(found), border, race, state)
        return state.copy()
