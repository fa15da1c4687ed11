"""Raw inputs, and the layers that turn them into numbers around 0 to 1: the beginning of every network here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from search_spaces import Value


@dataclass(frozen=True)
class InputFormat:
    """How raw inputs look and how they become numbers around 0..1: (x - offset) * scale.

    Args:
        shape: Shape of one example.
        dtype: Numpy's name of the stored type, `uint8` or `float32`.
        offset: Number, or array of `shape`.
        scale: Number, or array of `shape`.
    """

    shape: tuple[int, ...]
    dtype: str
    offset: float | NDArray[np.float32]
    scale: float | NDArray[np.float32]


def preprocess(inputs: keras.KerasTensor, form: InputFormat) -> keras.KerasTensor:
    """The inputs scaled, in their own shape. Standard layers only: a saved model loads without this project."""
    if np.ndim(form.offset) == 0 and np.ndim(form.scale) == 0:
        return keras.layers.Rescaling(float(form.scale), offset=float(-form.offset * form.scale))(inputs)
    variance = 1.0 / np.square(np.asarray(form.scale, dtype="float64"))
    return keras.layers.Normalization(mean=np.asarray(form.offset), variance=variance)(inputs)


def dense(units: int, activation: str | None, l2: float | None, seed: int) -> keras.layers.Layer:
    """A fully connected layer with seeded weights; an L2 penalty where there is a factor, which may be 0."""
    return keras.layers.Dense(
        units,
        activation=activation,
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        kernel_regularizer=None if l2 is None else keras.regularizers.L2(l2),
    )


def l2_of(params: Mapping[str, Value]) -> float | None:
    """The factor of a configuration; None for one without a penalty."""
    return float(params["l2"]) if "l2" in params else None
