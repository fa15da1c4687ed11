"""A model whose dropout rates, L2 factors and randomness are run-time values.

Trials of a search often differ in nothing but dropout and L2. In a Keras model both are Python constants, so each
trial would be traced and compiled anew. `RuntimeModel` is a copy of a model in which they are variables: one compiled
epoch serves all models of one architecture.

The arithmetic stays Keras' own: inverted dropout (kept values divided by 1 - rate) and a penalty l2 * sum(w^2), of
which training only needs the gradient 2 * l2 * w.
"""

from __future__ import annotations

import json
from typing import Any

import keras
import numpy as np
import tensorflow as tf


class RuntimeDropout(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Inverted dropout whose rate is a variable and whose mask is a function of a seed variable.

    Args:
        index: Position among the model's dropout layers: makes the masks of two layers differ.
        seed: Variable of shape (2,), int32, which the training loop sets before every step.
    """

    def __init__(self, index: int, seed: tf.Variable) -> None:
        super().__init__()
        self.rate = tf.Variable(0.0, trainable=False)
        self._index = index
        self._seed = seed

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Drop a share `rate` of the inputs while training; pass them through otherwise."""
        if not training:
            return inputs
        seed = self._seed + tf.constant([self._index, 0])
        uniform = tf.random.stateless_uniform(tf.shape(inputs), seed)
        return tf.where(uniform >= self.rate, inputs / (1.0 - self.rate), tf.zeros_like(inputs))


class RuntimeModel:
    """A run-time copy of a functional or sequential Keras model, with weights of its own."""

    def __init__(self, model: keras.Model) -> None:
        self.seed = tf.Variable([0, 0], dtype=tf.int32, trainable=False)
        self._dropouts: list[RuntimeDropout] = []
        self.model = keras.models.clone_model(model, clone_function=self._clone_layer)
        self.l2 = [tf.Variable(0.0, trainable=False) if factor > 0 else None for factor in l2_factors(model)]
        self.load(model)

    def load(self, model: keras.Model) -> None:
        """Take over the weights, dropout rates and L2 factors of a model of the same architecture."""
        for target, source in zip(self.model.weights, _lasting_weights(model), strict=True):
            target.assign(source)
        for dropout, layer in zip(self._dropouts, _dropout_layers(model), strict=True):
            dropout.rate.assign(layer.rate)
        for variable, factor in zip(self.l2, l2_factors(model), strict=True):
            if variable is not None:
                variable.assign(factor)

    def take_state(self, other: RuntimeModel) -> None:
        """Copy the weights that are not trained (BatchNormalization's statistics) from another copy."""
        pairs = zip(self.model.non_trainable_weights, other.model.non_trainable_weights, strict=True)
        for target, source in pairs:
            target.assign(source)

    def weights(self) -> list[np.ndarray]:
        """The present weights, in the order of `set_lasting_weights`."""
        return [np.asarray(weight) for weight in self.model.weights]

    def _clone_layer(self, layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, keras.layers.Dropout):
            self._dropouts.append(RuntimeDropout(len(self._dropouts), self.seed))
            return self._dropouts[-1]
        config = layer.get_config()
        if config.get("kernel_regularizer"):
            config["kernel_regularizer"] = None
        return layer.__class__.from_config(config)


def architecture(model: keras.Model) -> str:
    """What two models must share to be trained by one compiled epoch: everything but rates, factors and seeds."""
    layers = [_structure(layer) for layer in model.layers]
    return json.dumps([layers, model.get_config().get("output_layers")], sort_keys=True, default=str)


def l2_factors(model: keras.Model) -> list[float]:
    """The L2 factor of every trainable variable's regularizer; zero where there is none."""
    return [float(getattr(weight.regularizer, "l2", 0.0) or 0.0) for weight in model.trainable_variables]


def set_lasting_weights(model: keras.Model, values: list[np.ndarray]) -> None:
    """Put weights from `RuntimeModel.weights` into a model of the same architecture."""
    for target, value in zip(_lasting_weights(model), values, strict=True):
        target.assign(value)


def _lasting_weights(model: keras.Model) -> list[Any]:
    """All weights but the states of random generators, which a run-time copy has no counterpart of."""
    return [weight for weight in model.weights if "seed_generator" not in weight.path]


def _dropout_layers(model: keras.Model) -> list[keras.layers.Dropout]:
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]


def _structure(layer: keras.layers.Layer) -> dict[str, Any]:
    config = {k: v for k, v in layer.get_config().items() if k not in ("name", "seed", "rate", "kernel_initializer")}
    config["kernel_regularizer"] = bool(config.get("kernel_regularizer"))
    if isinstance(layer, keras.layers.Normalization):
        config = {"shape": str(layer.input.shape)}  # its mean and variance are constants of the data set
    return {"class": layer.__class__.__name__, "config": config, "output": str(layer.output.shape)}
