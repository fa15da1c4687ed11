"""Every fit state on scripted learning curves, its thresholds, and curves that are hardly curves."""

import dataclasses
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning.strategy.diagnosis import FitDiagnosis, FitState, diagnose
from tuning.strategy.learning_curves import LearningCurves

LN_10 = math.log(10)

# 20 epochs; 10,000 examples on both sides: the standard error of an error of 4 % is 0.2 points.
FALLING_TRAIN_LOSS = tuple(0.5 * 0.9**epoch for epoch in range(20))
FALLING_TRAIN_ERROR = tuple(0.1 * 0.9**epoch for epoch in range(20))
FLAT = (0.2, 0.16, 0.14) + (0.13,) * 17
TURNED = (0.2, 0.16, 0.14, 0.12) + tuple(0.12 + 0.0032 * epoch for epoch in range(16))
FLAT_ERROR = (0.06, 0.05, 0.045) + (0.04,) * 17
TURNED_ERROR = (0.06, 0.05, 0.045, 0.04) + (0.05,) * 16

HEALTHY = LearningCurves(
    train_loss=FALLING_TRAIN_LOSS,
    train_error=FALLING_TRAIN_ERROR,
    val_loss=FLAT,
    val_error=FLAT_ERROR,
    n_classes=10,
    n_train=10_000,
    n_val=10_000,
    val_loss_sd=0.5,
)


def changed(**changes: object) -> LearningCurves:
    """Return the healthy curves with some fields replaced."""
    return dataclasses.replace(HEALTHY, **changes)  # type: ignore[arg-type]


def ending(curve: tuple[float, ...], *last: float) -> tuple[float, ...]:
    """Return the curve with other last epochs."""
    return curve[: len(curve) - len(last)] + last


UNDERTRAINED = changed(
    val_loss=tuple(1.0 - 0.02 * epoch for epoch in range(20)),
    val_error=tuple(0.3 - 0.01 * epoch for epoch in range(20)),
)
UNDERFIT = changed(train_loss=FLAT, train_error=FLAT_ERROR)
PERFECT = changed(train_error=ending(FALLING_TRAIN_ERROR, 0.0))
OVERFIT_CONFIDENCE = changed(val_loss=TURNED)
OVERFIT_DECISIONS = changed(val_loss=TURNED, val_error=TURNED_ERROR)
DIVERGED = changed(train_loss=ending(FALLING_TRAIN_LOSS, 2.3))


@pytest.mark.parametrize(
    ("curves", "state"),
    [
        (HEALTHY, FitState.FIT),
        (UNDERTRAINED, FitState.UNDERTRAINED),
        (UNDERFIT, FitState.UNDERFIT),
        (PERFECT, FitState.CAPACITY_REACHED),
        (OVERFIT_CONFIDENCE, FitState.OVERFIT_CONFIDENCE),
        (OVERFIT_DECISIONS, FitState.OVERFIT_DECISIONS),
        (DIVERGED, FitState.DIVERGED),
    ],
)
def test_each_state_is_found_on_its_curves(curves: LearningCurves, state: FitState) -> None:
    """One scripted training for each state."""
    assert state is diagnose(curves).state


@pytest.mark.parametrize(
    ("curves", "sentence"),
    [
        (
            HEALTHY,
            "fits: train error 1.4 %, validation error 4.0 %, validation loss 0 % above its best (epoch 4)",
        ),
        (UNDERTRAINED, "undertrained: validation loss still fell by 0.02 an epoch, best at epoch 20 of 20"),
        (UNDERFIT, "underfits: train error 4.0 % is about as high as validation error 4.0 %"),
        (
            PERFECT,
            "fits the training set perfectly (train error 0.0 %) without visible overfit: "
            "validation loss 0 % above its best (epoch 4)",
        ),
        (
            OVERFIT_CONFIDENCE,
            "overfits in confidence: validation loss rose 40 % above its best (epoch 4), train error is 1.4 %",
        ),
        (
            OVERFIT_DECISIONS,
            "overfits in decisions: validation error rose from 4.0 % to 5.0 %, "
            "validation loss 40 % above its best (epoch 4)",
        ),
        (DIVERGED, "diverged: train loss 2.30, where guessing has 2.30"),
    ],
)
def test_the_sentence_gives_the_numbers(curves: LearningCurves, sentence: str) -> None:
    """A reader sees why, without the curves."""
    assert sentence == diagnose(curves).sentence


