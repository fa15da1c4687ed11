"""A regression's numbers against scikit-learn and closed forms, and what its errors are due to."""

import dataclasses
import json

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from tuning.evaluation.residuals import ResidualCause, residual_report
from tuning.evaluation.values import compare_values, evaluate_values, squared_errors, value_optimism

RNG = np.random.default_rng(0)
TRUE = RNG.normal(150, 77, 400)
NEAR = TRUE + RNG.normal(0, 40, 400)
FAR = TRUE + RNG.normal(0, 60, 400)
DEVIATION = np.array([77.0])
SHRUNK = 150 + 77**2 / (77**2 + 40**2) * (NEAR - 150)  # what is best to say where NEAR is all that is known


@pytest.mark.parametrize("shape", [(400,), (200, 2)])
def test_numbers_are_those_of_scikit_learn(shape: tuple[int, ...]) -> None:
    """Of several numbers the mean over them."""
    true, near = TRUE.reshape(shape), NEAR.reshape(shape)
    found = evaluate_values(near, true, DEVIATION)
    expected = root_mean_squared_error(true, near), mean_absolute_error(true, near), r2_score(true, near)
    assert expected == pytest.approx((found.rmse, found.mae, found.r2))
    assert ((near - true) ** 2).mean() / 77**2 == pytest.approx(found.loss)
    for name in ("rmse", "mae", "r2"):
        assert getattr(found, f"{name}_interval").holds(getattr(found, name))


def test_interval_of_the_mean_absolute_error_is_the_normal_one() -> None:
    """The mean of 400 absolute errors is as good as normal."""
    errors = np.abs(NEAR - TRUE)
    half_width = 1.96 * errors.std() / 20
    interval = evaluate_values(NEAR, TRUE, DEVIATION).mae_interval
    assert (errors.mean() - half_width, errors.mean() + half_width) == pytest.approx(
        (interval.low, interval.high), abs=0.1 * half_width
    )


def test_variance_keeps_its_digits_beside_a_large_mean() -> None:
    """Targets around a million with a spread of one."""
    true = 1e6 + stats.norm.ppf(np.linspace(0.01, 0.99, 99))
    assert 0.0 == pytest.approx(evaluate_values(np.full(99, true.mean()), true, np.ones(1)).r2, abs=1e-6)


def test_better_is_said_where_it_is_shown() -> None:
    """An error of 40 against one of 60 on 400 examples, and nothing against the same errors in another order."""
    paired = compare_values(NEAR, FAR, TRUE, DEVIATION, seed=0)
    assert paired.rmse_difference == pytest.approx(
        root_mean_squared_error(TRUE, NEAR) - root_mean_squared_error(TRUE, FAR)
    )
    assert paired.rmse_difference_interval.high < 0
    n, n_other = paired.only_model_closer, paired.only_baseline_closer
    assert (400, True) == (n + n_other, n > n_other)
    assert stats.binomtest(n, 400).pvalue == pytest.approx(paired.p_value, rel=1e-6)
    assert paired.sentence("tuned", "hand-made").startswith("tuned is better than hand-made: RMSE -")
    same = compare_values(NEAR, TRUE - (NEAR - TRUE), TRUE, DEVIATION, seed=0)
    assert same.sentence("tuned", "hand-made").startswith("no difference shown between tuned and hand-made: RMSE ")


def test_optimism_is_the_rise_of_the_error() -> None:
    """From an error of 40 to one of 60; none between two halves of one set."""
    risen = value_optimism(NEAR, TRUE, FAR, TRUE, seed=0)
    assert risen.sentence("the model").startswith("selection optimism for the model: test minus validation RMSE +")
    halves = value_optimism(NEAR[:200], TRUE[:200], NEAR[200:], TRUE[200:], seed=0)
    assert halves.rmse_rise_interval.holds(0.0)
    assert halves.rmse_rise == json.loads(json.dumps(halves.as_dict()))["optimism_rmse_rise"]


@pytest.mark.parametrize(
    ("values", "true", "cause", "words"),
    [
        (SHRUNK, TRUE, ResidualCause.SCATTER, "nothing wrong: of the squared error"),
        (SHRUNK + 50, TRUE, ResidualCause.SHIFT, "standard deviations too high on average"),
        (SHRUNK - 50, TRUE, ResidualCause.SHIFT, "standard deviations too low on average"),
        (
            150 + 2 * (NEAR - 150),
            TRUE,
            ResidualCause.SPREAD,
            "too far apart, a predicted 1 is a true 0.",
        ),
        (150 + 0.3 * (TRUE - 150), TRUE, ResidualCause.SPREAD, "too close together, a predicted 1 is a true 3.3"),
        (TRUE, TRUE + np.where(np.arange(400) < 4, 900, 0.2 * (FAR - NEAR)), ResidualCause.FEW, "a few large errors: "),
    ],
)
def test_each_cause_is_found(values: np.ndarray, true: np.ndarray, cause: ResidualCause, words: str) -> None:
    """Scripted errors; the three parts make up the whole."""
    report = residual_report(values, true, DEVIATION, seed=0)
    assert cause is report.cause
    assert words in report.sentence
    assert 1.0 == pytest.approx(report.shift_share + report.spread_share + report.scatter_share)
    assert squared_errors(values, true, DEVIATION).mean() == pytest.approx(report.loss)


def test_shift_and_spread_are_what_a_straight_line_repairs() -> None:
    """The scatter that is left is the error of the least-squares line."""
    values = 20 + 1.5 * NEAR
    line = np.polyval(np.polyfit(values, TRUE, 1), values)
    report = residual_report(values, TRUE, DEVIATION, seed=0)
    assert squared_errors(line, TRUE, DEVIATION).mean() == pytest.approx(report.scatter_share * report.loss)
    assert np.polyfit(values, TRUE, 1)[0] == pytest.approx(report.slope)


@pytest.mark.parametrize(
    ("values", "message"), [(NEAR[:-1], r"one shape.*\(399,\), \(400,\)"), (NEAR * np.nan, "must be finite")]
)
def test_arrays_that_do_not_belong_together_are_refused(values: np.ndarray, message: str) -> None:
    """Never an error of half of the examples."""
    with pytest.raises(ValueError, match=message):
        evaluate_values(values, TRUE, DEVIATION)


def test_evaluation_is_plain_data() -> None:
    """Flat and finite, for JSON and MLflow."""
    found = evaluate_values(NEAR, TRUE, DEVIATION)
    assert found.as_dict() == json.loads(json.dumps(found.as_dict()))
    assert {"rmse", "rmse_low", "rmse_high", "mae", "r2", "loss"} <= found.as_dict().keys()
    assert dataclasses.asdict(found)["r2_interval"]["low"] < found.r2
