"""When the back-off hands over to the local model: once every lever could be polled, and then not while it still gains.

A search that finds something better every few trials needs no model, and one that has gone many trials without a gain
needs something else. The second is what trust regions count, too (Eriksson et al. 2019: as many failures in a row as
there are dimensions, four at least). The model keeps the search from then on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from search_spaces import SearchSpace
from tuning.strategy.records import Outcome, TrialRecord

_LEAST_PATIENCE = 4


def n_directional(space: SearchSpace) -> int:
    """Trials before which the model never takes over: two a lever with a role, so that each was polled, and two."""
    return max(12, 2 * _n_levers(space) + 2)


def hands_over(finished: Iterable[TrialRecord], space: SearchSpace) -> bool:
    """Whether the back-off had its trials, and then went as many without a new lowest value as it has levers.

    Args:
        finished: The finished trials, in the order of their numbers.
        space: Whose levers with a role count.
    """
    n_least, patience = n_directional(space), max(_LEAST_PATIENCE, _n_levers(space))
    lowest, n_since = math.inf, 0
    for n, trial in enumerate(finished, 1):
        is_gain = trial.outcome is Outcome.COMPLETE and trial.loss < lowest
        lowest, n_since = (trial.loss, 0) if is_gain else (lowest, n_since + 1)
        if n >= n_least and n_since >= patience:
            return True
    return False


def _n_levers(space: SearchSpace) -> int:
    return sum(lever.role is not None for lever in space.levers)
