"""The last phase: the few best configurations and the start on the same seeds, so that luck is not shipped.

The reserve of the budget completes the seeds of the configurations that the search ranks highest, and of the start:
tuning that does not beat its own start has found nothing. What is surely worse than the best is not trained again, and
where nothing else is left the search keeps the trials. What is shipped then says selection.py.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from operator import attrgetter

from tuning.strategy.actions import Plan
from tuning.strategy.configuration import Configuration
from tuning.strategy.evidence import noise_of
from tuning.strategy.history import History
from tuning.strategy.racing import Race

_MOST_CONTENDERS = 30

# Standard errors of the difference. Two are not enough: the best is the luckiest of many.
_SURELY_WORSE_Z = -3.0


def contenders(found: Sequence[Configuration], race: Race) -> list[Configuration]:
    """The configurations that may be the best, best first: those not surely worse than the lowest loss."""
    valued = heapq.nsmallest(_MOST_CONTENDERS, [each for each in found if each.has_value], key=attrgetter("loss"))
    if not valued or race.noise.is_deterministic:
        return valued[:1]
    best = valued[0]
    if not race.knows_noise(best):
        return valued
    return [each for each in valued if each is best or race.measure(best, each).z > _SURELY_WORSE_Z]


def n_before(history: History, plan: Plan) -> int | None:
    """Trials before the confirmation; None while the search goes on.

    It begins as late as it can: when the trials that are left are just enough to run what may be the best on all seeds.
    """
    if plan.n_search is None or plan.n_to_confirm is None or not plan.n_reserved:
        return None
    for n in range(plan.n_search, len(history.trials) + 1):
        found = history.configurations_after(n)
        able = contenders(found, Race(plan.n_race_seeds, noise_of(found)))
        n_missing = sum(max(0, plan.n_confirm_seeds - len(each.seeds)) for each in able) if len(able) > 1 else 0
        if plan.n_to_confirm - n <= n_missing:
            return n
    return None


def missing_runs(finalists: Sequence[Configuration], n_seeds: int) -> Iterator[tuple[Configuration, int]]:
    """The runs that the finalists (best first, the start last) lack; the start comes third, before the other ones."""
    *ranked, start = finalists
    for each in dict.fromkeys((*ranked[:2], start, *ranked[2:])):
        yield from ((each, seed) for seed in range(n_seeds) if seed not in each.seeds)
