"""The numbers of a regression: how far its values are off, in the unit of the targets, and against another model.

    evaluation = evaluate_values(test_values, test_targets, deviation)
    evaluation.rmse, evaluation.r2_interval
    compare_values(test_values, other_values, test_targets, deviation, seed=0).sentence("tuned", "hand-made")

Of several numbers an example every measure is the mean over the numbers, as in scikit-learn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuning.evaluation.comparison import bootstrap_mean_interval, mcnemar_p_values
from tuning.evaluation.metrics import Interval
from tuning.evaluation.regression import PairedRegression, RegressionEvaluation, RegressionOptimism

Values = NDArray[np.float64]

_N_RESAMPLES = 2000
_SEED = 0  # of the intervals of one model, which belong to the examples and not to a comparison


def squared_errors(values: ArrayLike, targets: ArrayLike, deviation: ArrayLike) -> Values:
    """Return each example's squared error in variances of the training targets, the mean over its numbers.

    Args:
        values: Predicted, shape (examples,) or (examples, numbers).
        targets: True, same shape.
        deviation: Standard deviation of each training target, > 0, shape (numbers,).

    Raises:
        ValueError: If the arrays do not belong together or hold NaN or infinity.
    """
    residuals, _ = _checked(values, targets)
    return np.asarray(np.square(residuals / np.asarray(deviation, np.float64)).mean(axis=1))


def evaluate_values(values: ArrayLike, targets: ArrayLike, deviation: ArrayLike) -> RegressionEvaluation:
    """Return one model's numbers on these examples; arguments as in `squared_errors`."""
    residuals, true = _checked(values, targets)
    point = _measures(np.ones((1, len(true))), residuals, true)[:, 0]
    rmse, mae, r2 = (_interval(each) for each in _measures(_draws(len(true), _SEED), residuals, true))
    return RegressionEvaluation(
        n_examples=len(true),
        rmse=float(point[0]),
        rmse_interval=rmse,
        mae=float(point[1]),
        mae_interval=mae,
        r2=float(point[2]),
        r2_interval=r2,
        loss=float(squared_errors(values, targets, deviation).mean()),
    )


def compare_values(
    model: ArrayLike, baseline: ArrayLike, targets: ArrayLike, deviation: ArrayLike, *, seed: int
) -> PairedRegression:
    """Return how the model compares with the baseline on the same examples.

    Args:
        model: Its values, shape (examples,) or (examples, numbers).
        baseline: Those of the baseline for the same examples in the same order.
        targets: True, same shape.
        deviation: Standard deviation of each training target.
        seed: Of the bootstrap, at least 0.
    """
    one, true = _checked(model, targets)
    other, _ = _checked(baseline, targets)
    losses = squared_errors(model, targets, deviation), squared_errors(baseline, targets, deviation)
    every, draws = np.ones((1, len(true))), _draws(len(true), seed)
    point = (_measures(every, one, true) - _measures(every, other, true))[:, 0]
    resampled = _measures(draws, one, true) - _measures(draws, other, true)
    n_closer, n_other_closer = int((losses[0] < losses[1]).sum()), int((losses[1] < losses[0]).sum())
    return PairedRegression(
        rmse_difference=float(point[0]),
        rmse_difference_interval=_interval(resampled[0]),
        mae_difference=float(point[1]),
        mae_difference_interval=_interval(resampled[1]),
        loss_difference=float((losses[0] - losses[1]).mean()),
        loss_difference_interval=bootstrap_mean_interval(losses[0] - losses[1], seed),
        only_model_closer=n_closer,
        only_baseline_closer=n_other_closer,
        p_value=mcnemar_p_values(n_closer, n_other_closer)[0],
    )


def value_optimism(
    validation_values: ArrayLike, validation_targets: ArrayLike, values: ArrayLike, targets: ArrayLike, *, seed: int
) -> RegressionOptimism:
    """Return how a model's validation error compares with its test error; shapes as in `squared_errors`."""
    parts = _checked(validation_values, validation_targets), _checked(values, targets)
    val, test = (_measures(np.ones((1, len(true))), residuals, true)[0, 0] for residuals, true in parts)
    draws = [_draws(len(true), seed + i) for i, (_, true) in enumerate(parts)]
    drawn_val, drawn_test = (_measures(each, *part)[0] for each, part in zip(draws, parts, strict=True))
    return RegressionOptimism(float(test - val), _interval(drawn_test - drawn_val))


def _draws(n_examples: int, seed: int) -> NDArray[np.int32]:
    """How often each example is in each resample with replacement, shape (resamples, examples)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_examples, np.full(n_examples, 1 / n_examples), _N_RESAMPLES).astype(np.int32)


def _measures(counts: NDArray[np.number], residuals: Values, true: Values) -> Values:
    """RMSE, MAE and R^2 of each resample, means over the numbers, shape (3, resamples)."""
    shares = counts / counts.sum(axis=1, keepdims=True)
    mse, mae = shares @ np.square(residuals), shares @ np.abs(residuals)
    centered = true - true.mean(axis=0)  # digits of a variance beside a large mean
    variance = shares @ np.square(centered) - np.square(shares @ centered)
    r2 = 1 - mse / np.maximum(variance, np.finfo(np.float64).tiny)
    return np.stack([np.sqrt(mse).mean(axis=1), mae.mean(axis=1), r2.mean(axis=1)])


def _interval(resampled: Values) -> Interval:
    low, high = np.percentile(resampled, (2.5, 97.5))
    return Interval(float(low), float(high))


def _checked(values: ArrayLike, targets: ArrayLike) -> tuple[Values, Values]:
    """Residuals (predicted minus true) and true values, both of shape (examples, numbers)."""
    predicted, true = np.asarray(values, np.float64), np.asarray(targets, np.float64)
    if predicted.shape != true.shape or true.ndim not in (1, 2) or not len(true):
        raise ValueError(
            f"Values and targets must have one shape, (examples,) or (examples, numbers), got {predicted.shape}, "
            f"{true.shape}."
        )
    if not (np.isfinite(predicted).all() and np.isfinite(true).all()):
        raise ValueError("Values and targets must be finite, but some are NaN or infinite.")
    columns = true.reshape(len(true), -1)
    return predicted.reshape(columns.shape) - columns, columns
