"""A trial's network, and any Keras network as a plain function of arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.mlp import build_mlp
from tuning.data import Dataset, TrainingData
from tuning.trial_run import input_format

Logits = NDArray[np.floating]
_BATCH = 5_000


def keras_logits(model: keras.Model) -> Callable[[NDArray[Any]], Logits]:
    """A model as a plain function of arrays, compiled once for all batch sizes (`predict` costs tens of ms a call)."""
    call = tf.function(lambda inputs: model(inputs, training=False), reduce_retracing=True)

    def logits(inputs: NDArray[Any]) -> Logits:
        parts = [call(tf.constant(inputs[i : i + _BATCH])).numpy() for i in range(0, len(inputs), _BATCH)]
        return np.concatenate(parts)

    return logits


def best_model(dataset: Dataset | TrainingData, params: Mapping[str, float], seed: int) -> keras.Model:
    """The network of a trial's configuration, before its weights are loaded."""
    return build_mlp(params, input_format(dataset), dataset.n_classes, seed)
