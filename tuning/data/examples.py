"""Labelled examples: the pair of arrays that every part of a data set consists of.

part = Examples(inputs=images, labels=digits)   # (N, 28, 28) uint8 and (N,) int64
first_ten = part.take(np.arange(10))
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, slots=True)
class Examples:
    """Inputs with their labels; compared by identity, because arrays have no single truth value.

    Args:
        inputs: raw inputs, shape (N, *input_shape), uint8 or float32.
        labels: class numbers, shape (N,), int64, at least 0.

    Raises:
        ValueError: the two arrays have other dtypes or do not belong together.
    """

    inputs: NDArray[Any]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.inputs.dtype not in (np.uint8, np.float32) or self.inputs.ndim < 2:
            raise ValueError(
                "inputs must be uint8 or float32 of shape (N, *input_shape), "
                f"but got {self.inputs.dtype} of shape {self.inputs.shape}."
            )
        if self.labels.dtype != np.int64 or self.labels.shape != self.inputs.shape[:1]:
            raise ValueError(
                f"labels must be int64 of shape ({len(self.inputs)},), "
                f"but got {self.labels.dtype} of shape {self.labels.shape}."
            )

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.intp]) -> "Examples":
        """Return the examples at these positions, in this order, as copies."""
        return Examples(self.inputs[indices], self.labels[indices])
