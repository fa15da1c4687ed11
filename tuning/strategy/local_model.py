"""Phase 3's decisions: where the model expects the largest improvement, and which configuration is the best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from search_spaces import Point, SearchSpace
from tuning.strategy.ceiling import Blocked, ceiling_of
from tuning.strategy.configuration import Configuration
from tuning.strategy.cost import assumed_costs, predicted_secs
from tuning.strategy.model import GLOBAL_EVERY, Surrogate, candidates_of, expected_improvement, fit, relevant
from tuning.strategy.moves import Proposal
from tuning.strategy.records import Outcome, TrialRecord

_REACH, _EVERYWHERE = 0.35, 1.0  # of every lever's range, to each side of the incumbent
_WHY = "the model expects the largest improvement there"
_WHY_WITHOUT_ROLE = "of levers without a role, the model expects the largest improvement there"
_WHY_TIMED = "the model expects the largest improvement a second there"
_HOPELESS = (  # as bad as expected, or as the worst: stay away
    Outcome.PRUNED,
    Outcome.DIVERGED,
    Outcome.OUT_OF_MEMORY,
    Outcome.INFEASIBLE,
    Outcome.TIMED_OUT,
)
_MOST_HOPELESS = 30
MODEL, GLOBAL_MODEL = "model", "global model"
_ALIKE = 0.8  # share of the largest expected improvement that is as good
# Expected of a move, in standard deviations of a run's noise: less cannot pay beyond the noise. A quarter stopped
# studies on recorded curves that had half of their regret still to lose (benchmarks/RESULTS.md).
LEAST_GAIN = 0.02


def ranked(space: SearchSpace, found: Sequence[Configuration]) -> list[Configuration]:
    """The configurations that gave a value, by the model's mean, which the luck of one run moves little."""
    known = relevant(found)
    means = fit(space, known).predict([each.point for each in known])[0]
    return [known[i] for i in np.argsort(means, kind="stable")]


def propose(
    space: SearchSpace,
    found: Sequence[Configuration],
    pending: frozenset[Point],
    seed: int,
    *,
    is_timed: bool = False,
) -> tuple[Configuration, Proposal | None]:
    """The incumbent by the model, and the untried point with the largest expected improvement (a second, if timed).

    None where every point of the space was tried.
    """
    surrogate, incumbent, points = _fitted(space, found, pending)
    blocked, rng = _blocked(space, found, pending, seed)
    is_global = (len(blocked.points) + 1) % GLOBAL_EVERY == 0
    best: Proposal | None = None
    for reach in (None,) if is_global else (_REACH, None):
        candidates = candidates_of(space, incumbent.point, reach, blocked, rng)
        if not candidates:
            continue
        gains = expected_improvement(surrogate, candidates, points) / surrogate.noise_sd
        chosen = _by_the_second(space, found, candidates, gains) if is_timed else _cheapest(space, candidates, gains)
        move, why = MODEL if reach else GLOBAL_MODEL, _WHY_TIMED if is_timed else _WHY
        if best is None or gains.max() > best.gain:
            best = Proposal(candidates[chosen], move, why, float(gains.max()))
        if best.gain >= LEAST_GAIN:  # otherwise the region is used up: look at the whole space
            break
    return incumbent, best


def propose_without_role(
    space: SearchSpace,
    found: Sequence[Configuration],
    pending: frozenset[Point],
    seed: int,
    centre: Point,
    *,
    is_timed: bool = False,
) -> Proposal | None:
    """The same of the points that differ from a centre in levers without a role alone; None if all were tried."""
    surrogate, _, points = _fitted(space, found, pending)
    blocked, rng = _blocked(space, found, pending, seed)
    candidates = candidates_of(space, centre, _EVERYWHERE, blocked, rng, lambda lever: lever.role is None)
    if not candidates:
        return None
    candidates = [candidates[int(i)] for i in rng.permutation(len(candidates))]  # of equals none is always the first
    gains = expected_improvement(surrogate, candidates, points) / surrogate.noise_sd
    chosen = _by_the_second(space, found, candidates, gains) if is_timed else int(gains.argmax())
    return Proposal(candidates[chosen], MODEL, _WHY_WITHOUT_ROLE, float(gains.max()))


def _blocked(
    space: SearchSpace, found: Sequence[Configuration], pending: frozenset[Point], seed: int
) -> tuple[Blocked, np.random.Generator]:
    """What must not be proposed, and the random numbers of this proposal, another one for every number of points."""
    taken = {each.point for each in found} | pending
    return Blocked(taken, ceiling_of(space, found)), np.random.default_rng([seed, len(taken)])


def _by_the_second(
    space: SearchSpace, found: Sequence[Configuration], candidates: Sequence[Point], gains: NDArray[np.float64]
) -> int:
    return int((gains / predicted_secs(space, found, candidates)).argmax())


def _cheapest(space: SearchSpace, candidates: Sequence[Point], gains: NDArray[np.float64]) -> int:
    """Of the candidates that promise about as much as the best: its estimate is not worth a network of twice the size.

    No clock is read here: what the history holds of values, not how busy the machine was, decides where no time is set.
    """
    alike = np.flatnonzero(gains >= _ALIKE * gains.max())
    costs = assumed_costs(space, [candidates[int(i)] for i in alike])
    return int(alike[np.lexsort((-gains[alike], costs))[0]])


def _fitted(
    space: SearchSpace, found: Sequence[Configuration], pending: frozenset[Point]
) -> tuple[Surrogate, Configuration, list[Point]]:
    """The process, the incumbent by it, and the points whose values it has seen."""
    known = relevant(found)
    points = [each.point for each in known]
    worst = max(each.loss for each in known)
    hopeless = [each for each in found if not each.has_value and each.outcome in _HOPELESS][-_MOST_HOPELESS:]
    known += [_liar(each.point, min(each.loss, worst)) for each in hopeless]
    surrogate = fit(space, known)
    incumbent = known[int(surrogate.predict(points)[0].argmin())]  # one of those with a value: they come first
    if pending:
        liars = [_liar(point, incumbent.loss) for point in sorted(pending)]
        surrogate = fit(space, [*known, *liars], surrogate.process.kernel_)
    return surrogate, incumbent, points


def _liar(point: Point, loss: float) -> Configuration:
    """A trial without a value, taken to have one: a running one the incumbent's, so that no other worker goes there."""
    return Configuration((TrialRecord(0, point, Outcome.COMPLETE, loss),))
