"""How models of each task are judged: one object with the functions that fit, so that nobody else asks for the task.

    scoring = scoring_of(Task.REGRESSION, deviation)
    scores = scoring.scores(model_outputs, labels)
    scoring.evaluate(scores, labels, val_scores, val_labels).text()

*Scores* are a model's outputs in the form in which the functions here take them: logits of classes, a column each, also
where a binary network has a single logit; logits of labels; or values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tuning.evaluation.calibration import calibrated_nll
from tuning.evaluation.causes import Cause
from tuning.evaluation.comparison import PairedTest, compare_paired
from tuning.evaluation.labels import compare_labels, evaluate_labels, label_errors, label_losses, label_optimism
from tuning.evaluation.loss import LossReport, loss_report
from tuning.evaluation.metrics import Interval, correct_per_example, nll_per_example, yes_or_no
from tuning.evaluation.optimism import SelectionOptimism, selection_optimism
from tuning.evaluation.regression import PairedRegression, RegressionEvaluation, RegressionOptimism
from tuning.evaluation.report import Evaluation, evaluate_model
from tuning.evaluation.residuals import ResidualCause, ResidualReport, residual_report
from tuning.evaluation.values import compare_values, evaluate_values, squared_errors, value_optimism
from tuning.task import Task

Array = NDArray[Any]
AnyEvaluation = Evaluation | RegressionEvaluation
AnyPaired = PairedTest | PairedRegression
AnyReport = LossReport | ResidualReport
AnyCause = Cause | ResidualCause
AnyOptimism = SelectionOptimism | RegressionOptimism


class Scoring(Protocol):
    """Judges models of one task; labels are as `tuning.data` keeps them."""

    def scores(self, outputs: Array, labels: Array) -> Array:
        """A network's outputs, shape (n, outputs), as the scores of these labels."""

    def losses(self, scores: Array, labels: Array) -> Array:
        """What each example costs, in the unit of the search's loss, shape (n,)."""

    def errors(self, scores: Array, labels: Array) -> Array:
        """How wrong each example is, bool or a fraction, shape (n,)."""

    def at(self, scores: Array, temperature: float) -> Array:
        """Scores at a temperature: logits are divided by it."""

    def is_wrong(self, scores: Array, labels: Array) -> Array:
        """Whether anything of an example is wrong, bool, shape (n,); empty where nothing is right or wrong."""

    def calibrated_loss(self, scores: Array, labels: Array) -> float:
        """The mean loss at the temperature fitted to these examples; the mean loss where there is none."""

    def evaluate(self, scores: Array, labels: Array, val_scores: Array, val_labels: Array) -> AnyEvaluation:
        """One model's numbers; what has to be fitted is fitted on the validation examples."""

    def compare(
        self, model: Array, other: Array, labels: Array, *, temperatures: tuple[float, float], seed: int
    ) -> AnyPaired:
        """Two models' scores of the same examples, at the model's and the other's temperature."""

    def report(self, scores: Array, labels: Array, fitted_on: tuple[Array, Array], seed: int) -> AnyReport:
        """Why the loss is what it is."""

    def optimism(self, val: tuple[Array, Array], test: tuple[Array, Array], seed: int) -> AnyOptimism:
        """What the selection flattered: scores and labels of both parts."""


def scoring_of(task: Task, deviation: Array | None = None) -> Scoring:
    """How models of a task are judged.

    Args:
        task: What they learn.
        deviation: Standard deviation of each training target of a regression, shape (numbers,); 1 without it.
    """
    if task is Task.REGRESSION:
        return _Values(np.ones(1) if deviation is None else deviation)
    return _Labels() if task is Task.MULTILABEL else _Classes()


def read_evaluation(facts: Mapping[str, Any]) -> AnyEvaluation:
    """A model's numbers from plain data, as `dataclasses.asdict` writes them; other keys are left alone."""
    kind: type[Any] = RegressionEvaluation if "rmse" in facts else Evaluation
    known = {field.name: facts[field.name] for field in fields(kind) if field.name in facts}
    found: AnyEvaluation = kind(**{name: _interval_or(each) for name, each in known.items()})
    return found


def _interval_or(value: Any) -> Any:  # noqa: ANN401 - whatever a field holds
    return Interval(**value) if isinstance(value, Mapping) else value