def test_a_small_rise_counts_where_it_is_known_well() -> None:
    """Paired on the examples, a rise of 8 % is sure that the unpaired standard error could not tell from noise."""
    curves = dataclasses.replace(
        OVERFIT_CONFIDENCE, val_loss=(0.2, 0.15, 0.13, 0.12, *(0.125 + 0.0003 * i for i in range(16)))
    )
    assert diagnose(curves).state is not FitState.OVERFIT_CONFIDENCE
    assert diagnose(dataclasses.replace(curves, val_loss_rise_stderr=0.001)).state is FitState.OVERFIT_CONFIDENCE


def test_numbers_are_the_measured_ones() -> None:
    """Best epoch, generalization loss, gaps and standard errors, computed by hand."""
    numbers = diagnose(OVERFIT_CONFIDENCE).numbers
    expected = {
        "n_epochs": 20,
        "best_epoch": 4,
        "guessing_loss": LN_10,
        "train_loss_last": 0.5 * 0.9**19,
        "train_error_last": 0.1 * 0.9**19,
        "val_loss_best": 0.12,
        "val_loss_last": 0.168,
        "val_loss_rise": 0.168 - (0.12 + 0.12 + 0.1232) / 3,
        "val_loss_slope": 0.0032,
        "val_error_best": 0.04,
        "val_error_last": 0.04,
        "generalization_loss_percent": 40.0,
        "error_ratio": 0.1 * 0.9**19 / 0.04,
        "gap_loss": 0.168 - 0.5 * 0.9**19,
        "gap_error": 0.04 - 0.1 * 0.9**19,
        "val_loss_stderr": 0.005,
        "val_loss_rise_stderr": 0.005,
        "val_error_stderr": math.sqrt(0.04 * 0.96 / 10_000),
        "train_error_stderr": math.sqrt(0.1 * 0.9**19 * (1 - 0.1 * 0.9**19) / 10_000),
    }
    assert expected == pytest.approx(dict(numbers))


@pytest.mark.parametrize("curves", [HEALTHY, UNDERTRAINED, UNDERFIT, PERFECT, OVERFIT_DECISIONS, DIVERGED])
def test_numbers_survive_json(curves: LearningCurves) -> None:
    """Plain finite numbers under plain names."""
    numbers = dict(diagnose(curves).numbers)
    assert numbers == json.loads(json.dumps(numbers, allow_nan=False))


