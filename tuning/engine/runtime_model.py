"""A model whose dropout rates, L2 factors and randomness are run-time values.

Trials of a search often differ in nothing but dropout and L2. In a Keras model both are Python constants, so each
trial would be traced and compiled anew. `RuntimeModel` is a copy of a model in which they are variables: one compiled
epoch serves all models of one architecture.

The arithmetic stays Keras' own: inverted dropout (kept values divided by 1 - rate) and a penalty l2 * sum(w^2), of
which training only needs the gradient 2 * l2 * w. All other layers and regularizers are Keras' too, as constants.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from tuning.engine.batch_statistics import MeasuredBatchNormalization, can_be_measured
from tuning.engine.precision import BFLOAT16, FLOAT32

# Layers whose arithmetic Keras defines for bfloat16 and which hold (nearly) all of a network's products.
_BFLOAT16_LAYERS = (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)


class RuntimeDropout(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Inverted dropout whose rate is a variable and whose mask is handed in by the training loop.

    The mask comes from outside because XLA would fuse its random numbers into every use of them and draw them anew
    each time: an epoch of 784-128-10 then takes eight times as long.
    """

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - Keras' own arguments
        super().__init__(**kwargs)
        self.rate = tf.Variable(0.0, trainable=False)
        self.mask_shape: tuple[int, ...] = ()  # of one example
        self.mask: tf.Tensor | None = None  # bool, shape (batch, *mask_shape); set while a training step is traced

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Remember the shape of a mask."""
        self.mask_shape = tuple(int(size) for size in input_shape[1:] if size is not None)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Drop a share `rate` of the inputs while training; pass them through otherwise."""
        if not training or self.mask is None:
            return inputs
        scaled_mask = tf.cast(self.mask, inputs.dtype) * tf.cast(1.0 / (1.0 - self.rate), inputs.dtype)
        return inputs * scaled_mask


class RuntimeModel:
    """A run-time copy of a functional or sequential Keras model, with weights of its own.

    Args:
        model: The model to copy.
        precision: `float32`, or `mixed_bfloat16`: products of Dense and convolutions in bfloat16, sums and weights in
            float32, and the layers that give the model's outputs in float32 throughout.
    """

    def __init__(self, model: keras.Model, precision: str = FLOAT32) -> None:
        self._precision = precision
        self._output_layers = set(_last_products(model.outputs))
        self.model = keras.models.clone_model(model, clone_function=partial(self._clone_layer, model))
        self.dropouts: list[RuntimeDropout] = [
            layer for layer in self.model.layers if isinstance(layer, RuntimeDropout)
        ]
        self.normalizations = [layer for layer in self.model.layers if isinstance(layer, MeasuredBatchNormalization)]
        self.l2 = [None if factor is None else tf.Variable(factor, trainable=False) for factor in l2_factors(model)]
        for weight, l2 in zip(self.model.trainable_variables, self.l2, strict=True):
            if l2 is not None:
                weight.regularizer = None
        self.load(model)

    def load(self, model: keras.Model) -> None:
        """Take over the weights, dropout rates and L2 factors of a model of the same architecture."""
        for copy, layer in zip(self.model.layers, model.layers, strict=True):
            if isinstance(copy, RuntimeDropout):
                copy.rate.assign(layer.rate)
            else:
                for target, source in zip(copy.variables, layer.variables, strict=True):  # random states included
                    target.assign(source)
        for l2, factor in zip(self.l2, l2_factors(model), strict=True):
            if l2 is not None:
                l2.assign(factor)

    def take_state(self, other: RuntimeModel) -> None:
        """Copy the weights that are not trained (BatchNormalization's statistics) from another copy."""
        pairs = zip(self.model.non_trainable_weights, other.model.non_trainable_weights, strict=True)
        for target, source in pairs:
            target.assign(source)

    def training_outputs(self, inputs: Any, masks: Sequence[tf.Tensor]) -> tf.Tensor:  # noqa: ANN401 - nested
        """The outputs in training mode with one mask a dropout layer, in the order of `dropouts`."""
        for layer, mask in zip(self.dropouts, masks, strict=True):
            layer.mask = mask
        try:
            return self.model(inputs, training=True)
        finally:
            for layer in self.dropouts:
                layer.mask = None  # a tensor of the traced graph must not outlive it

    def measure_statistics(self, inputs: Any, share: tf.Tensor) -> None:  # noqa: ANN401 - nested
        """Add a batch's mean and variance to the statistics of batch normalization, of which it makes this share."""
        for layer in self.normalizations:
            layer.share = share
        try:
            self.model(inputs, training=False)
        finally:
            for layer in self.normalizations:
                layer.share = None

    def _clone_layer(self, model: keras.Model, layer: keras.layers.Layer) -> keras.layers.Layer:
        is_used_once = _is_used_once(layer, model)
        if is_used_once and _is_plain_dropout(layer):
            return RuntimeDropout(dtype=layer.dtype_policy)
        if is_used_once and can_be_measured(layer):
            return MeasuredBatchNormalization.from_config(layer.get_config())
        config = layer.get_config()
        in_bfloat16 = isinstance(layer, _BFLOAT16_LAYERS) and id(layer) not in self._output_layers
        if self._precision == BFLOAT16 and in_bfloat16:
            config["dtype"] = BFLOAT16
        return layer.__class__.from_config(config)


