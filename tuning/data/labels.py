"""The labels of each task, checked and brought into one form.

    task = task_of(y_train, None)                     # Task.MULTICLASS
    labels = as_labels("y_train", y_train, task)      # int64, shape (n,)

The same numbers can mean two tasks; where that is so, nothing is guessed.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuning.errors import DataError
from tuning.task import Task, infer_task, is_zero_or_one

Labels = NDArray[Any]


def task_of(labels: Labels, wanted: Task | None) -> Task:
    """Return the task: the one that the user named, or what the labels say.

    Args:
        labels: y_train as the user has it.
        wanted: The user's word, or None.

    Raises:
        DataError: there are none, or they can mean two tasks, and nobody said which.
    """
    _check_any("y_train", labels)
    if wanted is not None:
        return wanted
    task = infer_task(labels)
    if task is Task.MULTILABEL and bool((np.asarray(labels, np.int64).sum(axis=1) == 1).all()):
        raise DataError(
            f"labels must be one class number an example, but y_train has the shape {labels.shape}: use "
            "numpy.argmax(y, axis=1) for one-hot labels, or --task multilabel if they are labels of which each "
            "example happens to have one."
        )
    if task is Task.REGRESSION and _are_class_numbers(labels):
        raise DataError(
            f"labels must be integers or fractions, but y_train is {labels.dtype}: use y.astype('int64') for its "
            f"whole numbers from 0 to {labels.max():g} if they are classes, --task regression if they are amounts."
        )
    return task


def as_labels(key: str, labels: Labels, task: Task) -> Labels:
    """Return the labels in the form of their task, once they are sound.

    Args:
        key: Name of the array, for messages.
        labels: As the user has them.
        task: What they are labels of.

    Returns:
        Class numbers, int64, shape (n,); 0 and 1, int64, shape (n, labels); or numbers, float32, shape (n,) or
        (n, numbers).

    Raises:
        DataError: the first rule that does not hold.
    """
    _check_any(key, labels)
    return _FORMS[task](key, labels)


def _check_any(key: str, labels: Labels) -> None:
    if labels.size == 0:
        raise DataError(f"there must be labels, but {key} has the shape {labels.shape}: add examples.")


def check_train_labels(labels: Labels, task: Task) -> None:
    """Check that there is something to learn: several classes, or labels and numbers that differ.

    Args:
        labels: Of the training examples, as `as_labels` gives them.
        task: What they are labels of.

    Raises:
        DataError: the first rule that does not hold.
    """
    if task.has_classes:
        _check_classes(labels, task)
        return
    columns = labels.reshape(len(labels), -1)
    constant = np.flatnonzero((columns == columns[0]).all(axis=0))
    if len(constant):
        what = "label" if task is Task.MULTILABEL else "number"
        raise DataError(
            f"every {what} must differ between examples, but {what} {constant[0]} of y_train is always "
            f"{columns[0, constant[0]]:g}: leave it out."
        )


def check_test_labels(train: Labels, test: Labels, task: Task) -> None:
    """Check that the test asks for what was taught; both as `as_labels` gives them.

    Raises:
        DataError: the test has a class or a column that the training examples lack.
    """
    if train.shape[1:] != test.shape[1:]:
        raise DataError(
            f"all labels must have one shape, but those of y_train have {train.shape[1:]} and those of y_test "
            f"{test.shape[1:]}: prepare both alike."
        )
    unseen = np.setdiff1d(test, train)
    if task.has_classes and len(unseen):
        raise DataError(
            f"classes of y_test must occur in y_train, but class {unseen[0]} does not: "
            "add examples of it to train or leave it out of the test."
        )


def _are_class_numbers(labels: Labels) -> bool:
    """Whether floats are the whole numbers 0 to n - 1, each of them there: classes in the wrong type, or counts."""
    values = np.unique(labels)
    return labels.ndim == 1 and np.array_equal(values, np.arange(len(values)))


def _class_numbers(key: str, labels: Labels) -> Labels:
    if labels.ndim != 1:
        raise DataError(
            f"labels must be one class number an example, but {key} has the shape {labels.shape}: use "
            "numpy.argmax(y, axis=1) for one-hot labels, y.ravel() for a column."
        )
    if labels.dtype.kind not in "biu":
        raise DataError(
            f"labels must be integers, but {key} is {labels.dtype}: use y.astype('int64') for whole numbers, "
            "numpy.unique(y, return_inverse=True)[1] for names."
        )
    return labels.astype(np.int64, copy=False)


def _yes_or_no(key: str, labels: Labels) -> Labels:
    if labels.ndim != 2 or labels.dtype.kind not in "biuf" or not is_zero_or_one(labels):
        raise DataError(
            f"multilabel labels must be 0 and 1 of shape (examples, labels), but {key} is {labels.dtype} of shape "
            f"{labels.shape}{_range_of(labels)}: use scikit-learn's MultiLabelBinarizer for lists of labels."
        )
    return labels.astype(np.int64, copy=False)


def _numbers(key: str, labels: Labels) -> Labels:
    if labels.ndim not in (1, 2) or labels.dtype.kind not in "biuf":
        raise DataError(
            f"the numbers to predict must have the shape (examples,) or (examples, numbers), but {key} is "
            f"{labels.dtype} of shape {labels.shape}: use y.astype('float32') for numbers kept as text."
        )
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is counted below
        values = labels.astype(np.float32, copy=False)
    n_bad = values.size - np.count_nonzero(np.isfinite(values))
    if n_bad:
        raise DataError(
            f"the numbers to predict must be finite in float32, but {key} has {n_bad} NaN or infinite values: "
            "leave these examples out."
        )
    return values.ravel() if values.ndim == 2 and values.shape[1] == 1 else values


def _range_of(labels: Labels) -> str:
    is_range = labels.dtype.kind in "biuf" and labels.size > 0
    return f" from {labels.min():g} to {labels.max():g}" if is_range else ""


def _check_classes(labels: Labels, task: Task) -> None:
    classes = np.unique(labels)
    if len(classes) < 2:
        raise DataError(
            f"there must be at least two classes, but y_train has only class {classes[0]}: "
            "add examples of another class."
        )
    if classes[0] < 0 or classes[-1] >= len(classes):
        raise DataError(
            f"labels must be 0 to n-1 with examples of each, but y_train has {len(classes)} different ones "
            f"from {classes[0]} to {classes[-1]}: renumber them by numpy.unique(y, return_inverse=True)[1]."
        )
    if task is Task.BINARY and len(classes) > 2:
        raise DataError(
            f"binary labels must be 0 and 1, but y_train has {len(classes)} classes: use --task multiclass for more."
        )


_FORMS: Mapping[Task, Callable[[str, Labels], Labels]] = {
    Task.MULTICLASS: _class_numbers,
    Task.BINARY: _class_numbers,
    Task.MULTILABEL: _yes_or_no,
    Task.REGRESSION: _numbers,
}
