"""The numbers of a regression: how far its values are off, in the unit of the targets, and against another model.

    evaluation = evaluate_values(test_values, test_targets, deviation)
    evaluation.rmse, evaluation.r2_interval
    compare_values(test_values, other_values, test_targets, deviation, seed=0).sentence("tuned", "hand-made")

Of several numbers an example every measure is the mean over the numbers, as in scikit-learn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuning.evaluation.comparison import SIGNIFICANCE_LEVEL, bootstrap_mean_interval, mcnemar_p_values
from tuning.evaluation.metrics import Interval
from tuning.evaluation.report import short_loss

Values = NDArray[np.float64]

_N_RESAMPLES = 2000
_SEED = 0  # of the intervals of one model, which belong to the examples and not to a comparison


@dataclass(frozen=True, slots=True)
class RegressionEvaluation:
    """What one model achieved on one set of examples.

    Attributes:
        n_examples: Examples behind every number.
        rmse: Root of the mean squared error, in the unit of the targets.
        rmse_interval: Its 95 % interval, bootstrap of the examples, as are the others.
        mae: Mean absolute error, in the unit of the targets.
        mae_interval: Its 95 % interval.
        r2: Share of the variance of these targets that is explained; below 0 for worse than their mean.
        r2_interval: Its 95 % interval.
        loss: Mean squared error in variances of the training targets: what the search minimised.
    """

    n_examples: int
    rmse: float
    rmse_interval: Interval
    mae: float
    mae_interval: Interval
    r2: float
    r2_interval: Interval
    loss: float

    @property
    def score(self) -> float:
        """What models are ranked by, the higher the better."""
        return -self.rmse

    @property
    def score_name(self) -> str:
        """The same in words, as it is shown."""
        return "RMSE"

    @property
    def caption(self) -> str:
        """What to know when a table of `cells` is read."""
        return "95 % intervals; RMSE, MAE in the targets' unit; loss: squared error / their variance"

    def cells(self) -> list[tuple[str, str]]:
        """Return the columns of a table, each with its head."""
        r2 = f"{self.r2:.3f} ({self.r2_interval.low:.3f} to {self.r2_interval.high:.3f})"
        return [
            ("RMSE", self.headline()),
            ("MAE", f"{self.mae:.4g}"),
            ("R2", r2),
            ("loss", short_loss(self.loss)),
        ]

    def short(self) -> str:
        """Return the score alone."""
        return f"{self.rmse:.4g}"

    @property
    def served_loss(self) -> float:
        """The mean loss of what the model gives to whoever uses it."""
        return self.loss

    def headline(self) -> str:
        """Return the score with its interval."""
        return _ranged(self.rmse, self.rmse_interval)

    def text(self) -> str:
        """Return all numbers in a clause."""
        r2 = self.r2_interval
        return (
            f"RMSE {_ranged(self.rmse, self.rmse_interval)}, MAE {_ranged(self.mae, self.mae_interval)}, "
            f"R2 {self.r2:.3f} ({r2.low:.3f} to {r2.high:.3f}), loss {self.loss:.4f}; 95 % intervals"
        )

    @property
    def temperature(self) -> float:
        """Values have none: they are exported as they are."""
        return 1.0

    def as_dict(self) -> dict[str, float]:
        """Return the numbers flat, under names that JSON and MLflow accept."""
        found: dict[str, float] = {"n_examples": self.n_examples, "loss": self.loss}
        for name in ("rmse", "mae", "r2"):
            interval: Interval = getattr(self, f"{name}_interval")
            found |= {name: getattr(self, name), f"{name}_low": interval.low, f"{name}_high": interval.high}
        return found


@dataclass(frozen=True, slots=True)
class PairedRegression:
    """A model against a baseline on the same examples; every difference is model minus baseline, negative is better.

    Attributes:
        rmse_difference: In the unit of the targets.
        rmse_difference_interval: Its 95 % interval, paired bootstrap of the examples, as are the others.
        mae_difference: In the unit of the targets.
        mae_difference_interval: Its 95 % interval.
        loss_difference: Difference of the mean squared errors in variances of the training targets.
        loss_difference_interval: Its 95 % interval.
        only_model_closer: Examples for which the model's squared error is the smaller one.
        only_baseline_closer: Examples for which the baseline's is.
        p_value: Exact two-sided sign test of equally many.
    """

    rmse_difference: float
    rmse_difference_interval: Interval
    mae_difference: float
    mae_difference_interval: Interval
    loss_difference: float
    loss_difference_interval: Interval
    only_model_closer: int
    only_baseline_closer: int
    p_value: float

    def sentence(self, model: str, baseline: str) -> str:
        """Return the verdict in one sentence; 'better' only where the interval of the RMSE shows it.

        Args:
            model: How to call the model.
            baseline: How to call the baseline.
        """
        rmse, mae = self.rmse_difference_interval, self.mae_difference_interval
        closer = "closer" if self.p_value < SIGNIFICANCE_LEVEL else "closer, no clear majority,"
        return (
            f"{self._verdict(model, baseline)}: RMSE {self.rmse_difference:+.4g} (95 % interval {rmse.low:+.4g} to "
            f"{rmse.high:+.4g}), MAE {self.mae_difference:+.4g} ({mae.low:+.4g} to {mae.high:+.4g}); {closer} in "
            f"{self.only_model_closer} of {self.only_model_closer + self.only_baseline_closer} examples "
            f"(sign test p = {self.p_value:.2g})"
        )

    def _verdict(self, model: str, baseline: str) -> str:
        if self.rmse_difference_interval.holds(0.0):
            return f"no difference shown between {model} and {baseline}"
        return f"{model} is {'better' if self.rmse_difference < 0 else 'worse'} than {baseline}"


@dataclass(frozen=True, slots=True)
class RegressionOptimism:
    """Validation against test of one model; above 0 where validation looked better.

    Attributes:
        rmse_rise: Test RMSE minus validation RMSE, in the unit of the targets.
        rmse_rise_interval: Its 95 % interval, bootstrap of both sets.
    """

    rmse_rise: float
    rmse_rise_interval: Interval

    def sentence(self, model: str) -> str:
        """Return what the selection flattered, in one sentence without its full stop.

        Args:
            model: How to call the model.
        """
        rise = self.rmse_rise_interval
        verdict = "selection optimism" if rise.low > 0 else "no selection optimism shown"
        return (
            f"{verdict} for {model}: test minus validation RMSE {self.rmse_rise:+.4g} "
            f"(95 % interval {rise.low:+.4g} to {rise.high:+.4g})"
        )

    def as_dict(self) -> dict[str, float]:
        """Return the numbers flat, under names that JSON and MLflow accept."""
        rise = self.rmse_rise_interval
        return {
            "optimism_rmse_rise": self.rmse_rise,
            "optimism_rmse_rise_low": rise.low,
            "optimism_rmse_rise_high": rise.high,
        }


def _ranged(value: float, interval: Interval) -> str:
    return f"{value:.4g} ({interval.low:.4g} to {interval.high:.4g})"


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
