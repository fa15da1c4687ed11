"""A convolutional network for MNIST as KerasTuner's guides tune it, written anew; runs here as it is.

    python -m tuning.search --model examples.kerastuner_cnn:build --data examples.kerastuner_cnn:load --trials 10

One to three convolutions of 4 to 32 filters with kernels of 3 to 5, each with its own kind of pooling and batch
normalization, pooled globally; Adam or plain gradient descent. Against KerasTuner's own tuners: "Peers side by side" in
benchmarks/RESULTS.md.
"""

from __future__ import annotations

from typing import Any

import keras

from examples.kerastuner_mnist import load

__all__ = ["build", "load"]


def build(hp: Any) -> keras.Model:  # noqa: ANN401 - keras_tuner.HyperParameters
    """The network that these hyperparameters stand for."""
    images = keras.Input((28, 28, 1))
    x = images
    for block in range(hp.Int("conv_layers", 1, 3, default=3)):
        n_filters = hp.Int(f"filters_{block}", 4, 32, step=4, default=8)
        kernel = hp.Int(f"kernel_size_{block}", 3, 5)
        x = keras.layers.Conv2D(n_filters, kernel, padding="same", activation="relu")(x)
        is_max = hp.Choice(f"pooling_{block}", ["max", "avg"]) == "max"
        x = (keras.layers.MaxPooling2D if is_max else keras.layers.AveragePooling2D)(2)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    is_max = hp.Choice("global_pooling", ["max", "avg"]) == "max"
    x = (keras.layers.GlobalMaxPooling2D if is_max else keras.layers.GlobalAveragePooling2D)()(x)
    model = keras.Model(images, keras.layers.Dense(10, activation="softmax")(x))
    optimizer = hp.Choice("optimizer", ["adam", "sgd"])
    model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
