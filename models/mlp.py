"""The custom network: fully connected, one width, dropout after every hidden layer, L2 on every kernel; logits out.

Preprocessing is the first layer, so a model takes the data as it is stored and travels whole.

>>> from models.inputs import InputFormat
>>> from models.mlp import build_mlp
>>> pixels = InputFormat(shape=(28, 28), dtype="uint8", offset=0.0, scale=1 / 255)
>>> model = build_mlp({"units": 64, "layers": 2, "dropout": 0.2, "l2": 1e-4}, pixels, n_classes=10, seed=0)
>>> model.count_params()
55050
"""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np

from models.family import Family
from models.inputs import InputFormat, dense, l2_of, preprocess
from search_spaces import Value, learning_rate, mlp_space


def build_mlp(params: Mapping[str, Value], form: InputFormat, n_classes: int, seed: int) -> keras.Model:
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
    x = keras.layers.Flatten()(preprocess(inputs, form))
    l2 = l2_of(params)
    for _ in range(int(params["layers"])):
        x = dense(int(params["units"]), "relu", l2, next(seeds))(x)
        dropout_seed = next(seeds)
        if "dropout" in params:
            x = keras.layers.Dropout(params["dropout"], seed=dropout_seed)(x)
    return keras.Model(inputs, dense(n_classes, None, l2, next(seeds))(x), name="mlp")


def mlp_family() -> Family:
    """The fully connected networks of MNIST, which are searched where nothing else is said."""
    return Family("mlp", mlp_space(), build_mlp, _rate)


def _rate(params: Mapping[str, Value]) -> float:
    return learning_rate(float(params["units"]), float(params["learning_rate_scale"]))
