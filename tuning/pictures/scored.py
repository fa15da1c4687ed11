"""A model's raw scores on labelled examples: what most pictures of a model are drawn from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from tuning.evaluation.metrics import yes_or_no
from tuning.pictures.values_picture import Predicted
from tuning.task import Task


@dataclass(frozen=True, eq=False, slots=True)
class Scored:
    """A model's raw scores on labelled examples.

    Args:
        logits: Shape (examples, classes).
        labels: Class numbers, shape (examples,).
        temperature: Fitted on validation examples, above 0.

    Raises:
        ValueError: If the arrays do not belong together or the temperature is not above 0.
    """

    logits: NDArray[Any]
    labels: NDArray[np.int64]
    temperature: float

    def __post_init__(self) -> None:
        if self.logits.ndim != 2 or self.labels.shape != self.logits.shape[:1]:
            raise ValueError(f"Logits and labels must belong together, got {self.logits.shape}, {self.labels.shape}.")
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"`temperature` must be finite and above 0, got {self.temperature}.")

    def probabilities(self, *, calibrated: bool = True) -> NDArray[np.float64]:
        """Softmax of the logits, at the temperature unless told otherwise, shape (examples, classes)."""
        scores = np.asarray(self.logits, np.float64)
        return np.asarray(softmax(scores / self.temperature if calibrated else scores, axis=1))


def drawn_scores(
    scores: NDArray[Any], labels: NDArray[Any], temperature: float, task: Task = Task.MULTICLASS
) -> Scored | Predicted:
    """What pictures of a model are drawn from; each of several labels counts as an example of yes or no.

    Args:
        scores: As `tuning.evaluation` takes them for the task.
        labels: True.
        temperature: Fitted on validation examples, above 0.
        task: What the model learned.
    """
    if task is Task.REGRESSION:
        return Predicted(scores, labels)
    if task is Task.MULTILABEL:
        return Scored(yes_or_no(scores), labels.ravel(), temperature)
    return Scored(scores, labels, temperature)
