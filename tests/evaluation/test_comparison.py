"""The paired comparison against SciPy's exact tests, published intervals and scripted predictions."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from tuning.evaluation.comparison import (
    PairedTest,
    bootstrap_mean_interval,
    compare_paired,
    mcnemar_p_values,
    newcombe_interval,
)
from tuning.evaluation.metrics import Interval, nll_per_example

DrawExamples = Callable[..., tuple[NDArray[np.float64], NDArray[np.intp]]]
Logits = NDArray[np.float64]
Labels = NDArray[np.intp]


def deciding(answers: NDArray[np.intp], margin: float = 2.0) -> Logits:
    """Return logits of two classes that choose the given answers."""
    return margin * np.eye(2)[answers]


def scripted(n_both: int, n_model: int, n_baseline: int, n_neither: int) -> tuple[Logits, Logits, Labels]:
    """Return two models' logits and labels (all 0) with the given table of right answers."""
    counts = [n_both, n_model, n_baseline, n_neither]
    model, baseline = np.repeat([0, 0, 1, 1], counts), np.repeat([0, 1, 0, 1], counts)
    return deciding(model), deciding(baseline), np.zeros(sum(counts), int)


def compared(n_both: int, n_model: int, n_baseline: int, n_neither: int) -> PairedTest:
    """Compare two scripted models at temperature 1."""
    model, baseline, labels = scripted(n_both, n_model, n_baseline, n_neither)
    return compare_paired(model, baseline, labels, model_temperature=1.0, baseline_temperature=1.0, seed=0)


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (5, 5), (12, 2), (63, 87), (3000, 2800), (400, 0)])
def test_exact_p_value_is_that_of_the_binomial_test(b: int, c: int) -> None:
    """Disagreements are coin flips under the null hypothesis."""
    expected = stats.binomtest(b, b + c).pvalue if b + c else 1.0
    assert expected == pytest.approx(mcnemar_p_values(b, c)[0], rel=1e-9)


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (5, 5), (12, 2), (63, 87), (3000, 2800)])
def test_mid_p_value_counts_half_of_the_observed_outcome(b: int, c: int) -> None:
    """Both sides together hold everything more extreme and half of what was seen."""
    fewer = stats.binom(b + c, 0.5)
    expected = 2 * (fewer.cdf(min(b, c) - 1) + 0.5 * fewer.pmf(min(b, c)))
    assert expected == pytest.approx(mcnemar_p_values(b, c)[1], rel=1e-9)


def test_mcnemar_has_the_values_computed_by_hand() -> None:
    """One against seven: (1 + 8) / 2^8 on each side, of which 8 / 2^8 were seen."""
    assert mcnemar_p_values(1, 7) == (18 / 256, 10 / 256)


def test_150_disagreements_need_88_wins() -> None:
    """One win fewer is no result yet: a small gain of a single training shows nothing."""
    assert mcnemar_p_values(88, 62)[0] < 0.05 < mcnemar_p_values(87, 63)[0]


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ((59, 6, 16, 80), -0.1186, -0.0046),  # Fagerland, Lydersen and Laake 2017, chapter 8
        ((1, 1, 7, 12), -0.5069, -0.0256),
        ((14, 5, 0, 22), 0.0115, 0.2265),  # Altman et al. 2000, table 6.2
    ],
)
def test_newcombe_interval_has_the_published_limits(counts: tuple[int, int, int, int], low: float, high: float) -> None:
    """Tables of paired shares from two textbooks."""
    interval = newcombe_interval(*counts)
    assert (low, high) == (round(interval.low, 4), round(interval.high, 4))


def test_newcombe_interval_turns_with_the_roles() -> None:
    """Model and baseline exchanged give the mirrored interval."""
    forward, backward = newcombe_interval(900, 40, 20, 40), newcombe_interval(900, 20, 40, 40)
    assert (-backward.high, -backward.low) == pytest.approx((forward.low, forward.high))


@pytest.mark.parametrize("counts", [(10, 0, 0, 0), (0, 0, 0, 10), (0, 10, 0, 0), (0, 0, 10, 0), (1, 0, 0, 0)])
def test_newcombe_interval_holds_the_difference_in_extreme_tables(
    counts: tuple[int, int, int, int],
) -> None:
    """All examples in one cell leave no correlation to estimate, and the limits within -1 and 1."""
    interval = newcombe_interval(*counts)
    difference = (counts[1] - counts[2]) / sum(counts)
    assert -1 <= interval.low <= difference <= interval.high <= 1


def test_newcombe_interval_covers_the_true_difference_about_95_times_of_100() -> None:
    """2,000 simulated pairs of models near 98 % accuracy on 1,000 examples, truly 0.5 points apart."""
    tables = np.random.default_rng(0).multinomial(1000, [0.97, 0.015, 0.010, 0.005], size=2000)
    intervals = [newcombe_interval(*map(int, table)) for table in tables]
    coverage = np.mean([interval.low <= 0.005 <= interval.high for interval in intervals])
    assert 0.94 < coverage < 0.97


def test_bootstrap_interval_agrees_with_the_normal_one_for_many_examples() -> None:
    """The mean of 10,000 differences is as good as normal, so both must give the same limits."""
    values = np.random.default_rng(1).normal(0.3, 2.0, size=10_000)
    interval = bootstrap_mean_interval(values, seed=0)
    half_width = 1.96 * values.std() / 100
    assert values.mean() - half_width == pytest.approx(interval.low, abs=0.1 * half_width)
    assert values.mean() + half_width == pytest.approx(interval.high, abs=0.1 * half_width)


