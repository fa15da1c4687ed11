"""A model whose dropout rates, L2 factors and randomness are run-time values.

Trials of a search often differ in nothing but dropout and L2. In a Keras model both are Python constants, so each
trial would be traced and compiled anew. `RuntimeModel` is a copy of a model in which they are variables: one compiled
epoch serves all models of one architecture.

The arithmetic stays Keras' own: inverted dropout (kept values divided by 1 - rate) and a penalty l2 * sum(w^2), of
which training only needs the gradient 2 * l2 * w. All other layers and regularizers are Keras' too, as constants.
"""

from __future__ import annotations

import json
from typing import Any

import keras
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
        self._n_dropouts = 0
        self.model = keras.models.clone_model(model, clone_function=self._clone_layer)
        self.l2 = [None if factor is None else tf.Variable(factor, trainable=False) for factor in l2_factors(model)]
        for weight, l2 in zip(self.model.trainable_variables, self.l2, strict=True):
            if l2 is not None:
                weight.regularizer = None
        self.load(model)

    def load(self, model: keras.Model) -> None:
        """Take over the weights, dropout rates and L2 factors of a model of the same architecture."""
        for target, source in zip(self.model.weights, model.weights, strict=True):
            target.assign(source)
        for copy, layer in zip(self.model.layers, model.layers, strict=True):
            if isinstance(copy, RuntimeDropout):
                copy.rate.assign(layer.rate)
        for l2, factor in zip(self.l2, l2_factors(model), strict=True):
            if l2 is not None:
                l2.assign(factor)

    def take_state(self, other: RuntimeModel) -> None:
        """Copy the weights that are not trained (BatchNormalization's statistics) from another copy."""
        pairs = zip(self.model.non_trainable_weights, other.model.non_trainable_weights, strict=True)
        for target, source in pairs:
            target.assign(source)

    def _clone_layer(self, layer: keras.layers.Layer) -> keras.layers.Layer:
        if not _is_plain_dropout(layer):
            return layer.__class__.from_config(layer.get_config())
        self._n_dropouts += 1
        return RuntimeDropout(self._n_dropouts, self.seed)


def architecture(model: keras.Model) -> str:
    """What two models must share to be trained by one compiled epoch: everything but rates, factors and seeds."""
    config = model.get_config()
    graph = json.dumps([[layer.get("inbound_nodes") for layer in config["layers"]], config.get("output_layers")])
    # Keras numbers the names of layers through the whole process: a layer's place in the model is what counts.
    for i, layer in enumerate(model.layers):
        graph = graph.replace(json.dumps(layer.name), str(i))
    inputs = [(tensor.shape, tensor.dtype) for tensor in model.inputs]
    return json.dumps([inputs, [_structure(layer) for layer in model.layers], graph])


def l2_factors(model: keras.Model) -> list[float | None]:
    """The L2 factor of every trainable variable; None for a variable without an L2 regularizer."""
    regularizers = [weight.regularizer for weight in model.trainable_variables]
    return [float(r.l2) if isinstance(r, keras.regularizers.L2) else None for r in regularizers]


def _is_plain_dropout(layer: keras.layers.Layer) -> bool:
    """Not a relative with masks of another shape (SpatialDropout), which stays as it is."""
    return type(layer) is keras.layers.Dropout and layer.noise_shape is None


def _structure(layer: keras.layers.Layer) -> list[Any]:
    """A layer's class and settings without its name, its initial weights and its run-time values."""
    serialized = keras.saving.serialize_keras_object(layer)
    free = {"name", "rate", "seed"} if _is_plain_dropout(layer) else {"name"}
    settings = {
        key: "L2" if isinstance(value, dict) and value.get("class_name") == "L2" else value
        for key, value in serialized["config"].items()
        if key not in free and not key.endswith("_initializer")
    }
    return [serialized["module"], serialized["class_name"], settings, serialized.get("build_config")]
