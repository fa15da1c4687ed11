"""The trials so far: what a decision is made from, all of it, and nothing else.

A history that grows out of an earlier one (`History.of(trials, known=earlier)`) takes over what that had grouped, so
that a decision after 10,000 trials does not group 10,000 trials again. It is equal to one that was made from scratch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter

from search_spaces import Point
from tuning.strategy.configuration import Configuration, Groups
from tuning.strategy.records import Outcome, TrialRecord

# The last trials, at least so many, may still run or end in another order than they began; what stands before them is
# handed on to the next history in one piece.
_N_UNSETTLED = 64


@dataclass(frozen=True)
class History:
    """All trials that matter for the next decision, in the order of their numbers.

    Args:
        trials: Ascending numbers, none of them killed.
        settled: The first of them, grouped; it changes the work, never the answer.
    """

    trials: tuple[TrialRecord, ...]
    settled: Groups = field(default_factory=Groups, repr=False, compare=False)

    @classmethod
    def of(cls, trials: Iterable[TrialRecord], known: History | None = None) -> History:
        """Sort trials by number and leave out the killed ones.

        Args:
            trials: In any order.
            known: An earlier history of the same study, whose grouping is gone on from where it still holds.
        """
        killed = Outcome.KILLED
        kept = sorted([trial for trial in trials if trial.outcome is not killed], key=attrgetter("number"))
        return cls(tuple(kept), _settled(kept, known.settled if known else Groups()))

    @cached_property
    def finished(self) -> tuple[TrialRecord, ...]:
        """Trials that used up budget."""
        return self._groups.finished

    @property
    def configurations(self) -> tuple[Configuration, ...]:
        """The finished trials by their points, in the order in which the points were found."""
        return self._groups.configurations

    def configurations_after(self, n: int) -> tuple[Configuration, ...]:
        """The same of the first `n` finished trials alone."""
        if n >= len(self.finished):
            return self.configurations
        known = self.settled if len(self.settled.finished) <= n else Groups()
        return known.extended(self.finished[len(known.finished) : n]).configurations

    @cached_property
    def pending(self) -> frozenset[Point]:
        """Points of running trials: taken, but without evidence yet."""
        return frozenset(trial.point for trial in self._running)

    @cached_property
    def pending_runs(self) -> frozenset[tuple[Point, int]]:
        """Points and seed indices of running trials."""
        return frozenset((trial.point, trial.seed_index) for trial in self._running)

    def running_at(self, point: Point) -> TrialRecord | None:
        """The first running trial of a point, if there is one."""
        return next((trial for trial in self._running if trial.point == point), None)

    @cached_property
    def points(self) -> frozenset[Point]:
        """Points that are finished or running: what must not be proposed again."""
        return self.pending | self._groups.by_point.keys()

    @property
    def best(self) -> TrialRecord | None:
        """The complete trial with the lowest value; the first of equals."""
        complete = [trial for trial in self.trials if trial.outcome is Outcome.COMPLETE]
        return min(complete, key=lambda trial: trial.loss, default=None)

    @cached_property
    def _groups(self) -> Groups:
        return self.settled.extended(self.trials[len(self.settled.trials) :])

    @cached_property
    def _running(self) -> list[TrialRecord]:
        running = Outcome.RUNNING
        return [trial for trial in self.trials if trial.outcome is running]


def _settled(trials: Sequence[TrialRecord], known: Groups) -> Groups:
    """The grouping of all but the last trials; known ones are gone on from if they are the first of these trials."""
    if tuple(trials[: len(known.trials)]) != known.trials:
        known = Groups()
    n = max(0, (len(trials) // _N_UNSETTLED - 1) * _N_UNSETTLED)
    return known.extended(trials[len(known.trials) : n]) if n > len(known.trials) else known
