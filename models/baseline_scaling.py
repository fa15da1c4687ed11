"""The ways in which people scale grey images before a network sees them; a module rarely says which one is its own.

for scaling in usual_scalings(train_pixels):
    logits = baseline.logits(scaling.apply(pixels))
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.pretrained import IMAGE_SHAPE

RAW = "pixels 0 to 255"
UNIT = "[0, 1]"
SYMMETRIC = "[-1, 1]"
STANDARDIZED = "mean 0, deviation 1"


@dataclass(frozen=True, slots=True)
class PixelScaling:
    """The map (pixel - offset) / divisor of pixels from 0 to 255.

    Args:
        name: How it is called in tables.
        offset: In pixel values.
        divisor: In pixel values, above 0.
    """

    name: str
    offset: float
    divisor: float

    def apply(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Return images [N, 28, 28] or [N, 28, 28, 1] of pixels as [N, 28, 28, 1], float32, scaled."""
        scaled = (pixels.astype(np.float32) - np.float32(self.offset)) / np.float32(self.divisor)
        return scaled.reshape(-1, *IMAGE_SHAPE)


def usual_scalings(train_pixels: NDArray[Any]) -> tuple[PixelScaling, ...]:
    """Return the usual scalings; mean and deviation of the last one are those of the training pixels.

    Args:
        train_pixels: Training images, pixels from 0 to 255, any shape.
    """
    mean, deviation = float(train_pixels.mean(dtype=np.float64)), float(train_pixels.std(dtype=np.float64))
    return (
        PixelScaling(RAW, 0.0, 1.0),
        PixelScaling(UNIT, 0.0, 255.0),
        PixelScaling(SYMMETRIC, 127.5, 127.5),
        PixelScaling(STANDARDIZED, mean, deviation or 1.0),
    )
