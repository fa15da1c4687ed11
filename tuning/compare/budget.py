"""What an engine may spend, and what of it confirms: the same for every engine of a comparison. Pure.

>>> Budget(n_trials=20).n_confirm, Budget(n_trials=10).n_confirm
(4, 0)
>>> list(confirm_runs([7, 3], n_runs=4))
[(7, 1), (3, 1), (7, 2), (3, 2)]

Whoever searches among noisy trainings finds the luckiest one, too. So the last part of the budget trains the best
configurations of each search again, on fresh seeds that all of them share, and the best mean is shipped. These
trainings are trials like any other: every engine pays for its repeats.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tuning.errors import SettingsError
from tuning.strategy.actions import Plan

N_FRESH_SEEDS = 2

# Of a budget in seconds, this share is searched with; of one in trials, what the search of this project confirms with.
_SEARCH_SHARE = 0.8
_N_TIMED_FINALISTS = 3


@dataclass(frozen=True)
class Spent:
    """What a study has used: trials (a fraction of one where a training is a part of a whole one) and seconds."""

    n_trials: float = 0.0
    secs: float = 0.0


@dataclass(frozen=True)
class Budget:
    """What every engine gets for each of its studies: trials, seconds, or both, whichever are used up first.

    Args:
        n_trials: Trainings, >= 1; None for as many as the seconds allow.
        timeout_secs: No training begins later than this, > 0; None for no limit.
        confirm: Trainings that confirm, of `n_trials` or of what fits into the seconds: 0 for none, otherwise at least
            2; None for the rule of `tuning.search`, a fifth of 15 trials or more.

    Raises:
        SettingsError: If there is no limit at all, or a value is out of its range.
    """

    n_trials: int | None = None
    timeout_secs: float | None = None
    confirm: int | None = None

    def __post_init__(self) -> None:
        if self.n_trials is None and self.timeout_secs is None:
            raise SettingsError("A comparison needs a budget: `--trials N`, `--timeout SECONDS` or both.")
        if self.n_trials is not None and self.n_trials < 1:
            raise SettingsError(f"`--trials` must be at least 1, got {self.n_trials}.")
        if self.timeout_secs is not None and not self.timeout_secs > 0:
            raise SettingsError(f"`--timeout` must be more than 0 seconds, got {self.timeout_secs}.")
        if self.confirm is not None and (self.confirm < 0 or self.confirm == 1):
            raise SettingsError(f"`--confirm` must be 0, or 2 or more trials, got {self.confirm}.")
        if self.n_trials is not None and self.n_confirm >= self.n_trials:
            raise SettingsError(f"`--confirm` must leave trials to search with, got {self.confirm} of {self.n_trials}.")

    @property
    def n_confirm(self) -> int:
        """Trials that confirm, at most."""
        if self.confirm is not None:
            return self.confirm
        if self.n_trials is None:
            return _N_TIMED_FINALISTS * N_FRESH_SEEDS
        return Plan(n_trials=self.n_trials).n_reserved

    @property
    def n_search(self) -> int | None:
        """Trials that search, at most; None for as many as the seconds allow."""
        return None if self.n_trials is None else self.n_trials - self.n_confirm

    @property
    def n_finalists(self) -> int:
        """Configurations that are trained again, at most: each on both fresh seeds, if the trials last."""
        return max(2, math.ceil(self.n_confirm / N_FRESH_SEEDS)) if self.n_confirm else 1

    def is_searching(self, spent: Spent) -> bool:
        """Whether there is still something to search with."""
        share = _SEARCH_SHARE if self.n_confirm else 1.0
        is_in_time = self.timeout_secs is None or spent.secs < share * self.timeout_secs
        return is_in_time and (self.n_search is None or spent.n_trials < self.n_search)

    def has_time(self, spent: Spent) -> bool:
        """Whether another training may begin."""
        return self.timeout_secs is None or spent.secs < self.timeout_secs

    def sentence(self) -> str:
        """The budget in words."""
        limits = [f"{self.n_trials} trials"] if self.n_trials is not None else []
        limits += [f"{self.timeout_secs:g} s"] if self.timeout_secs is not None else []
        confirming = f", of which at most {self.n_confirm} trials confirm" if self.n_confirm else ""
        return f"{' or '.join(limits)} each{confirming}"


def confirm_runs(finalists: Sequence[int], n_runs: int) -> Iterator[tuple[int, int]]:
    """The trainings of the confirmation: number of a finalist's trial, and of the seed, 1 for the first fresh one.

    Seed by seed, so that the finalists can be compared wherever it ends.

    Args:
        finalists: Best first.
        n_runs: Trainings, at most.
    """
    runs = ((number, seed) for seed in range(1, N_FRESH_SEEDS + 1) for number in finalists)
    return itertools.islice(runs, n_runs)


def best_finalist(finalists: Sequence[int], losses: Mapping[int, Mapping[int, float]], failed: frozenset[int]) -> int:
    """The finalist with the lowest mean loss on the seeds that all of them have; the first of equals.

    Args:
        finalists: By number of the first trial, best first; at least one.
        losses: By finalist and seed; validation.
        failed: Finalists that failed on a fresh seed, which are left out as long as there is another one.
    """
    sound = [number for number in finalists if number not in failed and losses.get(number)] or list(finalists)[:1]
    common = set.intersection(*(set(losses.get(number, {})) for number in sound))
    if not common:
        return sound[0]
    return min(sound, key=lambda number: sum(losses[number][seed] for seed in common) / len(common))
