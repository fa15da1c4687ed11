"""What a network is to learn: classes, labels or numbers; told by the user or read from the labels.

>>> import numpy as np
>>> infer_task(np.array([0, 2, 1]))
<Task.MULTICLASS: 'multiclass'>
>>> infer_task(np.array([[0, 1, 1], [0, 0, 0]]))
<Task.MULTILABEL: 'multilabel'>
>>> infer_task(np.array([151.0, 75.5]))
<Task.REGRESSION: 'regression'>
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Task(StrEnum):
    """What the outputs of a network stand for."""

    MULTICLASS = "multiclass"  # one class of two or more: a logit for each
    BINARY = "binary"  # one class of two: a single logit, that of class 1
    MULTILABEL = "multilabel"  # any number of labels at once, each yes or no: a logit for each
    REGRESSION = "regression"  # one number or several, in the unit of the labels

    @property
    def score(self) -> str:
        """What 1 - error is called: accuracy, or R^2 of a regression."""
        return "r2" if self is Task.REGRESSION else "accuracy"

    @property
    def loss_unit(self) -> str:
        """Of the loss that a network which is not compiled is trained on."""
        return "share of variance" if self is Task.REGRESSION else "nats"

    @property
    def has_classes(self) -> bool:
        """Whether an example belongs to exactly one class."""
        return self in (Task.MULTICLASS, Task.BINARY)


def infer_task(labels: NDArray[Any]) -> Task:
    """Read the task from the labels.

    | labels | task |
    |---|---|
    | whole numbers or booleans, shape (n,) | multiclass, also where there are two classes |
    | nothing but 0 and 1, shape (n, labels), two labels or more | multilabel |
    | fractions, shape (n,) or (n, numbers) | regression |

    `binary` is never inferred: two classes as two logits are the same model, and every part of the project knows them;
    it is for whoever wants, or has, a network with a single logit.

    Args:
        labels: As the user has them. What fits no row counts as multiclass, whose checks then say what is wrong.
    """
    is_table = labels.ndim == 2 and labels.shape[1] > 1
    if is_table and labels.dtype.kind in "biuf" and is_zero_or_one(labels):
        return Task.MULTILABEL
    if labels.dtype.kind == "f" and labels.ndim in (1, 2):
        return Task.REGRESSION
    return Task.MULTICLASS


def is_zero_or_one(labels: NDArray[Any]) -> bool:
    """Whether the labels hold nothing but 0 and 1."""
    return bool(np.isin(labels, (0, 1)).all())


def n_outputs(task: Task, labels: NDArray[Any]) -> int:
    """How many numbers a network of this task gives for an example.

    Args:
        task: What it learns.
        labels: As `tuning.data` keeps them: class numbers, shape (n,); 0 and 1, shape (n, labels); or numbers, shape
            (n,) or (n, numbers).
    """
    if task is Task.MULTICLASS:
        return int(labels.max()) + 1
    return labels.shape[1] if labels.ndim == 2 else 1
