"""Is what a file gives what was scored? Arrays in, a checked result out.

A file in float32 has to give the same outputs up to rounding; one with weights in 8 bits the same accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuning.errors import ExportError
from tuning.evaluation import Latency
from tuning.export_formats import Format

TOLERANCE = 1e-5  # of a probability: float32 rounding differs between two graphs of the same arithmetic
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
        accuracy: On them, a fraction.
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


def differences(outputs: NDArray[Any], expected: NDArray[Any]) -> tuple[float, int]:
    """The largest difference of two arrays of outputs, shape (n, classes), and how many predictions differ.

    Outputs of another shape, or that are not numbers, differ infinitely.
    """
    if outputs.shape != expected.shape or not np.isfinite(outputs).all():
        return float("inf"), len(expected)
    changed = outputs.argmax(axis=1) != expected.argmax(axis=1)
    return float(np.abs(outputs.astype(np.float64) - expected).max()), int(changed.sum())


def check(format: Format, outputs: NDArray[Any], expected: NDArray[Any], labels: NDArray[np.int64]) -> None:
    """Refuse a file that does not reproduce the scored model.

    Args:
        format: Of the file.
        outputs: What it gives, shape (n, classes).
        expected: What was scored, shape (n, classes).
        labels: True classes, shape (n,).

    Raises:
        ExportError: If an output differs by more than `TOLERANCE` (times the largest one, of logits above 1), or the
            accuracy of a quantized file by more than `QUANTIZED_TOLERANCE`.
    """
    difference, n_changed = differences(outputs, expected)
    if format.is_quantized and np.isfinite(difference):
        lost = abs(n_right(outputs, labels) - n_right(expected, labels))
        if lost > max(1.0, QUANTIZED_TOLERANCE * len(labels)):
            raise ExportError(
                f"The accuracy of {format.file}, read back, differs from the scored model's by {lost} of {len(labels)} "
                f"validation examples (> {100 * QUANTIZED_TOLERANCE:g} points): export without --quantize."
            )
        return
    tolerance = TOLERANCE * max(1.0, float(np.abs(expected).max()))
    if not difference <= tolerance:
        raise ExportError(
            f"{format.file}, read back, differs from the scored model by {difference:.2g} (> {tolerance:.2g}), "
            f"{n_changed} of {len(labels)} predictions changed: leave {format.name} out of --format."
        )


def n_right(outputs: NDArray[Any], labels: NDArray[np.int64]) -> int:
    """How many examples the largest output classifies correctly."""
    return int((outputs.argmax(axis=1) == labels).sum())
