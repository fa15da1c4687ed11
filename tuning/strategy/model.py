"""Phase 3, local model: a Gaussian process on the whole history proposes where the back-off alone would stick.

It sees every configuration (capacity, regularization and nuisance levers scaled to the unit cube), predicts the loss
everywhere, and proposes the untried grid point of the largest expected improvement inside a trust region round the
incumbent; every second proposal looks at the whole space.

Source: Jones et al. 1998 (expected improvement); Eriksson et al. 2019, "Scalable Global Optimization via Local
Bayesian Optimization" (trust region).
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Kernel, Matern, WhiteKernel

from search_spaces import Point, SearchSpace
from tuning.strategy.evidence import Configuration, Noise

Array = NDArray[np.float64]

GLOBAL_EVERY = 2
_MAX_CONFIGURATIONS = 100  # the best and the latest of a long history: the cost grows with the cube
_MAX_CANDIDATES = 2000
_MAX_ITERATIONS = 30
_MOST_UNITS = 1e6  # above the median: beyond it one hopeless run is like another


@dataclass(frozen=True)
class Surrogate:
    """A fitted Gaussian process.

    Args:
        space: Whose points it predicts.
        process: On the unit cube, in warped losses.
        noise_sd: Of one run, in the same unit.
    """

    space: SearchSpace
    process: GaussianProcessRegressor
    noise_sd: float

    def predict(self, points: Sequence[Point]) -> tuple[Array, Array]:
        """Mean and standard deviation of the warped loss at each point, without the noise of a run."""
        mean, sd = self.process.predict(_unit_cube(self.space, points), return_std=True)
        return mean, np.sqrt(np.maximum(sd**2 - self.noise_sd**2, 1e-12))


def fit(
    space: SearchSpace, configurations: Sequence[Configuration], noise: Noise, kernel: Kernel | None = None
) -> Surrogate:
    """Fit the process to every run; what a seed does to all configurations is taken out first.

    With the kernel of an earlier fit only the data are new.
    """
    points = [each.point for each in configurations for _ in each.losses]
    losses = [loss - noise.seed_effects.get(seed, 0.0) for each in configurations for seed, loss in each.losses.items()]
    warped = _warped(np.array(losses))
    optimizer = _few_iterations if kernel is None else None
    process = GaussianProcessRegressor(kernel or _kernel(), alpha=1e-6, optimizer=optimizer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        process.fit(_unit_cube(space, points), warped)
    return Surrogate(space, process, math.sqrt(process.kernel_.k2.noise_level))


def _kernel() -> Kernel:
    """One length for all levers: a few dozen noisy runs cannot tell a length for each."""
    return ConstantKernel(1.0, (0.05, 20.0)) * Matern(0.7, (0.1, 10.0), nu=2.5) + WhiteKernel(0.2, (1e-4, 2.0))


def _few_iterations(objective, initial, bounds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - scikit-learn's
    found = optimize.minimize(
        objective, initial, jac=True, bounds=bounds, method="L-BFGS-B", options={"maxiter": _MAX_ITERATIONS}
    )
    return found.x, found.fun


def _warped(losses: Array) -> Array:
    """Losses above the median compressed by the logarithm: a hopeless run must not flatten what matters near the best.

    The unit is the distance from the median to the best.
    """
    median = float(np.median(losses))
    unit = max(median - float(losses.min()), 1e-9 * abs(median), 1e-300)
    scaled = np.minimum(losses / unit - median / unit, _MOST_UNITS)
    compressed = np.where(scaled > 0, np.log1p(np.maximum(scaled, 0.0)), scaled)
    return np.asarray((compressed - compressed.mean()) / max(float(compressed.std()), 1e-12))


def _unit_cube(space: SearchSpace, points: Sequence[Point]) -> Array:
    bottoms = np.array([lever.bottom for lever in space.levers])
    spans = np.array([lever.span for lever in space.levers])
    return np.asarray((np.array(points) - bottoms) / spans)


def expected_improvement(surrogate: Surrogate, candidates: Sequence[Point], known: Sequence[Point]) -> Array:
    """Expected improvement on the best predicted mean of the known points."""
    best = surrogate.predict(known)[0].min()
    mean, sd = surrogate.predict(candidates)
    z = (best - mean) / sd
    return np.asarray((best - mean) * stats.norm.cdf(z) + sd * stats.norm.pdf(z))


def candidates_of(
    space: SearchSpace, centre: Point, reach: float | None, blocked: set[Point], rng: np.random.Generator
) -> list[Point]:
    """Untried grid points within a share of every lever's range round a centre; of the whole space for None."""
    grids = [
        tuple(x for x in lever.grid() if reach is None or abs(x - at) <= max(reach * lever.span, lever.step) + 1e-9)
        for lever, at in zip(space.levers, centre, strict=True)
    ]
    if math.prod(map(len, grids)) <= _MAX_CANDIDATES:
        return [point for point in itertools.product(*grids) if point not in blocked]
    columns = [rng.choice(grid, _MAX_CANDIDATES) for grid in grids]
    drawn = np.array(columns).T
    if reach is not None:  # near the centre most levers stay where they are
        stays = rng.random(drawn.shape) < 0.5
        drawn = np.where(stays, np.array(centre), drawn)
    unique = dict.fromkeys(tuple(float(x) for x in row) for row in drawn)
    return [point for point in unique if point not in blocked]


def relevant(configurations: Sequence[Configuration]) -> list[Configuration]:
    """The configurations that the process is fitted to: all that gave a value, of a long history the best half."""
    complete = [each for each in configurations if each.has_value]
    if len(complete) <= _MAX_CONFIGURATIONS:
        return complete
    best = sorted(complete, key=lambda each: each.loss)[: _MAX_CONFIGURATIONS // 2]
    points = {each.point for each in best}
    return best + [each for each in complete[-_MAX_CONFIGURATIONS // 2 :] if each.point not in points]
