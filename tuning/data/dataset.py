"""A data set ready for a study: checked, split, its test part sealed, identified by a digest.

data = load_dataset("mnist5k", seed=7, environ=os.environ)
data.train.inputs.shape      # (3200, 28, 28)
data.validation.labels       # (800,) class numbers
data.test.open()             # once, at the very end
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuning.data.checks import check_arrays, count_shared
from tuning.data.examples import Examples
from tuning.data.labels import task_of
from tuning.data.scaling import InputScaling, TargetScaling, input_scaling, target_scaling
from tuning.data.sealed import SealedTest
from tuning.data.sources import Source, find_source
from tuning.data.split import Parts, data_digest, split_examples
from tuning.errors import DataError
from tuning.task import Task, n_outputs


@dataclass(frozen=True, eq=False, slots=True)
class Dataset:
    """What a study learns from, is judged on, and is finally tested on.

    Args:
        name: a known name of `tuning.data.sources` or the stem of the user's file.
        source: where it came from, for people.
        train: the part that weights are fitted to.
        validation: the part that decides between configurations.
        test: the part that only the end of the study sees.
        n_classes: number of classes, whose labels are 0 to n_classes - 1; 2 where each label is yes or no; 0 for a
            regression.
        input_shape: shape of one input, as the data gave it.
        scaling: how a model scales raw inputs, from the training part.
        digest: SHA-256 in hex of all six arrays.
        notes: warnings, a sentence each.
        task: what the labels mean.

    Raises:
        ValueError: train or validation do not have this shape or these classes.
    """

    name: str
    source: str
    train: Examples
    validation: Examples
    test: SealedTest
    n_classes: int
    input_shape: tuple[int, ...]
    scaling: InputScaling
    digest: str
    notes: tuple[str, ...] = ()
    task: Task = Task.MULTICLASS

    def __post_init__(self) -> None:
        for part in (self.train, self.validation):
            if part.inputs.shape[1:] != self.input_shape:
                raise ValueError(f"inputs must be {self.input_shape} each, but got {part.inputs.shape[1:]}.")
            if self.task.has_classes and set(np.unique(part.labels)) != set(range(self.n_classes)):
                raise ValueError(f"each part must hold all of the {self.n_classes} classes and no other.")

    @property
    def n_outputs(self) -> int:
        """How many numbers a network gives for an example: logits, or the predicted numbers."""
        return self.for_training.n_outputs

    @property
    def target_scaling(self) -> TargetScaling | None:
        """Mean and deviation of the training targets of a regression; None for other tasks."""
        return self.for_training.target_scaling

    @property
    def for_training(self) -> "TrainingData":
        """What another process may have of it: all but the sealed test part."""
        return TrainingData(self.train, self.validation, self.n_classes, self.input_shape, self.scaling, self.task)


@dataclass(frozen=True, eq=False, slots=True)
class TrainingData:
    """What a process that trains gets of a data set: everything but the test part. Fields as in `Dataset`."""

    train: Examples
    validation: Examples
    n_classes: int
    input_shape: tuple[int, ...]
    scaling: InputScaling
    task: Task = Task.MULTICLASS

    @property
    def n_outputs(self) -> int:
        """How many numbers a network gives for an example: logits, or the predicted numbers."""
        return n_outputs(self.task, self.train.labels)

    @property
    def target_scaling(self) -> TargetScaling | None:
        """Mean and deviation of the training targets of a regression; None for other tasks."""
        return target_scaling(self.train.labels) if self.task is Task.REGRESSION else None


def load_dataset(
    name: str | None,
    *,
    seed: int,
    environ: Mapping[str, str],
    download_timeout_secs: float = 20.0,
    task: Task | None = None,
) -> Dataset:
    """Read, check and split a data set.

    Args:
        name: a known name of `tuning.data.sources`, the path of an .npz file, or None for `mnist` where it can be had
            and otherwise `mnist5k`, with a note.
        seed: decides which examples validate, 0 to 2**32 - 1; the test part does not depend on it.
        environ: environment variables; TUNING_MNIST names a copy of MNIST, KERAS_HOME Keras' folder.
        download_timeout_secs: limit of a download of MNIST.
        task: what the labels mean; None for what `tuning.task.infer_task` reads from them.

    Returns:
        The data set, its test part sealed.

    Raises:
        DataError: the data cannot be had or cannot be used; says why and what to do.
    """
    source = find_source(name, environ=environ, download_timeout_secs=download_timeout_secs)
    return dataset_of(source, seed=seed, task=task)


def dataset_of(source: Source, *, seed: int, task: Task | None = None) -> Dataset:
    """Read, check and split what a source holds; see `load_dataset`.

    Raises:
        DataError: the data cannot be used; says why and what to do.
    """
    try:
        arrays = source.read()
        task = task_of(arrays["y_train"], task)
        examples, test = check_arrays(arrays, task)
        parts = split_examples(examples, test, seed, is_stratified=task.has_classes)
    except DataError as error:
        raise DataError(f"{source.description}: {error.message}", error.told) from error
    return _dataset(source, parts, task)


def _dataset(source: Source, parts: Parts, task: Task) -> Dataset:
    return Dataset(
        name=source.name,
        source=source.description,
        train=parts.train,
        validation=parts.validation,
        test=SealedTest(parts.test),
        n_classes=_n_classes(parts.train.labels, task),
        input_shape=parts.train.inputs.shape[1:],
        scaling=input_scaling(parts.train.inputs),
        digest=data_digest(parts),
        notes=source.notes + _notes(parts, task),
        task=task,
    )


def _n_classes(labels: NDArray[Any], task: Task) -> int:
    return 0 if task is Task.REGRESSION else int(labels.max()) + 1


def _notes(parts: Parts, task: Task) -> tuple[str, ...]:
    """Return what is allowed but worth knowing when the test result is read."""
    notes = []
    n_shared = count_shared(parts.test, (parts.train, parts.validation))
    if n_shared:
        notes.append(f"{n_shared} of {len(parts.test)} test examples also stand in train or validation")
    absent = np.setdiff1d(parts.train.labels, parts.test.labels)
    if task.has_classes and len(absent):
        notes.append(f"the test set has no example of class {', '.join(map(str, absent))}")
    return tuple(notes)
