"""Is what a file gives what was scored? Arrays in, a checked result out.

A file in float32 has to give the same outputs up to rounding; one with weights in 8 bits the same accuracy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuning.errors import ExportError
from tuning.evaluation import Latency
from tuning.export.formats import Format
from tuning.task import Task

Decide = Callable[[NDArray[Any]], NDArray[Any]]

TOLERANCE = 1e-5  # of a probability: float32 rounding differs between two graphs of the same arithmetic
_ROUNDING = 1e-6  # of a share times the number of examples
QUANTIZED_TOLERANCE = 0.001  # of the accuracy, a fraction; one example where there are fewer than 1,000


@dataclass(frozen=True)
class RoundTrip:
    """One file of an export, as it was read back.

    Args:
        format: Name of the format.
        file: Name of the file or folder.
        runtime: What read it, with its version.
        size_bytes: On disk, of a folder with all that is in it.
        max_difference: Largest difference of any output from the scored model's.
        n_changed: Predictions that differ from the scored model's.
        n_checked: Validation examples.
        accuracy: On them, a fraction; of several labels the share of right ones, of a regression R^2.
        scored_accuracy: The scored model's.
        latency: At batch 1 and at batch 256.
        n_threads: Threads that the runtime was given.
    """

    format: str
    file: str
    runtime: str
    size_bytes: int
    max_difference: float
    n_changed: int
    n_checked: int
    accuracy: float
    scored_accuracy: float
    latency: tuple[Latency, ...]
    n_threads: int


def values(outputs: NDArray[Any]) -> NDArray[Any]:
    """The outputs of a regression, as they are."""
    return outputs


def most_likely(outputs: NDArray[Any]) -> NDArray[Any]:
    """The class of the largest output, shape (n,)."""
    return np.asarray(outputs.argmax(axis=1))


def decision_of(task: Task, *, are_logits: bool = False) -> Decide:
    """How the outputs of a task's model, shape (n, outputs), are read: in the form of its labels.

    Args:
        task: What the model learned.
        are_logits: Whether outputs are logits; probabilities otherwise. It makes no difference to values.
    """
    if task is Task.MULTICLASS:
        return most_likely
    if task is Task.REGRESSION:
        return values
    threshold = 0.0 if are_logits else 0.5
    return lambda outputs: (outputs.squeeze(1) if task is Task.BINARY else outputs) > threshold


def differences(outputs: NDArray[Any], expected: NDArray[Any], decide: Decide = most_likely) -> tuple[float, int]:
    """The largest difference of two arrays of outputs, shape (n, outputs), and how many predictions differ.

    Values of a regression are no decisions, of which one could change. Outputs of another shape, or that are not
    numbers, differ infinitely.
    """
    if outputs.shape != expected.shape or not np.isfinite(outputs).all():
        return float("inf"), len(expected)
    largest = float(np.abs(outputs.astype(np.float64) - expected).max())
    if decide is values:
        return largest, 0
    changed = np.asarray(decide(outputs) != decide(expected))
    return largest, int(changed.reshape(len(changed), -1).any(axis=1).sum())


def check(
    format: Format,
    outputs: NDArray[Any],
    expected: NDArray[Any],
    labels: NDArray[Any],
    decide: Decide = most_likely,
) -> None:
    """Refuse a file that does not reproduce the scored model.

    Args:
        format: Of the file.
        outputs: What it gives, shape (n, outputs).
        expected: What was scored, same shape.
        labels: True, as `tuning.data` keeps them.
        decide: How outputs are read.

    Raises:
        ExportError: If an output differs by more than `TOLERANCE` (times the largest one, of logits above 1), or the
            score of a quantized file by more than `QUANTIZED_TOLERANCE`.
    """
    difference, n_changed = differences(outputs, expected, decide)
    if format.is_quantized and np.isfinite(difference):
        lost = len(labels) * abs(score(outputs, labels, decide) - score(expected, labels, decide))
        if lost > max(1.0, QUANTIZED_TOLERANCE * len(labels)) + _ROUNDING:
            name = "R2" if decide is values else "accuracy"
            raise ExportError(
                f"The {name} of {format.file}, read back, differs from the scored model's by {lost:g} of {len(labels)} "
                f"validation examples (> {100 * QUANTIZED_TOLERANCE:g} points): export without --quantize."
            )
        return
    tolerance = TOLERANCE * max(1.0, float(np.abs(expected).max()))
    if not difference <= tolerance:
        raise ExportError(
            f"{format.file}, read back, differs from the scored model by {difference:.2g} (> {tolerance:.2g}), "
            f"{n_changed} of {len(labels)} predictions changed: leave {format.name} out of --format."
        )


def score(outputs: NDArray[Any], labels: NDArray[Any], decide: Decide = most_likely) -> float:
    """The share of right answers, of several labels an example that of right labels; or R^2 of values.

    Args:
        outputs: Shape (n, outputs).
        labels: True, as `tuning.data` keeps them.
        decide: How outputs are read.
    """
    if decide is not values:
        return float(np.mean(decide(outputs) == labels))
    true = np.asarray(labels, np.float64).reshape(outputs.shape)
    return float((1 - np.square(outputs - true).mean(axis=0) / true.var(axis=0)).mean())
