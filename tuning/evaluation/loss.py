"""Why a model's loss is what it is: its parts, the bounds that rule causes out, and one sentence that names the cause.

It needs outputs and labels only, from whatever framework:

    report = loss_report(test_logits, test_labels, fitted_on=(val_logits, val_labels))
    report.sentence
    # 'unscaled inputs: the logits are 248 times too large, as inputs that are not scaled make them in a network ...'

    # A loss that somebody else computed from the same outputs, such as what `model.evaluate` printed:
    loss_report(logits, labels, reported_loss=1.48).cause   # Cause.PROBABILITIES_AS_LOGITS

Sources: Guo, Pleiss, Sun and Weinberger 2017, "On Calibration of Modern Neural Networks", ICML (temperature, the loss
split by it); those of `tuning.evaluation.reliability`.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax

from tuning.evaluation.bounds import LossBound, loss_bounds
from tuning.evaluation.calibration import fit_temperature
from tuning.evaluation.causes import Cause, LossFacts, cause_sentence, name_cause
from tuning.evaluation.comparison import bootstrap_mean_interval
from tuning.evaluation.metrics import Interval, check_examples, correct_per_example, nll_per_example
from tuning.evaluation.readings import are_probabilities, readings, scores_as_read
from tuning.evaluation.reliability import Brier, CalibrationError, brier, calibration_error

Pair = tuple[ArrayLike, ArrayLike]


@dataclass(frozen=True, slots=True)
class Calibration:
    """How confidence and accuracy agree at one temperature.

    Attributes:
        nll: Mean negative log-likelihood, nats an example.
        ece: Expected calibration error, 15 bins of equal width, a fraction.
        ece_equal_mass: The same with 15 bins of equally many examples.
        brier: Brier score, 0 to 2, and its parts.
    """

    nll: float
    ece: CalibrationError
    ece_equal_mass: CalibrationError
    brier: Brier


@dataclass(frozen=True, slots=True)
class LossReport:
    """The loss of one model on one set of examples, and what it is made of.

    Attributes:
        n_examples: Examples behind every number but the temperature.
        n_classes: Number of classes.
        accuracy: Share of right answers, a fraction.
        raw: Loss and calibration of the scores as they were read.
        temperature: T*, which divides the scores; fitted on `fitted_on`.
        fitted_on: "validation", or "these examples" where no others were given.
        calibrated: Loss and calibration at T*: what the answers cost. The rest of the raw loss is a wrong scale.
        gain_interval: 95 % interval of raw loss minus calibrated loss, nats, paired bootstrap.
        loss_share_on_errors: Share of the raw loss that sits on wrong answers, a fraction.
        nll_on_errors: Mean raw loss of a wrong answer, nats; 0 where there is none.
        reported_loss: The loss that somebody reported, nats, if given.
        nll_reread: Mean loss of the outputs read as what they are, nats: differs from the raw loss where logits were
            taken for probabilities or the other way round.
        bounds: What the loss can be at this accuracy under each reading.
        ruled_out: The readings that cannot give this loss, or the reported one.
        cause: What the loss is due to.
        sentence: The cause with its evidence, without a full stop.
    """

    n_examples: int
    n_classes: int
    accuracy: float
    raw: Calibration
    temperature: float
    fitted_on: str
    calibrated: Calibration
    gain_interval: Interval
    loss_share_on_errors: float
    nll_on_errors: float
    reported_loss: float | None
    nll_reread: float
    bounds: tuple[LossBound, ...]
    ruled_out: tuple[str, ...]
    cause: Cause
    sentence: str

    def __post_init__(self) -> None:
        if not 0 <= self.accuracy <= 1 or not 0 <= self.loss_share_on_errors <= 1 + 1e-9:
            raise ValueError(f"Accuracy and share of the loss must be fractions, but got {self}.")

    def as_dict(self) -> dict[str, float]:
        """Return the numbers flat, under names that JSON and MLflow accept; the words are in `sentence`."""
        numbers = {**_flat(self.raw, ""), **_flat(self.calibrated, "_calibrated")}
        return numbers | {
            "temperature": self.temperature,
            "nll_of_scale": self.raw.nll - self.calibrated.nll,
            "nll_of_scale_low": self.gain_interval.low,
            "nll_of_scale_high": self.gain_interval.high,
            "nll_on_errors": self.nll_on_errors,
            "nll_reread": self.nll_reread,
            "loss_share_on_errors": self.loss_share_on_errors,
        }


def loss_report(
    outputs: ArrayLike,
    labels: ArrayLike,
    *,
    fitted_on: Pair | None = None,
    from_logits: bool = True,
    reported_loss: float | None = None,
    trained_for: str = "",
    seed: int = 0,
    n_labels: int = 1,
) -> LossReport:
    """Return what the loss of these examples is made of, and what it is due to.

    Args:
        outputs: What the model returns, shape (examples, classes), all finite.
        labels: True classes, integers from 0, shape (examples,).
        fitted_on: Outputs and labels of validation examples, to which the temperature is fitted; without them it is
            fitted to these examples, which flatters the calibrated numbers a little (one parameter).
        from_logits: As in Keras' losses: whether the outputs are taken for logits, or for probabilities.
        reported_loss: A mean loss in nats that was reported for these examples, to be explained; at least 0.
        trained_for: The scaling of inputs that the model was trained for, such as "[0, 1]", where it is known.
        seed: Of the bootstrap, at least 0.
        n_labels: How many rows in a row belong to one example: it is the evidence for the temperature, and what the
            intervals of the losses resample; those of calibration errors take each row as an example.

    Raises:
        ValueError: If `check_examples` rejects a pair of arrays, or the reported loss is negative or not finite.
    """
    if reported_loss is not None and not 0 <= reported_loss < math.inf:
        raise ValueError(f"`reported_loss` must be finite and at least 0, but got {reported_loss}.")
    examples = _read(outputs, labels, from_logits)
    fit = examples if fitted_on is None else _read(*fitted_on, from_logits)
    temperature = fit_temperature(fit.scores, fit.classes, n_labels=n_labels)
    all_right = bool(fit.right.all())
    facts = _facts(examples, temperature, seed, from_logits, reported_loss, all_right, trained_for, n_labels)
    cause, bounds = name_cause(facts), loss_bounds(facts.n_classes, 1 - facts.error)
    return LossReport(
        n_examples=len(examples.classes),
        n_classes=facts.n_classes,
        accuracy=1 - facts.error,
        raw=_calibration(examples, 1.0, seed),
        temperature=temperature,
        fitted_on="these examples" if fitted_on is None else "validation",
        calibrated=_calibration(examples, temperature, seed),
        gain_interval=facts.gain_interval,
        loss_share_on_errors=facts.loss_share_on_errors,
        nll_on_errors=_mean_or_0(examples.losses(1.0)[~examples.right]),
        reported_loss=reported_loss,
        nll_reread=facts.reread,
        bounds=bounds,
        ruled_out=tuple(bound.reading for bound in bounds if not bound.allows(facts.seen)),
        cause=cause,
        sentence=cause_sentence(cause, facts),
    )


@dataclass(frozen=True, slots=True)
class _Read:
    """Outputs as a loss reads them; right or wrong by the outputs themselves, because clipping makes ties."""

    rows: NDArray[np.float64]
    classes: NDArray[np.integer]
    scores: NDArray[np.float64]
    right: NDArray[np.bool_]

    def losses(self, temperature: float) -> NDArray[np.float64]:
        return nll_per_example(self.scores / temperature, self.classes)


def _read(outputs: ArrayLike, labels: ArrayLike, from_logits: bool) -> _Read:
    rows, classes = check_examples(outputs, labels)
    return _Read(rows, classes, scores_as_read(rows, from_logits=from_logits), correct_per_example(rows, classes))


def _facts(
    examples: _Read,
    temperature: float,
    seed: int,
    from_logits: bool,
    reported: float | None,
    all_right: bool,
    trained_for: str,
    n_labels: int,
) -> LossFacts:
    losses, calibrated = examples.losses(1.0), examples.losses(temperature)
    by_example, calibrated_by_example = (each.reshape(-1, n_labels).mean(axis=1) for each in (losses, calibrated))
    guessing = math.log(examples.rows.shape[1])
    total, on_errors = float(losses.sum()), float(losses[~examples.right].sum())
    return LossFacts(
        readings=readings(examples.rows, examples.classes),
        from_logits=from_logits,
        are_probabilities=are_probabilities(examples.rows),
        reported=reported,
        nll=float(losses.mean()),
        nll_calibrated=float(calibrated.mean()),
        gain_interval=bootstrap_mean_interval(by_example - calibrated_by_example, seed, n_resamples=1000),
        margin_interval=bootstrap_mean_interval(guessing - calibrated_by_example, seed, n_resamples=1000),
        temperature=temperature,
        all_right=all_right,
        n_classes=examples.rows.shape[1],
        error=1 - float(examples.right.mean()),
        loss_share_on_errors=on_errors / total if total > 0 else 0.0,
        trained_for=trained_for,
    )


def _calibration(examples: _Read, temperature: float, seed: int) -> Calibration:
    probabilities = softmax(examples.scores / temperature, axis=1)
    confidence = probabilities.max(axis=1)
    return Calibration(
        nll=float(examples.losses(temperature).mean()),
        ece=calibration_error(confidence, examples.right, equal_mass=False, seed=seed),
        ece_equal_mass=calibration_error(confidence, examples.right, equal_mass=True, seed=seed),
        brier=brier(probabilities, examples.classes),
    )


def _mean_or_0(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else 0.0


def _flat(calibration: Calibration, suffix: str) -> dict[str, float]:
    numbers = {f"nll{suffix}": calibration.nll, f"brier{suffix}": calibration.brier.score}
    parts = ("reliability", "resolution", "uncertainty")
    numbers |= {f"brier{suffix}_{part}": getattr(calibration.brier, part) for part in parts}
    for name, error in ((f"ece{suffix}", calibration.ece), (f"ece_equal_mass{suffix}", calibration.ece_equal_mass)):
        numbers |= {name: error.value, f"{name}_low": error.interval.low, f"{name}_high": error.interval.high}
        numbers[f"{name}_by_chance"] = error.by_chance
    return numbers
