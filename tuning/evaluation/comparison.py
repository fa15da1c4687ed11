"""Is one model better than another on the same examples, or were these examples just kind to it?

Both models saw every example, so only the examples on which they disagree count: b, where the model alone is
right, and c, where the baseline alone is right. Of 150 disagreements one model must win at least 88 before
the exact test calls it better.

    paired = compare_paired(model_logits, baseline_logits, labels,
                            model_temperature=1.1, baseline_temperature=0.9, seed=0)
    paired.sentence("tuned", "baseline")
    # 'tuned is better than baseline: accuracy +0.62 points (95 % interval ...), ...'
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr

from tuning.evaluation.metrics import Interval, correct_per_example, nll_per_example, wilson_interval

SIGNIFICANCE_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class PairedTest:
    """A model against a baseline on the same examples; every difference is model minus baseline.

    Attributes:
        only_model_right: Examples that the model alone classifies correctly (b).
        only_baseline_right: Examples that the baseline alone classifies correctly (c).
        p_value: Exact two-sided McNemar test of equal accuracies.
        mid_p_value: The same test, counting half of the observed outcome: less conservative.
        accuracy_difference: (b - c) / examples, a fraction.
        accuracy_difference_interval: Its 95 % interval, Newcombe 1998, method 10.
        nll_difference: Difference of the calibrated mean losses, nats an example; negative is better.
        nll_difference_interval: Its 95 % interval, percentiles of a paired bootstrap.
        raw_nll_difference: Difference of the mean losses as they are, without temperatures.
        raw_nll_difference_interval: Its 95 % interval.
        of_labels: Whether examples have several labels: only those count as right that have all right, and the
            difference of accuracies is that of the shares of right labels.
    """

    only_model_right: int
    only_baseline_right: int
    p_value: float
    mid_p_value: float
    accuracy_difference: float
    accuracy_difference_interval: Interval
    nll_difference: float
    nll_difference_interval: Interval
    raw_nll_difference: float
    raw_nll_difference_interval: Interval
    of_labels: bool = False

    def __post_init__(self) -> None:
        if min(self.only_model_right, self.only_baseline_right) < 0:
            raise ValueError(f"Counts of examples must not be negative, but got {self}.")
        if not (0 <= self.p_value <= 1 and 0 <= self.mid_p_value <= 1):
            raise ValueError(f"Probabilities must lie within [0, 1], but got {self}.")

    @classmethod
    def of(
        cls,
        right: tuple[NDArray[np.bool_], NDArray[np.bool_]],
        accuracy: tuple[float, Interval],
        calibrated: NDArray[np.float64],
        raw: NDArray[np.float64],
        *,
        seed: int,
        of_labels: bool = False,
    ) -> Self:
        """Test what was measured on each example.

        Args:
            right: Whether the model, and the baseline, are right on each example.
            accuracy: Difference of the accuracies, with its interval.
            calibrated: Differences of the losses at the temperatures, shape (examples,).
            raw: The same without temperatures.
            seed: Of the bootstrap, at least 0.
            of_labels: As in the attributes.
        """
        b, c = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
        p_value, mid_p_value = mcnemar_p_values(b, c)
        return cls(
            only_model_right=b,
            only_baseline_right=c,
            p_value=p_value,
            mid_p_value=mid_p_value,
            accuracy_difference=accuracy[0],
            accuracy_difference_interval=accuracy[1],
            nll_difference=float(calibrated.mean()),
            nll_difference_interval=bootstrap_mean_interval(calibrated, seed),
            raw_nll_difference=float(raw.mean()),
            raw_nll_difference_interval=bootstrap_mean_interval(raw, seed),
            of_labels=of_labels,
        )

    def sentence(self, model: str, baseline: str) -> str:
        """Return the verdict in one sentence; 'better' only where the exact test and the interval both show it.

        Of several labels the interval decides, because the test is about whole examples.

        Args:
            model: How to call the model.
            baseline: How to call the baseline.
        """
        share = self.accuracy_difference_interval
        labels, alone = (" of labels", "with all labels alone right") if self.of_labels else ("", "alone right")
        return (
            f"{self._verdict(model, baseline)}: accuracy{labels} {100 * self.accuracy_difference:+.2f} points "
            f"(95 % interval {100 * share.low:+.2f} to {100 * share.high:+.2f}), "
            f"{alone} {self.only_model_right} against {self.only_baseline_right} times, "
            f"exact McNemar p = {self.p_value:.2g}; {self._loss_verdict()}"
        )

    def _verdict(self, model: str, baseline: str) -> str:
        is_tested = self.of_labels or self.p_value < SIGNIFICANCE_LEVEL
        if not is_tested or self.accuracy_difference_interval.holds(0.0):
            return f"no difference shown between {model} and {baseline}"
        return f"{model} is {'better' if self.accuracy_difference > 0 else 'worse'} than {baseline}"

    def _loss_verdict(self) -> str:
        nll = self.nll_difference_interval
        numbers = f"{self.nll_difference:+.4f} nats ({nll.low:+.4f} to {nll.high:+.4f})"
        if nll.holds(0.0):
            return f"no difference of the calibrated losses shown, {numbers}"
        return f"its calibrated loss is {'lower' if self.nll_difference < 0 else 'higher'}, {numbers}"


def compare_paired(
    model_logits: ArrayLike,
    baseline_logits: ArrayLike,
    labels: ArrayLike,
    *,
    model_temperature: float,
    baseline_temperature: float,
    seed: int,
) -> PairedTest:
    """Return how the model compares with the baseline on the same examples.

    Args:
        model_logits: Raw scores of the model, shape (examples, classes).
        baseline_logits: Raw scores of the baseline for the same examples in the same order.
        labels: True classes, integers, shape (examples,).
        model_temperature: Fitted on validation examples, above 0.
        baseline_temperature: Fitted on validation examples, above 0.
        seed: Of the bootstrap, at least 0.

    Raises:
        ValueError: If `check_examples` rejects the arrays, or a temperature is not above 0.
    """
    check_temperatures(model_temperature, baseline_temperature)
    model_right, baseline_right = (correct_per_example(x, labels) for x in (model_logits, baseline_logits))
    scores, baseline_scores = np.asarray(model_logits), np.asarray(baseline_logits)
    raw = nll_per_example(scores, labels) - nll_per_example(baseline_scores, labels)
    calibrated = nll_per_example(scores / model_temperature, labels) - nll_per_example(
        baseline_scores / baseline_temperature, labels
    )
    interval = newcombe_interval(
        n_both=int((model_right & baseline_right).sum()),
        n_first_only=int((model_right & ~baseline_right).sum()),
        n_second_only=int((baseline_right & ~model_right).sum()),
        n_neither=int((~model_right & ~baseline_right).sum()),
    )
    difference = (int(model_right.sum()) - int(baseline_right.sum())) / len(model_right)
    return PairedTest.of((model_right, baseline_right), (difference, interval), calibrated, raw, seed=seed)


def check_temperatures(model_temperature: float, baseline_temperature: float) -> None:
    """Refuse what logits cannot be divided by.

    Raises:
        ValueError: If a temperature is not finite and above 0.
    """
    if not (0 < model_temperature < math.inf and 0 < baseline_temperature < math.inf):
        raise ValueError(
            f"Temperatures must be finite and above 0, but got ({model_temperature=}, {baseline_temperature=})."
        )


def mcnemar_p_values(b: int, c: int) -> tuple[float, float]:
    """Return the exact two-sided p-value and the mid-p-value of McNemar's test.

    If both models are equally good, each of the b + c disagreements falls to either side like a fair coin.

    Args:
        b: Examples on which the first model alone is right.
        c: Examples on which the second model alone is right.

    Returns:
        Twice the smaller tail, at most 1; and the same with half the probability of the observed outcome.

    Source: Fagerland, Lydersen and Laake 2013, BMC Med. Res. Methodol. 13:91.
    """
    n_disagree, n_fewer = b + c, min(b, c)
    tail = float(bdtr(n_fewer, n_disagree, 0.5))
    observed = math.comb(n_disagree, n_fewer) / 2**n_disagree
    return min(1.0, 2 * tail), min(1.0, 2 * tail - observed)


def newcombe_interval(n_both: int, n_first_only: int, n_second_only: int, n_neither: int) -> Interval:
    """Return the 95 % interval of the difference of two shares of the same examples.

    Squares and adds the Wilson limits of both shares, corrected for their correlation. It stays sound for
    shares near 1 and few disagreements, where the textbook (Wald) interval is too short.

    Args:
        n_both: Examples counted by both shares.
        n_first_only: Examples counted by the first share alone.
        n_second_only: Examples counted by the second share alone.
        n_neither: Examples counted by none.

    Returns:
        The interval of first minus second, within [-1, 1].

    Source: Newcombe 1998, Stat. Med. 17:2635, method 10.
    """
    n = n_both + n_first_only + n_second_only + n_neither
    n_first, n_second = n_both + n_first_only, n_both + n_second_only
    first, second = wilson_interval(n_first, n), wilson_interval(n_second, n)
    covariance: float = n_both * n_neither - n_first_only * n_second_only
    if covariance > 0:
        covariance = max(0, covariance - n / 2)  # continuity correction
    spread = math.sqrt(n_first * (n - n_first) * n_second * (n - n_second))
    correlation = covariance / spread if spread else 0.0

    def combined(first_margin: float, second_margin: float) -> float:
        return math.sqrt(first_margin**2 - 2 * correlation * first_margin * second_margin + second_margin**2)

    difference = (n_first - n_second) / n
    return Interval(
        low=difference - combined(n_first / n - first.low, second.high - n_second / n),
        high=difference + combined(first.high - n_first / n, n_second / n - second.low),
    )


def bootstrap_mean_interval(values: NDArray[np.float64], seed: int, n_resamples: int = 2000) -> Interval:
    """Return the 95 % percentile bootstrap interval of a mean.

    Args:
        values: One number an example, such as a paired difference, shape (examples,).
        seed: Of the resampling, at least 0.
        n_resamples: Resamples with replacement, each of all examples.

    Source: Efron and Tibshirani 1993, chapter 13.
    """
    low, high = np.percentile(bootstrap_means(values, np.random.default_rng(seed), n_resamples), (2.5, 97.5))
    return Interval(float(low), float(high))


def bootstrap_means(values: NDArray[np.float64], rng: np.random.Generator, n_resamples: int) -> NDArray[np.float64]:
    """Return the means of resamples with replacement, each of as many values, shape (n_resamples,)."""
    n = len(values)
    # A few resamples at a time: they stay in the processor's cache, which all of them together would leave.
    rows = max(1, min(n_resamples, 20_000 // n))
    sizes = (min(rows, n_resamples - start) for start in range(0, n_resamples, rows))
    return np.concatenate([values[rng.integers(0, n, (size, n), dtype=np.int32)].mean(axis=1) for size in sizes])
