"""What a sampler computed before and would compute again: records, groups, the last decision, the last leader."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from optuna.trial import FrozenTrial

from search_spaces import SearchSpace
from tuning.strategy.actions import Action, Goal, Plan
from tuning.strategy.history import History
from tuning.strategy.policy import leader_of, next_action
from tuning.strategy.records import TrialRecord
from tuning.strategy.replay import Replays
from tuning.strategy.selection import Leader
from tuning.trial_attrs import record_of


class Memo:
    """What was computed before and would be computed again; it decides nothing and can be thrown away at any time.

    A trial that changes is another object (every storage of Optuna's replaces it), so its record is kept with it; a
    history, an action and a leader are functions of the trials, so the last ones are kept. Copies and pickles of it are
    empty.

    Args:
        is_timed: Whether decisions may know how long a trial took; a search without a limit of time reads no clock.
    """

    def __init__(self, *, is_timed: bool = False) -> None:
        self._is_timed = is_timed
        self._records: dict[int, tuple[FrozenTrial, TrialRecord | None]] = {}
        self._last_history: History | None = None
        self._last: tuple[History, Goal, Plan, Action] | None = None
        self._last_leader: tuple[History, Plan, Leader | None] | None = None
        self._replays = Replays()

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(Memo, is_timed=self._is_timed), ()

    def history(self, trials: Sequence[FrozenTrial], space: SearchSpace, *, maximize: bool) -> History:
        """The strategy's history: every trial that is a point of the space."""
        known = [self._records.get(trial._trial_id) for trial in trials]  # of all but the latest of them
        records = [
            pair[1] if pair is not None and pair[0] is trial else self._record(trial, space, maximize=maximize)
            for pair, trial in zip(known, trials, strict=True)
        ]
        history = History.of([record for record in records if record is not None], self._last_history)
        self._last_history = history
        return history

    def action(self, history: History, space: SearchSpace, goal: Goal, plan: Plan) -> Action:
        """The policy's answer."""
        last = self._last
        if last is None or last[:3] != (history, goal, plan):
            last = self._last = (history, goal, plan, next_action(history, space, goal, plan, self._replays))
        return last[3]

    def leader(self, history: History, plan: Plan) -> Leader | None:
        """The strategy's leader: after each trial several ask for it."""
        last = self._last_leader
        if last is None or last[:2] != (history, plan):
            last = self._last_leader = (history, plan, leader_of(history, plan))
        return last[2]

    def _record(self, trial: FrozenTrial, space: SearchSpace, *, maximize: bool) -> TrialRecord | None:
        record = record_of(trial, space, maximize=maximize, is_timed=self._is_timed)
        self._records[trial._trial_id] = (trial, record)
        return record
