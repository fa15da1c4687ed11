"""How a model turns raw inputs into numbers around 0 to 1, decided on the training part only.

A model that is exported takes what the user has (pixels, measured features), so the scaling is data for the
model's first layer and not something done to the arrays:

    scaling = input_scaling(train.inputs)
    model_inputs = (raw - scaling.offset) * scaling.scale
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Pictures of few grey levels come as uint8 too: scikit-learn's digits run from 0 to 16, masks from 0 to 1.
# Divided by 255 they would all be nearly black, and a network would learn from them very slowly.
_FEW_LEVELS = 16


@dataclass(frozen=True, eq=False, slots=True)
class InputScaling:
    """The map (x - offset) * scale, one number each for pictures, one for each feature otherwise.

    Args:
        offset: what is subtracted, a number or shape (n_features,), in units of the raw inputs.
        scale: what the difference is multiplied with, same shape, positive, 1 / units of the raw inputs.

    Raises:
        ValueError: a value is not finite or a scale is not positive.
    """

    offset: NDArray[np.float32] | float
    scale: NDArray[np.float32] | float

    def __post_init__(self) -> None:
        if not (np.all(np.isfinite(self.offset)) and np.all(np.isfinite(self.scale))):
            raise ValueError(f"offset and scale must be finite, but got {self}.")
        if not np.all(np.asarray(self.scale) > 0):
            raise ValueError(f"scale must be positive, but got {self.scale}.")


@dataclass(frozen=True, eq=False, slots=True)
class TargetScaling:
    """The unit of the numbers that a regression predicts: value = mean + deviation * standardized value.

    A network learns standardized values well, and its user wants the others: its last layer turns the one into the
    other, and its loss is measured in deviations.

    Args:
        mean: of the training targets, shape (n_outputs,), in their unit.
        deviation: their standard deviation, same shape, positive, in their unit.

    Raises:
        ValueError: a value is not finite or a deviation is not positive.
    """

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]

    def __post_init__(self) -> None:
        if not (np.all(np.isfinite(self.mean)) and np.all(np.isfinite(self.deviation)) and np.all(self.deviation > 0)):
            raise ValueError(f"mean and deviation must be finite, and deviation positive, but got {self}.")


def target_scaling(targets: NDArray[np.float32]) -> TargetScaling:
    """Return mean and standard deviation of the training targets, shape (N,) or (N, numbers)."""
    columns = targets.reshape(len(targets), -1)
    scaling = _feature_scaling(columns)
    return TargetScaling(np.asarray(scaling.offset, np.float32), 1.0 / np.asarray(scaling.scale, np.float32))


def input_scaling(inputs: NDArray[Any]) -> InputScaling:
    """Return the scaling that suits these training inputs.

    uint8 is divided by 255, or by its maximum where that is 16 or less; float pictures are mapped from their
    range to 0..1; features (one axis per example) are standardised one by one. A constant keeps its unit.

    Args:
        inputs: the training inputs, shape (N, *input_shape), uint8 or float32.
    """
    if inputs.dtype == np.uint8:
        return _whole_number_scaling(inputs)
    if inputs.ndim > 2:
        return _picture_scaling(inputs)
    return _feature_scaling(inputs)


def _whole_number_scaling(inputs: NDArray[np.uint8]) -> InputScaling:
    highest = int(inputs.max())
    levels = 255 if highest > _FEW_LEVELS else max(highest, 1)
    return InputScaling(offset=0.0, scale=1.0 / levels)


def _picture_scaling(inputs: NDArray[np.float32]) -> InputScaling:
    lowest, highest = float(inputs.min()), float(inputs.max())
    return InputScaling(offset=lowest, scale=float(_inverse_or_one(highest - lowest)))


def _feature_scaling(inputs: NDArray[np.float32]) -> InputScaling:
    mean = inputs.mean(axis=0, dtype=np.float64)
    # Compared, not computed: the deviation of a constant like 0.1 is a rounding error and not exactly 0.
    varies = inputs.min(axis=0) < inputs.max(axis=0)
    deviation = np.where(varies, inputs.std(axis=0, dtype=np.float64), 0.0)
    return InputScaling(mean.astype(np.float32), _inverse_or_one(deviation).astype(np.float32))


def _inverse_or_one(spread: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Return 1 / spread, and 1 where the spread is nothing that float32 can divide by."""
    usable = np.asarray(spread) > np.finfo(np.float32).tiny
    return 1.0 / np.where(usable, spread, 1.0)
