"""One model's numbers put together, and the signature of the loss that does not fit its accuracy."""

import dataclasses
import json
import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from tuning.evaluation import Evaluation, Interval, evaluate_model
from tuning.evaluation.metrics import wilson_interval

DrawExamples = Callable[..., tuple[NDArray[np.float64], NDArray[np.intp]]]

EVALUATION = Evaluation(
    n_examples=100,
    accuracy=0.9,
    accuracy_interval=Interval(0.8, 0.95),
    nll=0.4,
    temperature=2.0,
    nll_calibrated=0.3,
    ece=0.05,
    ece_calibrated=0.01,
)


def test_unscaled_inputs_show_as_a_temperature_and_a_loss_that_scaling_repairs(
    draw_calibrated: DrawExamples,
) -> None:
    """Logits 248 times too large: same accuracy, absurd loss, after scaling the loss of the sound model."""
    (val_logits, val_labels), (test_logits, test_labels) = (
        draw_calibrated(5000, seed=0),
        draw_calibrated(5000, seed=1),
    )
    sound = evaluate_model(test_logits, test_labels, validation_logits=val_logits, validation_labels=val_labels)
    loud = evaluate_model(
        248 * test_logits, test_labels, validation_logits=248 * val_logits, validation_labels=val_labels
    )
    assert sound.accuracy == loud.accuracy
    assert 248 * sound.temperature == pytest.approx(loud.temperature, rel=1e-3)
    assert loud.nll > 100 * sound.nll
    assert sound.nll_calibrated == pytest.approx(loud.nll_calibrated, rel=1e-5)
    assert loud.ece_calibrated < 0.02 < loud.ece


def test_temperature_comes_from_the_validation_examples_alone(draw_calibrated: DrawExamples) -> None:
    """Test logits of another scale do not move it."""
    logits, labels = draw_calibrated(2000, seed=2)
    evaluations = [
        evaluate_model(scale * logits, labels, validation_logits=logits, validation_labels=labels)
        for scale in (1.0, 10.0)
    ]
    assert evaluations[0].temperature == evaluations[1].temperature


def test_accuracy_comes_with_its_wilson_interval() -> None:
    """Three of four right."""
    logits, labels = 5 * np.eye(4), [0, 1, 2, 0]
    evaluation = evaluate_model(logits, labels, validation_logits=logits, validation_labels=labels)
    assert (4, 0.75, wilson_interval(3, 4)) == (
        evaluation.n_examples,
        evaluation.accuracy,
        evaluation.accuracy_interval,
    )


def test_loss_of_one_hot_probabilities_is_within_its_bound() -> None:
    """Argmax outputs clipped at 1e-7 cost about 0.32 at 98 %: no such output can explain a loss of 4.7."""
    answers = np.zeros(10_000, int)
    labels = np.repeat([0, 1], [9800, 200])
    logits = np.log(np.clip(np.eye(10)[answers], 1e-7, 1 - 1e-7))
    evaluation = evaluate_model(logits, labels, validation_logits=logits, validation_labels=labels)
    assert 0.02 * -math.log(1e-7) == pytest.approx(evaluation.nll, rel=1e-3)


def test_numbers_are_flat_and_ready_for_json() -> None:
    """Every field appears, the interval as its two limits."""
    assert json.loads(json.dumps(EVALUATION.as_dict())) == {
        "n_examples": 100,
        "accuracy": 0.9,
        "accuracy_low": 0.8,
        "accuracy_high": 0.95,
        "nll": 0.4,
        "temperature": 2.0,
        "nll_calibrated": 0.3,
        "ece": 0.05,
        "ece_calibrated": 0.01,
    }


@pytest.mark.parametrize(
    "change",
    [{"n_examples": 0}, {"temperature": 0.0}, {"accuracy": 0.97}, {"accuracy_interval": Interval(0.8, 1.2)}],
)
def test_evaluation_rejects_numbers_that_contradict_each_other(change: dict[str, object]) -> None:
    """No examples, no temperature, or an accuracy outside its interval."""
    with pytest.raises(ValueError, match="must"):
        dataclasses.replace(EVALUATION, **change)  # type: ignore[arg-type]


def test_validation_arrays_are_checked_as_well(draw_calibrated: DrawExamples) -> None:
    """NaN in validation logits would give a meaningless temperature."""
    logits, labels = draw_calibrated(10, seed=3)
    with pytest.raises(ValueError, match="10 of 10 examples have NaN"):
        evaluate_model(logits, labels, validation_logits=math.nan * logits, validation_labels=labels)
