"""What a configuration costs: seconds fitted to the history, for searches whose budget is time.

Training time grows about like a product of powers (units, layers), so its logarithm is fitted as a straight line over
the levers' natural coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from search_spaces import Point, SearchSpace
from tuning.strategy.evidence import Configuration

# Shrinks the slopes: with few trials a lever that has hardly moved must not promise wonders.
_RIDGE = 0.1


def predicted_secs(space: SearchSpace, found: Sequence[Configuration], points: Sequence[Point]) -> NDArray[np.float64]:
    """Seconds of a training at each point, within what was measured; 1 everywhere where no duration is known."""
    runs = [run for each in found for run in each.runs if run.secs is not None and run.secs > 0]
    if not runs:
        return np.ones(len(points))
    spans = np.array([lever.span for lever in space.levers])
    known, wanted = (np.array(each) / spans for each in ([run.point for run in runs], points))
    log_secs = np.log([float(run.secs or 0.0) for run in runs])
    centred = known - known.mean(axis=0)
    slopes = np.linalg.solve(
        centred.T @ centred + _RIDGE * np.eye(len(spans)), centred.T @ (log_secs - log_secs.mean())
    )
    predicted = log_secs.mean() + (wanted - known.mean(axis=0)) @ slopes
    return np.asarray(np.exp(np.clip(predicted, log_secs.min(), log_secs.max())))
