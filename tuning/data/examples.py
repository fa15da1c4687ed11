"""Labelled examples: the pair of arrays that every part of a data set consists of.

part = Examples(inputs=images, labels=digits)   # (N, 28, 28) uint8 and (N,) int64
prices = Examples(inputs=rooms, labels=euros)   # (N, 7) float32 and (N,) float32
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
        labels: class numbers, int64, shape (N,), at least 0; 0 and 1 for every label, int64, shape (N, labels); or
            the numbers to predict, float32, shape (N,) or (N, numbers).

    Raises:
        ValueError: the two arrays have other dtypes or do not belong together.
    """

    inputs: NDArray[Any]
    labels: NDArray[Any]

    def __post_init__(self) -> None:
        if self.inputs.dtype not in (np.uint8, np.float32) or self.inputs.ndim < 2:
            raise ValueError(
                "inputs must be uint8 or float32 of shape (N, *input_shape), "
                f"but got {self.inputs.dtype} of shape {self.inputs.shape}."
            )
        is_known = self.labels.dtype in (np.int64, np.float32) and self.labels.ndim in (1, 2)
        if not is_known or len(self.labels) != len(self.inputs):
            raise ValueError(
                f"labels must be int64 or float32 of shape ({len(self.inputs)},) or ({len(self.inputs)}, outputs), "
                f"but got {self.labels.dtype} of shape {self.labels.shape}."
            )

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.intp]) -> "Examples":
        """Return the examples at these positions, in this order, as copies."""
        return Examples(self.inputs[indices], self.labels[indices])
