"""Phase 3, local model: a Gaussian process on the whole history proposes where the back-off alone would stick.

It sees every configuration (capacity, regularization and nuisance levers scaled to the unit cube), predicts the loss
everywhere, and proposes the untried grid point of the largest expected improvement inside a trust region round the
incumbent; one proposal in five looks at the whole space.

Source: Jones et al. 1998 (expected improvement); Eriksson et al. 2019, "Scalable Global Optimization via Local
Bayesian Optimization" (trust region).
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Kernel, Matern, WhiteKernel
from threadpoolctl import threadpool_limits

from search_spaces import Lever, Point, Scale, SearchSpace
from tuning.strategy.configuration import Configuration
from tuning.strategy.evidence import noise_of, scale_of

Array = NDArray[np.float64]

GLOBAL_EVERY = 5
_MAX_CONFIGURATIONS = 100  # beyond that the best and the latest of them: the cost grows with the cube
_N_OF_LONG_HISTORY = 64
_MAX_CANDIDATES = 2000
_JITTER = 1e-6  # on the diagonal, for the factorization
_MAX_ITERATIONS = 30
_LEAST_NOISE, _MOST_NOISE = 1e-4, math.sqrt(2.0)  # a variance, and a standard deviation, of warped losses
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


def fit(space: SearchSpace, configurations: Sequence[Configuration], kernel: Kernel | None = None) -> Surrogate:
    """Fit the process to every run; what a seed does to all configurations is taken out first.

    Losses that are all positive are seen through their logarithm: their luck multiplies, and so do their gains.
    With the kernel of an earlier fit only the data are new. Otherwise one length for all levers competes with a length
    for each, which has to earn its parameters (Schwarz's criterion): a few dozen noisy runs rarely tell them apart.
    """
    points = [each.point for each in configurations for _ in each.losses]
    scale = scale_of(configurations)
    effects = noise_of(configurations, scale).shrunk_seed_effects
    losses = [scale(loss) - effects.get(seed, 0.0) for each in configurations for seed, loss in each.losses.items()]
    warped, unit = _warped(np.array(losses))
    inputs = _unit_cube(space, points)
    if kernel is not None:
        process = GaussianProcessRegressor(kernel, alpha=_JITTER, optimizer=None).fit(inputs, warped)
        return Surrogate(space, process, math.sqrt(kernel.k2.noise_level))
    most_noise = _most_noise(configurations, unit, is_relative=scale is math.log)
    # One thread: such small matrices cost more to share out than to factorize, and the sums keep their order.
    with threadpool_limits(1):
        shared, separate = (
            _likeliest(_kernel(length, most_noise), inputs, warped) for length in (0.7, np.full(inputs.shape[1], 0.7))
        )
    gain = separate.log_marginal_likelihood_value_ - shared.log_marginal_likelihood_value_
    price = (inputs.shape[1] - 1) * math.log(len(losses)) / 2
    process = separate if gain > price else shared
    return Surrogate(space, process, math.sqrt(process.kernel_.k2.noise_level))


def _kernel(length: float | Array, most_noise: float) -> Kernel:
    smooth = ConstantKernel(1.0, (0.05, 20.0)) * Matern(length, (0.1, 10.0), nu=2.5)
    return smooth + WhiteKernel(most_noise / 10, (_LEAST_NOISE, most_noise))


def _most_noise(configurations: Sequence[Configuration], unit: float, *, is_relative: bool) -> float:
    """The largest variance of a run's luck: its standard error on the validation examples where runs give one."""
    given = [
        min(each.stderr / (each.loss if is_relative else 1.0) / unit, _MOST_NOISE)
        for each in configurations
        if each.stderr is not None
    ]
    if 2 * len(given) < len(configurations):
        return _MOST_NOISE**2
    return max(float(np.mean(np.square(given))), 10 * _LEAST_NOISE)


def _likeliest(kernel: Kernel, inputs: Array, warped: Array) -> GaussianProcessRegressor:
    """The process with the likeliest parameters that a few iterations find.

    scikit-learn's own search warns where a parameter ends at its bound, as many do here, and silencing that is not safe
    among the threads of `optimize(n_jobs=...)`.
    """
    process = GaussianProcessRegressor(kernel, alpha=_JITTER, optimizer=None).fit(inputs, warped)

    def unlikeliness(theta: Array) -> tuple[float, Array]:
        value, gradient = process.log_marginal_likelihood(theta, eval_gradient=True, clone_kernel=False)
        return -value, -gradient

    found = optimize.minimize(
        unlikeliness,
        kernel.theta,
        jac=True,
        bounds=kernel.bounds,
        method="L-BFGS-B",
        options={"maxiter": _MAX_ITERATIONS},
    )
    return GaussianProcessRegressor(kernel.clone_with_theta(found.x), alpha=_JITTER, optimizer=None).fit(inputs, warped)


def _warped(losses: Array) -> tuple[Array, float]:
    """Losses above the median compressed by the logarithm: a hopeless run must not flatten what matters near the best.

    Also returns what one unit of the result is, near the best, in units of the loss.
    """
    median = float(np.median(losses))
    unit = max(median - float(losses.min()), 1e-9 * abs(median), 1e-300)
    scaled = np.minimum(losses / unit - median / unit, _MOST_UNITS)
    compressed = np.where(scaled > 0, np.log1p(np.maximum(scaled, 0.0)), scaled)
    sd = max(float(compressed.std()), 1e-12)
    return np.asarray((compressed - compressed.mean()) / sd), unit * sd


def _unit_cube(space: SearchSpace, points: Sequence[Point]) -> Array:
    """One column a lever, from 0 to 1; choices without an order get one each, all of them equally far apart."""
    columns: list[Array] = []
    for lever, coordinates in zip(space.levers, np.array(points, float).T, strict=True):
        if lever.scale is Scale.CHOICE and lever.role is None:
            columns += [(coordinates == rung) / math.sqrt(2) for rung in lever.grid()]
        else:
            columns.append((coordinates - lever.bottom) / lever.span)
    return np.column_stack(columns)


def expected_improvement(surrogate: Surrogate, candidates: Sequence[Point], known: Sequence[Point]) -> Array:
    """Expected improvement on the best predicted mean of the known points."""
    best = surrogate.predict(known)[0].min()
    mean, sd = surrogate.predict(candidates)
    z = (best - mean) / sd
    return np.asarray((best - mean) * stats.norm.cdf(z) + sd * stats.norm.pdf(z))


def candidates_of(
    space: SearchSpace,
    centre: Point,
    reach: float | None,
    blocked: Container[Point],
    rng: np.random.Generator,
    free: Callable[[Lever], bool] = lambda lever: True,
) -> list[Point]:
    """Untried grid points within a share of every free lever's range round a centre; of the whole space for None."""
    grids = [
        tuple(x for x in lever.grid() if reach is None or abs(x - at) <= max(reach * lever.span, lever.step) + 1e-9)
        if free(lever)
        else (at,)
        for lever, at in zip(space.levers, centre, strict=True)
    ]
    if math.prod(map(len, grids)) <= _MAX_CANDIDATES:
        points = dict.fromkeys(map(space.canonical, itertools.product(*grids)))
        return [point for point in points if point not in blocked]
    columns = [rng.choice(grid, _MAX_CANDIDATES) for grid in grids]
    drawn = np.array(columns).T
    if reach is not None:  # near the centre most levers stay where they are
        stays = rng.random(drawn.shape) < 0.5
        drawn = np.where(stays, np.array(centre), drawn)
    unique = dict.fromkeys(space.canonical(tuple(float(x) for x in row)) for row in drawn)
    return [point for point in unique if point not in blocked]


def relevant(configurations: Sequence[Configuration]) -> list[Configuration]:
    """What the process is fitted to: all configurations that gave a value, of many the best and the latest."""
    complete = [each for each in configurations if each.has_value]
    if len(complete) <= _MAX_CONFIGURATIONS:
        return complete
    best = heapq.nsmallest(_N_OF_LONG_HISTORY // 2, complete, key=attrgetter("loss"))
    points = {each.point for each in best}
    return best + [each for each in complete[-_N_OF_LONG_HISTORY // 2 :] if each.point not in points]
