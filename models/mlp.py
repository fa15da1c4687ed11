"""The custom network: fully connected, one width, dropout after every hidden layer, L2 on every kernel; logits out.

Preprocessing is the first layer, so a model takes the data as it is stored and travels whole.

>>> from models.mlp import InputFormat, build_mlp
>>> pixels = InputFormat(shape=(28, 28), dtype="uint8", offset=0.0, scale=1 / 255)
>>> model = build_mlp({"units": 64, "layers": 2, "dropout": 0.2, "l2": 1e-4}, pixels, n_classes=10, seed=0)
>>> model.count_params()
55050
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray


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
    """Standard layers only, so that a saved model loads without this project."""
    if np.ndim(form.offset) == 0 and np.ndim(form.scale) == 0:
        scaled = keras.layers.Rescaling(float(form.scale), offset=float(-form.offset * form.scale))(inputs)
    else:
        variance = 1.0 / np.square(np.asarray(form.scale, dtype="float64"))
        scaled = keras.layers.Normalization(mean=np.asarray(form.offset), variance=variance)(inputs)
    return keras.layers.Flatten()(scaled)


def build_mlp(params: Mapping[str, float], form: InputFormat, n_classes: int, seed: int) -> keras.Model:
    """The network of a configuration, with fresh weights.

    Networks that differ in nothing but `dropout` and `l2` have the same layers, also where one of the two is 0: so one
    compiled epoch trains them all.

    Args:
        params: `units`, `layers`, and `dropout` and `l2` for a network that is to have them; other keys are for the
            training.
        form: The raw inputs.
        n_classes: Number of logits.
        seed: Seed of the initial weights and of dropout; the same seed gives the same weights.

    Returns:
        A functional Keras model from raw inputs, shape (batch, *form.shape), to logits, shape (batch, n_classes).
    """
    seeds = iter(np.random.SeedSequence(seed).generate_state(2 * int(params["layers"]) + 1).tolist())
    inputs = keras.Input(form.shape, dtype=form.dtype)
    x = preprocess(inputs, form)
    for _ in range(int(params["layers"])):
        x = _dense(int(params["units"]), "relu", params.get("l2"), next(seeds))(x)
        dropout_seed = next(seeds)
        if "dropout" in params:
            x = keras.layers.Dropout(params["dropout"], seed=dropout_seed)(x)
    return keras.Model(inputs, _dense(n_classes, None, params.get("l2"), next(seeds))(x), name="mlp")


def _dense(units: int, activation: str | None, l2: float | None, seed: int) -> keras.layers.Layer:
    return keras.layers.Dense(
        units,
        activation=activation,
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        kernel_regularizer=None if l2 is None else keras.regularizers.L2(l2),
    )
