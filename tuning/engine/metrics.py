"""The metrics of one epoch, from clean predictions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tuning.evaluation.calibration import calibrated_nll
from tuning.evaluation.metrics import yes_or_no

if TYPE_CHECKING:  # the process that holds a study reads metrics and never imports TensorFlow
    from tuning.engine.criterion import Criterion

_N_METRICS = 7

# Enough for an error's standard error of 0.1 points at 0.25 % train error, and 2 % of an epoch's arithmetic.
_TRAIN_SAMPLE_SIZE = 2_500


def train_sample(n_train: int) -> NDArray[np.intp]:
    """Positions of the train examples on which every network of a study is measured, the same for all of them."""
    return np.random.default_rng(0).permutation(n_train)[:_TRAIN_SAMPLE_SIZE]


@dataclass(frozen=True)
class Predictions:
    """Clean outputs of a model and what they cost, an entry an example.

    Args:
        outputs: Shape (n, ...), or nested where the model has several.
        losses: Shape (n,), in nats for a cross-entropy; one number, the mean, where a loss has no value an example.
        errors: As fractions, shape (n,): whether it is wrong, bool; or the share that is, float32; or, of values, the
            squared error as a share of the training targets' variance. Empty where a loss says nothing of errors.
    """

    outputs: Any
    losses: NDArray[np.float32]
    errors: NDArray[np.bool_] | NDArray[np.float32]

    @property
    def is_finite(self) -> bool:
        """Whether every output and every loss is a finite number."""
        return all(bool(np.isfinite(array).all()) for array in (*_arrays(self.outputs), self.losses))

    @property
    def loss(self) -> float:
        """The mean loss."""
        return float(self.losses.mean(dtype=np.float64))

    @property
    def loss_sd(self) -> float:
        """Standard deviation of an example's loss; NaN where there is no value an example."""
        return float(self.losses.std(dtype=np.float64)) if len(self.losses) > 1 else math.nan

    @property
    def error(self) -> float:
        """The mean error; NaN where there is none."""
        return float(self.errors.mean(dtype=np.float64)) if len(self.errors) else math.nan

    @property
    def error_sd(self) -> float:
        """Standard deviation of an example's error; NaN where there is none.

        A perfect score on n examples is no proof of a perfect model: it counts as one error more or less.
        """
        if not len(self.errors):
            return math.nan
        one_more = 1 / math.sqrt(len(self.errors))
        if self.errors.dtype == np.bool_:
            return max(math.sqrt(self.error * (1 - self.error)), one_more)
        return float(self.errors.std(dtype=np.float64)) or one_more

    def costs(self, metric: str) -> NDArray[np.float32] | NDArray[np.bool_]:
        """What the mean of a metric (a field of `EpochMetrics`) is taken of, an entry an example: losses or errors."""
        return self.errors if metric == "val_error" else self.losses


@dataclass(frozen=True)
class EpochMetrics:
    """Clean metrics at the end of an epoch; losses in the unit of the task (see `task_criterion`), errors as fractions.

    `val_calibrated_loss` is the validation loss at its best temperature: what the network's decisions are worth once
    their confidence is put right. Raw loss turns up long before the decisions get worse (Guo et al. 2017). For a loss
    without a temperature it is the raw one, and without right or wrong the errors are NaN.
    """

    train_loss: float
    train_error: float
    val_loss: float
    val_error: float
    val_calibrated_loss: float
    val_loss_sd: float  # standard deviation of the per-example validation loss
    val_error_sd: float = math.nan  # standard deviation of the per-example validation error


def epoch_metrics(train: Predictions, val: Predictions, val_labels: Any, criterion: Criterion) -> EpochMetrics:  # noqa: ANN401
    """Measure clean predictions; NaN throughout where the network diverged."""
    if not (train.is_finite and val.is_finite):
        return EpochMetrics(*[math.nan] * _N_METRICS)
    return EpochMetrics(
        train_loss=train.loss,
        train_error=train.error,
        val_loss=val.loss,
        val_error=val.error,
        val_calibrated_loss=_calibrated_loss(val, val_labels, criterion),
        val_loss_sd=val.loss_sd,
        val_error_sd=val.error_sd,
    )


def paired_stderr(first: Predictions, second: Predictions) -> float:
    """Standard error of the difference of two mean losses on the same examples; NaN if a network diverged.

    Paired, because most of what makes examples differ in loss is the same for both networks and cancels.
    """
    if not (first.is_finite and second.is_finite) or len(first.losses) < 2:
        return math.nan
    differences = second.losses.astype(np.float64) - first.losses
    return float(differences.std() / np.sqrt(len(differences)))


def value_stderr(metrics: EpochMetrics, metric: str, n_val: int) -> float:
    """Standard error of one of an epoch's validation metrics, a field of `EpochMetrics`, over the examples."""
    deviation = metrics.val_error_sd if metric == "val_error" else metrics.val_loss_sd
    return deviation / math.sqrt(n_val)


def _arrays(outputs: Any) -> Iterator[NDArray[Any]]:  # noqa: ANN401 - nested
    """The arrays of a list, a dict or a single one."""
    if isinstance(outputs, dict):
        outputs = list(outputs.values())
    if isinstance(outputs, list | tuple):
        for each in outputs:
            yield from _arrays(each)
    else:
        yield outputs


def _calibrated_loss(val: Predictions, labels: Any, criterion: Criterion) -> float:  # noqa: ANN401
    logits = None if isinstance(val.outputs, list | tuple | dict) else criterion.logits(val.outputs)
    if logits is None:
        return val.loss
    answers = np.asarray(labels).astype(np.int64)
    is_yes_or_no = answers.size == logits.size  # a logit for each answer
    return calibrated_nll(yes_or_no(logits) if is_yes_or_no else logits, answers.ravel())
