"""A trial's network, and any Keras network as a plain function of arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.family import Family
from models.own_model import logits_model
from search_spaces import Value
from tuning.data import Dataset, TrainingData
from tuning.trial_run import input_format
from tuning.units import in_target_units
from tuning.weights import WeightStore

Logits = NDArray[np.floating]
_BATCH = 5_000


def keras_logits(model: keras.Model) -> Callable[[NDArray[Any]], Logits]:
    """A model as a plain function of arrays, compiled once for all batch sizes (`predict` costs tens of ms a call)."""
    call = tf.function(lambda inputs: model(inputs, training=False), reduce_retracing=True)

    def logits(inputs: NDArray[Any]) -> Logits:
        parts = [call(tf.constant(inputs[i : i + _BATCH])).numpy() for i in range(0, len(inputs), _BATCH)]
        return np.concatenate(parts)

    return logits


@dataclass(frozen=True, eq=False)
class KeptModel:
    """A trial's network with the weights that were scored.

    Args:
        network: As it was built and trained.
        logits: The same from raw inputs to logits, or to values.
    """

    network: keras.Model
    logits: keras.Model


def kept_model(
    family: Family, data: Dataset | TrainingData, params: Mapping[str, Value], weights: WeightStore, number: int
) -> KeptModel:
    """The network of a trial.

    Raises:
        ExportError: If its weights were not kept.
    """
    form = input_format(data)
    seed = 0  # of weights that are replaced at once
    network = in_target_units(family.build(params, form, data.n_outputs, seed), data)
    weights.load(number, network)
    return KeptModel(network, logits_model(network, form))