class _Classes:
    def scores(self, outputs: Array, labels: Array) -> Array:
        return yes_or_no(outputs) if outputs.shape[1] == 1 else outputs

    def losses(self, scores: Array, labels: Array) -> Array:
        return nll_per_example(scores, labels)

    def errors(self, scores: Array, labels: Array) -> Array:
        return ~correct_per_example(scores, labels)

    def at(self, scores: Array, temperature: float) -> Array:
        return scores / temperature

    def is_wrong(self, scores: Array, labels: Array) -> Array:
        return self.errors(scores, labels)

    def calibrated_loss(self, scores: Array, labels: Array) -> float:
        return calibrated_nll(scores, labels)

    def evaluate(self, scores: Array, labels: Array, val_scores: Array, val_labels: Array) -> Evaluation:
        return evaluate_model(scores, labels, validation_logits=val_scores, validation_labels=val_labels)

    def compare(
        self, model: Array, other: Array, labels: Array, *, temperatures: tuple[float, float], seed: int
    ) -> PairedTest:
        one, two = temperatures
        return compare_paired(model, other, labels, model_temperature=one, baseline_temperature=two, seed=seed)

    def report(self, scores: Array, labels: Array, fitted_on: tuple[Array, Array], seed: int) -> LossReport:
        return loss_report(scores, labels, fitted_on=fitted_on, seed=seed)

    def optimism(self, val: tuple[Array, Array], test: tuple[Array, Array], seed: int) -> SelectionOptimism:
        return selection_optimism(*val, *test, seed=seed)


class _Labels:
    def scores(self, outputs: Array, labels: Array) -> Array:
        return outputs

    def losses(self, scores: Array, labels: Array) -> Array:
        return label_losses(scores, labels)

    def errors(self, scores: Array, labels: Array) -> Array:
        return label_errors(scores, labels)

    def at(self, scores: Array, temperature: float) -> Array:
        return scores / temperature

    def is_wrong(self, scores: Array, labels: Array) -> Array:
        return self.errors(scores, labels) > 0

    def calibrated_loss(self, scores: Array, labels: Array) -> float:
        return calibrated_nll(yes_or_no(scores), labels.ravel())

    def evaluate(self, scores: Array, labels: Array, val_scores: Array, val_labels: Array) -> Evaluation:
        return evaluate_labels(scores, labels, validation_logits=val_scores, validation_labels=val_labels)

    def compare(
        self, model: Array, other: Array, labels: Array, *, temperatures: tuple[float, float], seed: int
    ) -> PairedTest:
        one, two = temperatures
        return compare_labels(model, other, labels, model_temperature=one, baseline_temperature=two, seed=seed)

    def report(self, scores: Array, labels: Array, fitted_on: tuple[Array, Array], seed: int) -> LossReport:
        val_scores, val_labels = fitted_on
        validation = yes_or_no(val_scores), val_labels.ravel()
        rows = yes_or_no(scores), labels.ravel()
        return loss_report(*rows, fitted_on=validation, seed=seed, n_labels=labels.shape[1])

    def optimism(self, val: tuple[Array, Array], test: tuple[Array, Array], seed: int) -> SelectionOptimism:
        return label_optimism(*val, *test, seed=seed)


@dataclass(frozen=True)
class _Values:
    deviation: Array

    def scores(self, outputs: Array, labels: Array) -> Array:
        return outputs.reshape(labels.shape)

    def losses(self, scores: Array, labels: Array) -> Array:
        return squared_errors(scores, labels, self.deviation)

    def errors(self, scores: Array, labels: Array) -> Array:
        return squared_errors(scores, labels, self.deviation)

    def at(self, scores: Array, temperature: float) -> Array:
        return scores

    def is_wrong(self, scores: Array, labels: Array) -> Array:
        return np.empty(0, np.bool_)

    def calibrated_loss(self, scores: Array, labels: Array) -> float:
        return float(self.losses(scores, labels).mean())

    def evaluate(self, scores: Array, labels: Array, val_scores: Array, val_labels: Array) -> RegressionEvaluation:
        return evaluate_values(scores, labels, self.deviation)

    def compare(
        self, model: Array, other: Array, labels: Array, *, temperatures: tuple[float, float], seed: int
    ) -> PairedRegression:
        return compare_values(model, other, labels, self.deviation, seed=seed)

    def report(self, scores: Array, labels: Array, fitted_on: tuple[Array, Array], seed: int) -> ResidualReport:
        return residual_report(scores, labels, self.deviation, seed=seed)

    def optimism(self, val: tuple[Array, Array], test: tuple[Array, Array], seed: int) -> RegressionOptimism:
        return value_optimism(*val, *test, seed=seed)
