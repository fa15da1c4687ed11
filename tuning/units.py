"""The unit of a regression: a network learns standardized values, and gives them in the unit of its targets.

The turn is a layer of Keras at the network's end: whatever is scored, saved, served or loaded gives the same numbers.
"""

from __future__ import annotations

import keras

from tuning.data import Dataset, TrainingData


def in_target_units(model: keras.Model, data: Dataset | TrainingData) -> keras.Model:
    """A network with values in the targets' unit: mean + deviation * output, of the training targets.

    Args:
        model: With fresh weights; its outputs start around 0, shape (n, data.n_outputs). A compiled one is taken as it
            is, because its author has chosen its outputs and its loss; so is one whose layers cannot be continued (a
            subclass of `keras.Model`).
        data: What it is to learn; for other tasks than a regression the model is taken as it is.
    """
    scaling = data.target_scaling
    if scaling is None or model.compiled or not hasattr(model, "operations"):
        return model
    values = keras.layers.Rescaling(scaling.deviation.tolist(), offset=scaling.mean.tolist(), name="values")
    return keras.Model(model.input, values(model.outputs[0]), name=model.name)