def test_bootstrap_interval_follows_its_seed() -> None:
    """The same seed gives the same limits, another one others."""
    values = np.random.default_rng(2).normal(size=100)
    assert bootstrap_mean_interval(values, seed=5) == bootstrap_mean_interval(values, seed=5)
    assert bootstrap_mean_interval(values, seed=5) != bootstrap_mean_interval(values, seed=6)


def test_comparison_counts_who_alone_is_right() -> None:
    """Six against sixteen of 161."""
    paired = compared(59, 6, 16, 80)
    assert (paired.only_model_right, paired.only_baseline_right) == (6, 16)
    assert paired.accuracy_difference == -10 / 161
    assert newcombe_interval(59, 6, 16, 80) == paired.accuracy_difference_interval
    assert mcnemar_p_values(6, 16) == (paired.p_value, paired.mid_p_value)


def test_comparison_scales_each_model_by_its_own_temperature(draw_calibrated: DrawExamples) -> None:
    """The same decisions 248 times as loud are as good after scaling: no difference of any loss."""
    logits, labels = draw_calibrated(500, seed=3)
    paired = compare_paired(248 * logits, logits, labels, model_temperature=248.0, baseline_temperature=1.0, seed=0)
    assert pytest.approx(paired.nll_difference, abs=1e-12) == 0.0
    assert pytest.approx(paired.nll_difference_interval.high, abs=1e-12) == 0.0


def test_loss_difference_is_model_minus_baseline_inside_its_interval(draw_calibrated: DrawExamples) -> None:
    """A baseline with noisy logits loses, so the difference is negative and clearly so."""
    logits, labels = draw_calibrated(2000, seed=4)
    noisy = logits + np.random.default_rng(5).normal(scale=2.0, size=logits.shape)
    paired = compare_paired(logits, noisy, labels, model_temperature=1.0, baseline_temperature=1.0, seed=0)
    expected = nll_per_example(logits, labels).mean() - nll_per_example(noisy, labels).mean()
    assert expected == pytest.approx(paired.nll_difference)
    assert paired.nll_difference_interval.low < expected < paired.nll_difference_interval.high < 0


def test_sentence_says_better_only_where_the_test_shows_it() -> None:
    """88 against 62 is a result, 87 against 63 is none, 62 against 88 is a loss."""
    assert compared(9800, 88, 62, 50).sentence("tuned", "TF-GAN").startswith("tuned is better than TF-GAN: ")
    assert compared(9800, 62, 88, 50).sentence("tuned", "TF-GAN").startswith("tuned is worse than TF-GAN: ")
    assert (
        compared(9800, 87, 63, 50)
        .sentence("tuned", "TF-GAN")
        .startswith("no difference shown between tuned and TF-GAN: ")
    )


def test_sentence_gives_the_evidence() -> None:
    """Every number that the verdict rests on, with its unit."""
    paired = PairedTest(
        only_model_right=88,
        only_baseline_right=62,
        p_value=0.0409,
        mid_p_value=0.034,
        accuracy_difference=0.0026,
        accuracy_difference_interval=Interval(0.0002, 0.0050),
        nll_difference=-0.0123,
        nll_difference_interval=Interval(-0.02, -0.004),
        raw_nll_difference=-0.02,
        raw_nll_difference_interval=Interval(-0.03, -0.01),
    )
    assert paired.sentence("tuned", "CNN") == (
        "tuned is better than CNN: accuracy +0.26 points (95 % interval +0.02 to +0.50), "
        "alone right 88 against 62 times, exact McNemar p = 0.041; "
        "its calibrated loss is lower, -0.0123 nats (-0.0200 to -0.0040)"
    )
    wide = dataclasses.replace(paired, nll_difference_interval=Interval(-0.03, 0.001))
    assert "no difference of the calibrated losses shown, -0.0123 nats" in wide.sentence("tuned", "CNN")


def test_better_needs_the_interval_as_well_as_the_test() -> None:
    """Both nearly always agree; where they do not, nothing is claimed."""
    paired = dataclasses.replace(compared(9800, 88, 62, 50), accuracy_difference_interval=Interval(-0.0001, 0.005))
    assert paired.sentence("tuned", "CNN").startswith("no difference shown between tuned and CNN: ")


def test_raw_losses_are_compared_without_temperatures(draw_calibrated: DrawExamples) -> None:
    """Twice as loud logits cost more as they are, and the same once scaled."""
    logits, labels = draw_calibrated(1000, seed=6)
    paired = compare_paired(2 * logits, logits, labels, model_temperature=2.0, baseline_temperature=1.0, seed=0)
    expected = nll_per_example(2 * logits, labels).mean() - nll_per_example(logits, labels).mean()
    assert expected == pytest.approx(paired.raw_nll_difference)
    assert paired.raw_nll_difference_interval.low > 0
    assert pytest.approx(paired.nll_difference, abs=1e-12) == 0.0


def test_comparison_rejects_logits_of_other_examples() -> None:
    """A baseline scored on fewer examples is not paired."""
    model, baseline, labels = scripted(3, 1, 1, 1)
    with pytest.raises(ValueError, match=r"`labels` must have the shape \(5,\)"):
        compare_paired(model, baseline[:-1], labels, model_temperature=1, baseline_temperature=1, seed=0)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf])
def test_comparison_rejects_an_impossible_temperature(temperature: float) -> None:
    """Either one."""
    model, baseline, labels = scripted(3, 1, 1, 1)
    with pytest.raises(ValueError, match="Temperatures must be finite and above 0"):
        compare_paired(model, baseline, labels, model_temperature=1.0, baseline_temperature=temperature, seed=0)
