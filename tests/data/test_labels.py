"""What labels mean, and what is refused because it could mean something else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuning.data import Dataset, load_dataset
from tuning.data.labels import as_labels, task_of
from tuning.errors import DataError
from tuning.task import Task

Arrays = dict[str, Any]
Load = Callable[..., Dataset]
ROWS = np.random.default_rng(0).normal(size=(60, 3))
TAGS = np.random.default_rng(1).integers(0, 2, (60, 4))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (np.arange(60) % 3, Task.MULTICLASS),
        (np.arange(60) % 2, Task.MULTICLASS),
        (np.arange(60) % 2 == 0, Task.MULTICLASS),
        (TAGS, Task.MULTILABEL),
        (TAGS.astype(np.float32), Task.MULTILABEL),
        (TAGS == 1, Task.MULTILABEL),
        (ROWS[:, 0], Task.REGRESSION),
        (ROWS[:, :2], Task.REGRESSION),
        (np.arange(25.0, 85.0), Task.REGRESSION),
    ],
)
def test_task_is_read_from_the_labels(labels: np.ndarray, expected: Task) -> None:
    """By type, shape and values, in the table of `infer_task`."""
    assert expected == task_of(labels, None)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.eye(3)[np.arange(60) % 3], "argmax.*--task multilabel"),
        (np.arange(60) % 3 * 1.0, r"astype\('int64'\).*from 0 to 2.*--task regression"),
    ],
)
def test_labels_of_two_meanings_are_refused(labels: np.ndarray, message: str) -> None:
    """One-hot rows may be labels, whole floats may be classes: the message has both ways out."""
    with pytest.raises(DataError, match=message):
        task_of(labels, None)


@pytest.mark.parametrize("task", Task)
def test_the_users_word_holds(task: Task) -> None:
    """Whoever names the task is not contradicted; the checks of that task say what is wrong."""
    assert task == task_of(np.eye(3)[np.arange(60) % 3], task)


@pytest.mark.parametrize(
    ("task", "labels", "message"),
    [
        (Task.BINARY, np.arange(60) % 3, "binary labels must be 0 and 1, but y_train has 3 classes"),
        (Task.BINARY, ROWS[:, 0], "y_train is float64"),
        (Task.MULTILABEL, np.arange(60) % 2, r"y_train is int64 of shape \(60,\) from 0 to 1"),
        (Task.MULTILABEL, TAGS * 2, "from 0 to 2: use scikit-learn's MultiLabelBinarizer"),
        (Task.MULTILABEL, TAGS * [1, 0, 1, 1], "label 1 of y_train is always 0: leave it out"),
        (Task.REGRESSION, np.full(60, 2.5), "number 0 of y_train is always 2.5: leave it out"),
        (Task.REGRESSION, np.where(np.arange(60) < 2, np.nan, 1.5), "y_train has 2 NaN or infinite values"),
        (Task.REGRESSION, np.full(60, "3,5"), "y_train is <U3 of shape .*for numbers kept as text"),
        (Task.REGRESSION, ROWS.reshape(60, 3, 1), r"float64 of shape \(60, 3, 1\)"),
    ],
)
def test_labels_that_do_not_fit_their_task_are_refused(
    load: Load, task: Task, labels: np.ndarray, message: str
) -> None:
    """One sentence with the rule, the value and the way out."""
    with pytest.raises(DataError, match=rf"^file own\.npz: .*{message}"):
        load({"x_train": ROWS, "y_train": labels}, task=task)


def test_test_labels_have_the_shape_of_the_training_labels(load: Load) -> None:
    """A test set with one label less is refused."""
    with pytest.raises(DataError, match=r"\(4,\) and those of y_test \(3,\)"):
        load({"x_train": ROWS, "y_train": TAGS, "x_test": ROWS, "y_test": TAGS[:, :3]})


def test_too_few_numbers_for_three_parts_are_refused(load: Load) -> None:
    """Without classes there is still a part to be filled."""
    with pytest.raises(DataError, match="test part, a fifth of the examples, must hold at least 5, but there are 20"):
        load({"x_train": ROWS[:20], "y_train": ROWS[:20, 0]})


def test_column_of_numbers_is_one_number() -> None:
    """As Keras users have it; a class number in a column stays an error, which other tests show."""
    labels = as_labels("y_train", ROWS[:, :1], Task.REGRESSION)

    assert ((60,), np.float32) == (labels.shape, labels.dtype)


@pytest.mark.parametrize(
    ("task", "labels", "n_outputs", "n_classes"),
    [
        (Task.MULTICLASS, np.arange(60) % 3, 3, 3),
        (Task.BINARY, np.arange(60) % 2, 1, 2),
        (Task.MULTILABEL, TAGS, 4, 2),
        (Task.REGRESSION, ROWS[:, 0], 1, 0),
        (Task.REGRESSION, ROWS[:, :2], 2, 0),
    ],
)
def test_data_set_knows_the_outputs_of_its_networks(
    load: Load, task: Task, labels: np.ndarray, n_outputs: int, n_classes: int
) -> None:
    """A logit a class or a label, one for binary, a value a number; the part for training knows the same."""
    data = load({"x_train": ROWS, "y_train": labels}, task=task)

    for part in (data, data.for_training):
        assert (task, n_outputs, n_classes) == (part.task, part.n_outputs, part.n_classes)
        assert (part.target_scaling is not None) == (task is Task.REGRESSION)
    assert (39, 9, 12) == (len(data.train), len(data.validation), data.test.n_examples)


def test_target_scaling_is_that_of_the_training_part(load: Load) -> None:
    """Mean and standard deviation of each number, in its own unit."""
    data = load({"x_train": ROWS, "y_train": ROWS[:, :2] * [1, 100] + [5, 0]})

    assert data.target_scaling is not None
    np.testing.assert_allclose(data.target_scaling.mean, data.train.labels.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(data.target_scaling.deviation, data.train.labels.std(axis=0), rtol=1e-5)


def test_diabetes(tmp_path: Path) -> None:
    """scikit-learn's regression set: 442 patients, ten measurements, one number from 25 to 346."""
    data = load_dataset("diabetes", seed=0, environ={})

    assert (Task.REGRESSION, (10,), np.float32) == (data.task, data.input_shape, data.train.labels.dtype)
    assert (284, 70, 88) == (len(data.train), len(data.validation), data.test.n_examples)


@pytest.mark.parametrize("task", [None, *Task])
@pytest.mark.parametrize("labels", [np.zeros(0), np.zeros(0, int), np.zeros((0, 3), int), np.zeros((3, 0))])
def test_no_labels_are_said_to_be_none(labels: np.ndarray, task: Task | None) -> None:
    """Whatever they would be labels of."""
    with pytest.raises(DataError, match=r"must be labels, but y_train has the shape \("):
        as_labels("y_train", labels, task_of(labels, task))
