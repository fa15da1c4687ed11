"""What is said of a regression: one model's numbers, two models compared, and what the selection flattered.

`tuning.evaluation.values` measures them.
"""

from __future__ import annotations

from dataclasses import dataclass

from tuning.evaluation.comparison import SIGNIFICANCE_LEVEL
from tuning.evaluation.metrics import Interval
from tuning.evaluation.report import short_loss


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