@pytest.mark.parametrize("broken", ["train_loss", "train_error", "val_loss", "val_error"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_one_value_that_is_not_finite_means_diverged(broken: str, value: float) -> None:
    """In whichever curve it appears; the sentence says when, and the numbers hold no NaN."""
    curves = changed(**{broken: ending(getattr(HEALTHY, broken), value, value, value)})
    assert diagnose(curves) == FitDiagnosis(
        state=FitState.DIVERGED,
        sentence="diverged: losses or errors are not finite from epoch 18 of 20 on",
        numbers={"n_epochs": 20, "first_non_finite_epoch": 18},
        has_reached_capacity=False,
    )


def test_a_spread_that_is_not_finite_means_diverged() -> None:
    """Single examples can overflow where the mean does not."""
    assert (
        diagnose(changed(val_loss_sd=math.nan)).sentence
        == "diverged: losses or errors are not finite from epoch 20 of 20 on"
    )


def test_diverged_begins_at_nine_tenths_of_the_loss_of_guessing() -> None:
    """The threshold itself still counts as learning."""
    at = changed(train_loss=ending(FALLING_TRAIN_LOSS, 0.9 * LN_10))
    above = changed(train_loss=ending(FALLING_TRAIN_LOSS, 0.9 * LN_10 + 1e-9))
    assert (
        diagnose(at).state is FitState.DIVERGED,
        diagnose(above).state is FitState.DIVERGED,
    ) == (False, True)


def test_a_slow_network_that_still_learns_is_undertrained_not_diverged() -> None:
    """A little better than guessing, and better with each epoch; what is above guessing comes from somewhere worse."""
    slow = tuple(2.28 - 0.03 * epoch for epoch in range(5))
    errors = (0.8, 0.75, 0.7, 0.68, 0.66)
    curves = changed(train_loss=slow, val_loss=slow, train_error=errors, val_error=errors, val_loss_sd=0.1)
    assert FitState.UNDERTRAINED is diagnose(curves).state
    higher = tuple(loss + 1.0 for loss in slow)
    assert FitState.DIVERGED is diagnose(dataclasses.replace(curves, train_loss=higher, val_loss=higher)).state


@pytest.mark.parametrize(
    ("last_error", "last_loss", "is_perfect"),
    [(0.001, 0.5, True), (0.0011, 0.5, False), (0.05, 0.01 * LN_10, True), (0.05, 0.0231, False)],
)
def test_a_perfect_fit_is_one_error_in_1000_or_a_hundredth_of_guessing(
    last_error: float, last_loss: float, is_perfect: bool
) -> None:
    """Either is enough."""
    curves = changed(
        train_error=ending(FALLING_TRAIN_ERROR, last_error), train_loss=ending(FALLING_TRAIN_LOSS, last_loss)
    )
    diagnosis = diagnose(curves)
    assert is_perfect == diagnosis.has_reached_capacity
    assert is_perfect == diagnosis.crossed_border


def test_capacity_is_recorded_whatever_the_state() -> None:
    """An overfit that also fits perfectly keeps both facts, and so does a training cut short."""
    perfect_error = ending(FALLING_TRAIN_ERROR, 0.0)
    overfit = diagnose(changed(val_loss=TURNED, train_error=perfect_error))
    undertrained = diagnose(changed(val_loss=UNDERTRAINED.val_loss, train_error=perfect_error))
    assert (overfit.state, overfit.has_reached_capacity) == (FitState.OVERFIT_CONFIDENCE, True)
    assert (undertrained.state, undertrained.has_reached_capacity) == (FitState.UNDERTRAINED, True)


@pytest.mark.parametrize(
    ("curves", "crossed"),
    [
        (HEALTHY, False),
        (UNDERTRAINED, False),
        (UNDERFIT, False),
        (DIVERGED, False),
        (PERFECT, True),
        (OVERFIT_CONFIDENCE, True),
        (OVERFIT_DECISIONS, True),
    ],
)
def test_the_border_is_crossed_by_a_perfect_fit_or_an_overfit(curves: LearningCurves, crossed: bool) -> None:
    """Both prove that there is capacity to give back."""
    assert crossed == diagnose(curves).crossed_border


def test_overfit_in_confidence_needs_more_than_5_percent() -> None:
    """A perfect fit with a validation loss 4 % above its best is not an overfit yet, 6 % is."""
    perfect_error = ending(FALLING_TRAIN_ERROR, 0.0)
    states = [
        diagnose(changed(train_error=perfect_error, val_loss=ending(FLAT, 0.13 * rise), val_loss_sd=0.1)).state
        for rise in (1.04, 1.06)
    ]
    assert states == [FitState.CAPACITY_REACHED, FitState.OVERFIT_CONFIDENCE]


def test_a_turned_loss_without_capacity_or_gap_is_no_overfit() -> None:
    """Train as bad as validation: a rise of the loss has another cause, such as a learning rate too high."""
    assert FitState.UNDERFIT is diagnose(changed(val_loss=TURNED, train_error=FLAT_ERROR)).state


def test_a_perfect_fit_needs_no_clear_gap_to_overfit() -> None:
    """On easy data with few validation examples only the loss can show it."""
    easy = changed(val_loss=TURNED, val_loss_sd=0.1, val_error=(0.01,) * 20, n_val=100, train_error=(0.001,) * 20)
    assert FitState.OVERFIT_CONFIDENCE is diagnose(easy).state


@pytest.mark.parametrize(("train_error", "state"), [(0.026, FitState.UNDERFIT), (0.024, FitState.FIT)])
def test_underfit_begins_at_half_of_the_validation_error(train_error: float, state: FitState) -> None:
    """With 100 examples a side no gap is clear, so the ratio decides."""
    curves = changed(train_error=(train_error,) * 20, val_error=(0.05,) * 20, n_train=100, n_val=100)
    assert state is diagnose(curves).state


def test_one_lucky_epoch_is_not_the_level_from_which_the_loss_rose() -> None:
    """A single epoch 15 % below its neighbours gives no overfit: the rise starts at a mean of three."""
    lucky = FLAT[:9] + (0.11,) + FLAT[10:]
    assert FitState.FIT is diagnose(changed(val_loss=lucky, val_loss_sd=0.4)).state
    assert FitState.OVERFIT_CONFIDENCE is diagnose(changed(val_loss=TURNED, val_loss_sd=0.4)).state


@pytest.mark.parametrize(
    ("n_val", "state"),
    [
        (10_000, FitState.OVERFIT_DECISIONS),
        (1000, FitState.OVERFIT_CONFIDENCE),
        (200, FitState.FIT),
    ],
)
def test_thresholds_move_with_the_number_of_validation_examples(n_val: int, state: FitState) -> None:
    """One error point is five standard errors of 10,000 validation examples and less than one of 200."""
    assert state is diagnose(dataclasses.replace(OVERFIT_DECISIONS, n_val=n_val)).state


@pytest.mark.parametrize(("n_val", "state"), [(10_000, FitState.UNDERTRAINED), (50, FitState.FIT)])
def test_a_falling_loss_must_fall_beyond_its_noise(n_val: int, state: FitState) -> None:
    """A fall of 0.1 over the last five epochs is twenty standard errors, or less than two."""
    assert state is diagnose(dataclasses.replace(UNDERTRAINED, n_val=n_val)).state


@pytest.mark.parametrize(("n_train", "state"), [(10_000, FitState.FIT), (300, FitState.UNDERFIT)])
def test_a_gap_must_exceed_the_noise_of_the_train_examples_as_well(n_train: int, state: FitState) -> None:
    """Train error 3 % against 4 %: a sub-sample of 300 train examples cannot tell them apart."""
    train_error = tuple(error - 0.01 for error in FLAT_ERROR)
    assert state is diagnose(changed(train_error=train_error, n_train=n_train)).state


def test_the_best_epoch_must_be_late_to_be_undertrained() -> None:
    """A loss that fell at the end, back to a level seen long before, has nothing to gain from more epochs."""
    val_loss = (0.3, 0.2, 0.1) + (0.3,) * 12 + (0.28, 0.25, 0.2, 0.15, 0.11)
    late = ending(val_loss, 0.09)
    assert FitState.UNDERTRAINED is diagnose(changed(val_loss=late)).state
    assert FitState.UNDERTRAINED is not diagnose(changed(val_loss=val_loss)).state


@pytest.mark.parametrize(
    ("train_loss", "train_error", "state"),
    [
        (0.30, 0.10, FitState.UNDERFIT),
        (0.10, 0.02, FitState.FIT),
        (0.01, 0.0, FitState.CAPACITY_REACHED),
        (2.30, 0.90, FitState.DIVERGED),
    ],
)
def test_one_epoch_is_a_curve(train_loss: float, train_error: float, state: FitState) -> None:
    """It shows neither slope nor rise, and has a state all the same."""
    curves = changed(train_loss=(train_loss,), train_error=(train_error,), val_loss=(0.3,), val_error=(0.1,))
    assert state is diagnose(curves).state


def test_zero_losses_and_errors_divide_nothing_by_zero() -> None:
    """Every example right and sure: a perfect fit, with finite numbers."""
    curves = changed(train_loss=(0.0,) * 3, train_error=(0.0,) * 3, val_loss=(0.0,) * 3, val_error=(0.0,) * 3)
    diagnosis = diagnose(curves)
    assert FitState.CAPACITY_REACHED is diagnosis.state
    assert all(math.isfinite(number) for number in diagnosis.numbers.values())


@given(
    epochs=st.lists(
        st.tuples(st.floats(0, 1e6), st.floats(0, 1), st.floats(0, 1e6), st.floats(0, 1)),
        min_size=1,
        max_size=12,
    ),
    n_val=st.integers(1, 100_000),
    val_loss_sd=st.floats(0, 1e6),
)
def test_any_finite_curves_have_a_state_and_finite_numbers(
    epochs: list[tuple[float, float, float, float]], n_val: int, val_loss_sd: float
) -> None:
    """Whatever a training measures, the diagnosis can be logged."""
    train_loss, train_error, val_loss, val_error = zip(*epochs, strict=True)
    curves = LearningCurves(train_loss, train_error, val_loss, val_error, 10, 100, n_val, val_loss_sd)
    diagnosis = diagnose(curves)
    assert all(math.isfinite(number) for number in diagnosis.numbers.values())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"val_loss": FLAT[:-1]}, r"one length of at least one epoch, but got \[20, 20, 19, 20\]"),
        ({"train_loss": (), "train_error": (), "val_loss": (), "val_error": ()}, r"\[0, 0, 0, 0\]"),
        ({"val_error": ending(FLAT_ERROR, 4.0)}, r"Errors must lie within \[0, 1\]"),
        ({"train_error": ending(FLAT_ERROR, -0.1)}, r"Errors must lie within \[0, 1\]"),
        ({"train_loss": ending(FLAT, -0.1)}, "must not be negative"),
        ({"val_loss_sd": -1.0}, "must not be negative"),
        ({"n_classes": 1}, r"must hold, but got \(1, 10000, 10000\)"),
        ({"n_train": 0}, r"must hold, but got \(10, 0, 10000\)"),
        ({"n_val": 0}, r"must hold, but got \(10, 10000, 0\)"),
    ],
)
def test_impossible_curves_are_rejected(changes: dict[str, object], message: str) -> None:
    """Lengths, ranges and counts; percent given for fractions is the likely slip."""
    with pytest.raises(ValueError, match=message):
        changed(**changes)


