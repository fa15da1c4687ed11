"""What a configuration costs: seconds fitted to the history, for searches whose budget is time.

Training time grows about like a product of powers (units, layers), so its logarithm is fitted as a straight line over
the levers' natural coordinates. Until capacity has moved, a first step of it is taken to cost half as much again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from search_spaces import Lever, Point, Role, SearchSpace
from tuning.strategy.configuration import Configuration

# Draws the slopes towards what is assumed: with few trials a lever that has hardly moved must not promise wonders.
_RIDGE = 0.1

_ASSUMED_STEP_COST = 1.5  # of a first step of capacity
_REACH = 4.0  # how far beyond the measured seconds it predicts


def predicted_secs(space: SearchSpace, found: Sequence[Configuration], points: Sequence[Point]) -> NDArray[np.float64]:
    """Seconds of a training at each point; 1 everywhere where no duration is known."""
    runs = [run for each in found for run in each.runs if run.secs is not None and run.secs > 0]
    if not runs:
        return np.ones(len(points))
    spans = np.array([lever.span for lever in space.levers])
    known, wanted = (np.array(each) / spans for each in ([run.point for run in runs], points))
    log_secs = np.log([float(run.secs or 0.0) for run in runs])
    centred = known - known.mean(axis=0)
    assumed = np.array([_assumed_slope(lever) for lever in space.levers])
    unexplained = log_secs - log_secs.mean() - centred @ assumed
    slopes = assumed + np.linalg.solve(centred.T @ centred + _RIDGE * np.eye(len(spans)), centred.T @ unexplained)
    predicted = log_secs.mean() + (wanted - known.mean(axis=0)) @ slopes
    reach = math.log(_REACH)
    return np.asarray(np.exp(np.clip(predicted, log_secs.min() - reach, log_secs.max() + reach)))


def assumed_costs(space: SearchSpace, points: Sequence[Point]) -> NDArray[np.float64]:
    """Logarithm of what a training at each point costs, as long as no clock is read: by its capacity alone."""
    spans = np.array([lever.span for lever in space.levers])
    return np.asarray(np.array(points) / spans @ np.array([_assumed_slope(lever) for lever in space.levers]))


def _assumed_slope(lever: Lever) -> float:
    """Of the logarithm of the seconds, over the whole range of the lever."""
    return math.log(_ASSUMED_STEP_COST) * lever.span / lever.first_step if lever.role is Role.CAPACITY else 0.0
