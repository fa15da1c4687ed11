"""What the learning curves of one trial say: too little capacity, too much, or not trained enough?

Overfitting shows in two currencies. A model that grows too sure of itself raises the validation *loss* while
its decisions may still improve; only when the validation *error* turns as well do the decisions overfit.
A regression has no such decisions: its overfit is one of them, whenever the loss turns.
Differences count in units of their own standard error, so that the same rules hold for 300 validation
examples and for 10,000.

    diagnosis = diagnose(curves)
    diagnosis.state      # FitState.OVERFIT_CONFIDENCE
    diagnosis.sentence   # 'overfits in confidence: validation loss rose 12 % above its best (epoch 7) ...'

Sources: Prechelt 1998, "Early Stopping - But When?"; Guo et al. 2017, section 3 (loss overfits before error);
Goodfellow, Bengio and Courville 2016, chapter 11; Google's Deep Learning Tuning Playbook (perfect fit).
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import takewhile

from tuning.strategy.learning_curves import LearningCurves, Measures, measure


class FitState(StrEnum):
    """What the learning curves of a trial show."""

    DIVERGED = "diverged"
    UNDERTRAINED = "undertrained"
    UNDERFIT = "underfit"
    CAPACITY_REACHED = "capacity_reached"
    OVERFIT_CONFIDENCE = "overfit_confidence"
    OVERFIT_DECISIONS = "overfit_decisions"
    FIT = "fit"


@dataclass(frozen=True, slots=True)
class FitDiagnosis:
    """The fit state of one trial, with the evidence.

    Attributes:
        state: What the curves show.
        sentence: The same in words with its numbers.
        numbers: Every measured number by name, finite and ready for JSON: losses in nats, errors as
            fractions, epochs from 1, gaps and standard errors of errors at the last epoch.
            Curves that are not finite give `n_epochs` and `first_non_finite_epoch` alone.
        has_reached_capacity: Whether the model fits its training set perfectly, whatever the state.
    """

    state: FitState
    sentence: str
    numbers: Mapping[str, float]
    has_reached_capacity: bool

    @property
    def crossed_border(self) -> bool:
        """Whether the capacity is enough to overfit: a perfect fit of the training set, or an overfit."""
        overfit = (FitState.OVERFIT_CONFIDENCE, FitState.OVERFIT_DECISIONS)
        return self.has_reached_capacity or self.state in overfit


def diagnose(curves: LearningCurves) -> FitDiagnosis:
    """Return what the learning curves of one trial show.

    The first state that holds is the answer: diverged; overfit in decisions or in confidence, because the
    curve shows it; undertrained; underfit; a perfect fit of the training set without visible overfit; fit.

    Args:
        curves: Clean curves of the whole training, the epochs after the best one included.
    """
    if (epoch := _first_non_finite_epoch(curves)) is not None:
        n_epochs = len(curves.val_loss)
        sentence = f"diverged: losses or errors are not finite from epoch {epoch} of {n_epochs} on"
        where = {"n_epochs": n_epochs, "first_non_finite_epoch": epoch}
        return FitDiagnosis(FitState.DIVERGED, sentence, where, has_reached_capacity=False)
    measures = measure(curves)
    state = _state(measures)
    numbers = {name: value for name, value in asdict(measures).items() if name != "n_classes"}
    return FitDiagnosis(state, _sentence(state, measures), numbers, measures.has_reached_capacity)


def _first_non_finite_epoch(curves: LearningCurves) -> int | None:
    epochs = list(zip(curves.train_loss, curves.train_error, curves.val_loss, curves.val_error, strict=True))
    n_finite = sum(1 for _ in takewhile(lambda epoch: all(map(math.isfinite, epoch)), epochs))
    if n_finite == len(epochs) and math.isfinite(curves.val_loss_sd):
        return None
    return min(n_finite + 1, len(epochs))


def _state(measures: Measures) -> FitState:
    in_order = (
        (measures.has_diverged, FitState.DIVERGED),
        (measures.overfits_decisions, FitState.OVERFIT_DECISIONS),
        (measures.overfits_confidence, FitState.OVERFIT_CONFIDENCE),
        (measures.is_undertrained, FitState.UNDERTRAINED),
        (measures.underfits, FitState.UNDERFIT),
        (measures.has_reached_capacity, FitState.CAPACITY_REACHED),
    )
    return next((state for holds, state in in_order if holds), FitState.FIT)


def _sentence(state: FitState, m: Measures) -> str:
    of_what = " of the variance" if m.is_regression else ""
    train_error, val_error = (f"{100 * error:.1f} %{of_what}" for error in (m.train_error_last, m.val_error_last))
    above_best = f"{m.generalization_loss_percent:.0f} % above its best (epoch {m.best_epoch})"
    match state:
        case FitState.DIVERGED:
            if m.is_regression:
                return f"diverged: train error {train_error}, where the mean alone has 100 %"
            return f"diverged: train loss {m.train_loss_last:.2f}, where guessing has {m.guessing_loss:.2f}"
        case FitState.OVERFIT_DECISIONS if m.is_regression:
            return f"overfits: validation loss rose {above_best}, train error {train_error}, validation {val_error}"
        case FitState.OVERFIT_DECISIONS:
            return (
                f"overfits in decisions: validation error rose from {100 * m.val_error_best:.1f} % "
                f"to {val_error}, validation loss {above_best}"
            )
        case FitState.OVERFIT_CONFIDENCE:
            return f"overfits in confidence: validation loss rose {above_best}, train error is {train_error}"
        case FitState.UNDERTRAINED:
            return (
                f"undertrained: validation loss still fell by {-m.val_loss_slope:.2g} an epoch, "
                f"best at epoch {m.best_epoch} of {m.n_epochs}"
            )
        case FitState.UNDERFIT:
            return f"underfits: train error {train_error} is about as high as validation error {val_error}"
        case FitState.CAPACITY_REACHED:
            return (
                f"fits the training set perfectly (train error {train_error}) without visible overfit: "
                f"validation loss {above_best}"
            )
        case FitState.FIT:
            return f"fits: train error {train_error}, validation error {val_error}, validation loss {above_best}"