# The same curves as a regression: losses are errors, shares of the variance of the training targets.
NOISY = dataclasses.replace(
    HEALTHY, train_loss=FALLING_TRAIN_LOSS, train_error=FALLING_TRAIN_LOSS, val_loss=FLAT, val_error=FLAT, n_classes=0
)


@pytest.mark.parametrize(
    ("changes", "state", "sentence"),
    [
        ({}, FitState.FIT, "fits: train error 6.8 % of the variance, validation error 13.0 % of the variance, "),
        (
            {"val_loss": TURNED, "val_error": TURNED, "val_loss_sd": 0.2},
            FitState.OVERFIT_DECISIONS,
            "overfits: validation loss rose 40 % above its best (epoch 4), train error 6.8 % of the variance, ",
        ),
        (
            {"train_error": (1.2, 0.995) * 10, "val_error": (1.4,) * 20},
            FitState.DIVERGED,
            "diverged: train error 99.5 % of the variance, where the mean alone has 100 %",
        ),
        ({"train_error": ending(FALLING_TRAIN_LOSS, 0.009)}, FitState.CAPACITY_REACHED, "fits the training set perf"),
        ({"train_loss": (2500.0,) * 20, "train_error": FLAT}, FitState.UNDERFIT, "underfits: train error 13.0 % of "),
    ],
)
def test_a_regression_is_judged_by_the_variance_it_explains(
    changes: dict[str, object], state: FitState, sentence: str
) -> None:
    """Whatever the unit of its loss; where the loss turns, its decisions overfit."""
    diagnosis = diagnose(dataclasses.replace(NOISY, **changes))  # type: ignore[arg-type]

    assert state is diagnosis.state
    assert diagnosis.sentence.startswith(sentence)
