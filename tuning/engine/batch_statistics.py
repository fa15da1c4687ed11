"""Batch normalization whose statistics are those of the weights that are evaluated and kept.

Keras normalizes with moving averages that remember about a hundred steps, those of weights that are gone by then. While
the weights still move that gives another network than the one which was trained: after some hundred steps one that is
worse by up to tens of points of accuracy, by luck. So mean and variance are measured anew after each epoch, on training
examples and with the weights of that moment: "precise" batch normalization, Wu and Johnson 2021, "Rethinking 'Batch' in
BatchNorm", section 3. Averaged weights need it in any case: Izmailov et al. 2018, "Averaging Weights Leads to Wider
Optima and Better Generalization", section 3.2.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


class MeasuredBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]  # Keras ships no types
    """Keras' own layer, which can also measure its statistics while the layers about it are in evaluation mode."""

    momentum: float | tf.Tensor

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - Keras' own arguments
        super().__init__(**kwargs)
        self.share: tf.Tensor | None = None  # of this batch in the statistics; set while a measurement is traced

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None) -> tf.Tensor:
        """As in Keras, or normalize by this batch and add its share to the statistics."""
        if self.share is None:
            return super().call(inputs, training=training, mask=mask)
        momentum = self.momentum
        self.momentum = 1.0 - self.share
        try:
            return super().call(inputs, training=True, mask=mask)
        finally:
            self.momentum = momentum


def can_be_measured(layer: keras.layers.Layer) -> bool:
    """Whether a layer, used once in its model, is plain batch normalization: trainable, without renormalization."""
    is_plain = type(layer) is keras.layers.BatchNormalization and not getattr(layer, "renorm", False)
    return is_plain and layer.trainable
