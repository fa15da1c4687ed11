"""The loss report: every cause from logits that have it by construction, and the numbers that it is made of."""

import json
import math
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

from tuning.evaluation import Cause, LossReport, fit_temperature, loss_report
from tuning.evaluation.metrics import nll_per_example
from tuning.evaluation.readings import CLIPPED, DIVIDED, TWICE, readings

DrawExamples = Callable[..., tuple[NDArray[np.float64], NDArray[np.intp]]]


@pytest.fixture(scope="module")
def examples(draw_calibrated: DrawExamples) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Test logits that are calibrated by construction, with their labels."""
    return draw_calibrated(500, seed=11)


@pytest.fixture(scope="module")
def report_at(
    draw_calibrated: DrawExamples, examples: tuple[NDArray[np.float64], NDArray[np.intp]]
) -> Callable[[float], LossReport]:
    """Returns the report of the calibrated logits times a factor, the temperature fitted on other ones."""
    logits, labels = examples
    val_logits, val_labels = draw_calibrated(500, seed=12)
    return cache(lambda scale: loss_report(scale * logits, labels, fitted_on=(scale * val_logits, val_labels)))


@pytest.mark.parametrize(
    ("scale", "cause"),
    [
        (1.0, Cause.NOTHING_WRONG),
        (1.7, Cause.OVER_CONFIDENCE),
        (4.5, Cause.OVER_CONFIDENCE),
        (0.5, Cause.UNDER_CONFIDENCE),
        (255.0, Cause.UNSCALED_INPUTS),
        (16.0, Cause.UNSCALED_INPUTS),
    ],
)
def test_scale_of_the_logits_names_the_cause(
    report_at: Callable[[float], LossReport], scale: float, cause: Cause
) -> None:
    """The sentence begins with it."""
    report = report_at(scale)
    assert (cause, True) == (report.cause, report.sentence.startswith(f"{cause}: "))
    assert scale == pytest.approx(report.temperature, rel=0.15)


def test_unscaled_inputs_are_told_with_their_evidence(report_at: Callable[[float], LossReport]) -> None:
    """The factor, the usual origin of it, and what no reading but logits can explain."""
    report = report_at(255.0)
    assert "as inputs that are not scaled make them in a network trained on inputs of [0, 1] or [-1, 1];" in (
        report.sentence
    )
    assert report.raw.nll > 100 * report.calibrated.nll
    assert report.loss_share_on_errors > 0.999
    assert {"probabilities, clipped", "softmax of probabilities"} <= set(report.ruled_out)
    assert "network trained on inputs of a smaller scale;" in report_at(30.0).sentence
    assert report.sentence.endswith(f"; probabilities could cost {report.bounds[0].high:.3g} at most")


def test_a_known_scaling_is_named(examples: tuple[NDArray[np.float64], NDArray[np.intp]]) -> None:
    """Whoever knows for what the network was trained need not guess it from the temperature."""
    outputs, labels = examples
    report = loss_report(205.0 * outputs, labels, trained_for="[-1, 1]")
    assert "in a network trained on inputs of [-1, 1]; divided by that" in report.sentence


def test_probabilities_taken_for_logits_are_seen_in_the_outputs(
    examples: tuple[NDArray[np.float64], NDArray[np.intp]],
) -> None:
    """Rows that sum to 1 are no logits; read as what they are they cost what the logits cost."""
    logits, labels = examples
    report = loss_report(softmax(logits, axis=1), labels)
    assert Cause.PROBABILITIES_AS_LOGITS == report.cause
    assert 1.461 <= report.raw.nll <= 2.462
    assert nll_per_example(logits, labels).mean() == pytest.approx(report.nll_reread, rel=1e-3)


def test_probabilities_read_as_such_have_nothing_wrong(
    examples: tuple[NDArray[np.float64], NDArray[np.intp]],
) -> None:
    """With `from_logits=False`, as in Keras."""
    logits, labels = examples
    report = loss_report(softmax(logits, axis=1), labels, from_logits=False)
    assert Cause.NOTHING_WRONG == report.cause
    assert nll_per_example(logits, labels).mean() == pytest.approx(report.raw.nll, rel=1e-3)


def test_logits_taken_for_probabilities_are_seen_in_the_outputs(
    examples: tuple[NDArray[np.float64], NDArray[np.intp]],
) -> None:
    """Negative outputs are no probabilities; accuracy is that of the outputs, not of the clipped ones."""
    logits, labels = examples
    report = loss_report(logits, labels, from_logits=False)
    assert Cause.LOGITS_AS_PROBABILITIES == report.cause
    assert nll_per_example(logits, labels).mean() == pytest.approx(report.nll_reread)
    assert loss_report(logits, labels).accuracy == report.accuracy


@pytest.mark.parametrize(
    ("reading", "cause"),
    [
        (TWICE, Cause.PROBABILITIES_AS_LOGITS),
        (CLIPPED, Cause.LOGITS_AS_PROBABILITIES),
        (DIVIDED, Cause.LOGITS_AS_PROBABILITIES),
    ],
)
def test_a_reported_loss_is_explained_by_the_reading_that_gives_it(
    examples: tuple[NDArray[np.float64], NDArray[np.intp]], reading: str, cause: Cause
) -> None:
    """The logits are sound; whoever computed the loss read them as something else."""
    logits, labels = examples
    report = loss_report(logits, labels, reported_loss=readings(logits, labels)[reading])
    assert cause == report.cause
    assert f"{report.reported_loss:.3g}" in report.sentence


def test_a_reported_loss_that_is_right_changes_nothing(examples: tuple[NDArray[np.float64], NDArray[np.intp]]) -> None:
    """Up to the rounding of another framework."""
    logits, labels = examples
    reported = 1.001 * float(nll_per_example(logits, labels).mean())
    assert Cause.NOTHING_WRONG == loss_report(logits, labels, reported_loss=reported).cause


def test_a_reported_loss_that_no_reading_gives_is_not_explained(
    examples: tuple[NDArray[np.float64], NDArray[np.intp]],
) -> None:
    """A sum in the place of the mean, say."""
    logits, labels = examples
    reported = float(nll_per_example(logits, labels).sum())
    assert Cause.UNEXPLAINED == loss_report(logits, labels, reported_loss=reported).cause


def test_answers_without_information_are_not_taken_for_a_wrong_scale(
    examples: tuple[NDArray[np.float64], NDArray[np.intp]],
) -> None:
    """Labels in another order ask for any temperature, however large; it would explain nothing."""
    logits, labels = examples
    for scale in (1.0, 255.0):
        report = loss_report(scale * logits, np.random.default_rng(0).permutation(labels))
        assert Cause.NO_INFORMATION == report.cause


def test_a_temperature_fitted_to_right_answers_only_accuses_nobody(
    examples: tuple[NDArray[np.float64], NDArray[np.intp]],
) -> None:
    """They ask for the lowest temperature there is, with which a single error costs hundreds of nats."""
    logits, labels = examples
    report = loss_report(logits, labels, fitted_on=(logits, logits.argmax(axis=1)))
    assert Cause.NOTHING_WRONG == report.cause
    assert "every answer that a temperature could be fitted to is right" in report.sentence


def test_temperature_comes_from_the_validation_examples_alone(
    draw_calibrated: DrawExamples, examples: tuple[NDArray[np.float64], NDArray[np.intp]]
) -> None:
    """Test examples of another scale do not move it."""
    val = draw_calibrated(500, seed=13)
    reports = [loss_report(scale * examples[0], examples[1], fitted_on=val) for scale in (1.0, 3.0)]
    assert [fit_temperature(*val)] * 2 == [report.temperature for report in reports]
    assert "validation" == reports[0].fitted_on


def test_parts_of_the_loss_add_up(report_at: Callable[[float], LossReport]) -> None:
    """Loss on errors, scale and decisions; the parts of the Brier score."""
    report = report_at(1.7)
    on_errors = report.nll_on_errors * (1 - report.accuracy)
    assert report.loss_share_on_errors * report.raw.nll == pytest.approx(on_errors)
    gain = report.raw.nll - report.calibrated.nll
    assert report.gain_interval.low < gain < report.gain_interval.high
    assert gain == pytest.approx(report.as_dict()["nll_of_scale"])
    parts = report.raw.brier
    assert parts.score == pytest.approx(parts.reliability - parts.resolution + parts.uncertainty)


def test_calibration_errors_fall_at_the_temperature(report_at: Callable[[float], LossReport]) -> None:
    """Both kinds, to what chance gives."""
    report = report_at(1.7)
    assert report.raw.ece.is_shown
    assert report.raw.ece_equal_mass.is_shown
    assert report.calibrated.ece.value < report.raw.ece.value / 2
    assert report.calibrated.ece_equal_mass.value < report.raw.ece_equal_mass.value / 2


def test_numbers_are_flat_finite_and_ready_for_json(report_at: Callable[[float], LossReport]) -> None:
    """Every number under a name that MLflow accepts."""
    numbers = json.loads(json.dumps(report_at(1.0).as_dict()))
    assert all(math.isfinite(value) for value in numbers.values())
    assert all(name.replace("_", "").isalnum() for name in numbers)
    assert {"nll", "ece_low", "ece_equal_mass_calibrated_by_chance", "brier_reliability"} <= set(numbers)


def test_report_is_the_same_every_time(examples: tuple[NDArray[np.float64], NDArray[np.intp]]) -> None:
    """The bootstrap is seeded."""
    assert loss_report(*examples, seed=3) == loss_report(*examples, seed=3) != loss_report(*examples, seed=4)


@pytest.mark.parametrize("reported", [-0.1, math.nan, math.inf])
def test_an_impossible_reported_loss_is_rejected(reported: float) -> None:
    """A mean cross-entropy is at least 0."""
    with pytest.raises(ValueError, match="`reported_loss` must be finite and at least 0"):
        loss_report(np.eye(3), [0, 1, 2], reported_loss=reported)