def architecture(model: keras.Model) -> str:
    """What two models must share to be trained by one compiled epoch: everything but rates, factors and seeds."""
    config = model.get_config()
    graph = json.dumps([[layer.get("inbound_nodes") for layer in config["layers"]], config.get("output_layers")])
    # Keras numbers the names of layers through the whole process: a layer's place in the model is what counts.
    for i, layer in enumerate(model.layers):
        graph = graph.replace(json.dumps(layer.name), str(i))
    inputs = [(tensor.shape, tensor.dtype) for tensor in model.inputs]
    structures = [_structure(layer, is_used_once=_is_used_once(layer, model)) for layer in model.layers]
    return json.dumps([inputs, structures, graph])


def widest(model: keras.Model) -> int:
    """Numbers in the largest output of any layer for one example, >= 1; an axis without a size counts as 1."""
    tensors = [tensor for layer in model.layers for node in layer._inbound_nodes for tensor in node.output_tensors]
    return int(max(math.prod(size or 1 for size in tensor.shape[1:]) for tensor in tensors))


def l2_factors(model: keras.Model) -> list[float | None]:
    """The L2 factor of every trainable variable; None for a variable without an L2 regularizer."""
    regularizers = [weight.regularizer for weight in model.trainable_variables]
    return [float(r.l2) if isinstance(r, keras.regularizers.L2) else None for r in regularizers]


def _last_products(outputs: Sequence[Any]) -> Iterator[int]:
    """Ids of the layers that give the outputs, and of those behind them up to the last ones that multiply.

    An output that is a softmax, or a value in a unit, is as precise as the products that it is made of.
    """
    waiting, seen = list(outputs), set()
    while waiting:
        tensor = waiting.pop()
        layer, node, _ = tensor._keras_history
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        yield id(layer)
        if not isinstance(layer, _BFLOAT16_LAYERS):
            waiting += layer._inbound_nodes[node].input_tensors


def _is_used_once(layer: keras.layers.Layer, model: keras.Model) -> bool:
    """A sequential model uses a layer once, however often Keras traced it while the model grew."""
    return isinstance(model, keras.Sequential) or len(layer._inbound_nodes) == 1


def _is_plain_dropout(layer: keras.layers.Layer) -> bool:
    """With a mask of its input's shape that is known beforehand; others stay Keras' own, rate included."""
    if type(layer) is not keras.layers.Dropout or layer.noise_shape is not None:
        return False
    return None not in layer.input.shape[1:]


def _structure(layer: keras.layers.Layer, *, is_used_once: bool) -> list[Any]:
    """A layer's class and settings without its name, its initial weights and its run-time values."""
    serialized = keras.saving.serialize_keras_object(layer)
    free = {"name", "rate", "seed"} if is_used_once and _is_plain_dropout(layer) else {"name"}
    settings = {
        key: "L2" if isinstance(value, dict) and value.get("class_name") == "L2" else value
        for key, value in serialized["config"].items()
        if key not in free and not key.endswith("_initializer")
    }
    return [serialized["module"], serialized["class_name"], settings, serialized.get("build_config")]
