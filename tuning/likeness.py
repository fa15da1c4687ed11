"""Does an image look like the training data? One number, from statistics that travel with an exported model.

A classifier answers for any pixels, and is often sure of itself where it knows least. So the export keeps what some
training images look like: how strong the edges of each direction are in each part of the image (histograms of oriented
gradients: Dalal and Triggs 2005, CVPR), scaled to unit length. An image's *distance* is that to the nearest of them
(as Sun et al. 2022, ICML, do with a network's features). It is compared with the 99th percentile of the validation
images: one in a hundred images of the data itself lies beyond it.

>>> likeness = Likeness.of(train.inputs, validation.inputs)                          # doctest: +SKIP
>>> likeness.distances(images) > likeness.limit                                     # doctest: +SKIP
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tuning.classifier_view import ClassifierView
from tuning.data import Dataset, TrainingData
from tuning.data.npz import read_arrays
from tuning.errors import DataError, ExportError
from tuning.own_image import SIDE

FILE_NAME = "training-likeness.npz"  # in the folder of an exported model
_N_KEPT = 5_000  # training images: a megabyte
_N_CHECKED = 2_000  # validation images for the limit
_N_FIELDS, _N_DIRECTIONS = 4, 8  # fields along each side of an image
_PERCENTILE = 99.0


@dataclass(frozen=True, eq=False, slots=True)
class Likeness:
    """What training images look like.

    Args:
        kept: Features of training images, shape (images, 128), rows of unit length.
        limit: 99th percentile of the distances of validation images, 0 to the square root of 2.
        view: What a pretrained classifier says of training images; None where there is none.
    """

    kept: NDArray[np.float16]
    limit: float
    view: ClassifierView | None = None

    @classmethod
    def of(cls, train: NDArray[Any], validation: NDArray[Any], seed: int = 0) -> Self:
        """Keep the features of training images and set the limit by validation images.

        Args:
            train: Shape (examples, 28, 28) or (examples, 28, 28, 1); of more than 5,000 a random choice is kept.
            validation: The same, at least one; of more than 2,000 a random choice sets the limit.
            seed: Of both choices.
        """
        rng = np.random.default_rng(seed)
        kept = _features(_some(train, _N_KEPT, rng)).astype(np.float16)
        distances = cls(kept, np.inf).distances(_some(validation, _N_CHECKED, rng))
        return cls(kept, float(np.percentile(distances, _PERCENTILE)))

    def distances(self, images: NDArray[Any]) -> NDArray[np.float64]:
        """Euclidean distance of each image's features from the nearest training image's, shape (examples,)."""
        likest = (_features(images) @ self.kept.astype(np.float32).T).max(axis=1)
        return np.asarray(np.sqrt(np.maximum(2 - 2 * likest.astype(np.float64), 0.0)))

    def is_unlike(self, image: NDArray[Any]) -> bool:
        """Whether an image lies farther from the training images than 99 % of the validation images."""
        return bool(self.distances(image[np.newaxis])[0] > self.limit)

    def sentence(self, image: NDArray[Any]) -> str:
        """Whether an image looks like the training data, in words and numbers."""
        distance = float(self.distances(image[np.newaxis])[0])
        numbers = f"distance {distance:.2f}; 99 % of the validation images are within {self.limit:.2f}"
        if self.is_unlike(image):
            return f"The image looks unlike the training data ({numbers}): do not trust the probabilities."
        return f"The image looks like the training data ({numbers})."

    def save(self, folder: Path) -> None:
        """Write it into the folder of an exported model."""
        view = self.view.as_arrays() if self.view else {}
        np.savez_compressed(folder / FILE_NAME, kept=self.kept, limit=self.limit, **view)

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Read it again; None from an export that has none.

        Raises:
            ExportError: If the file is damaged.
        """
        path = folder / FILE_NAME
        if not path.is_file():
            return None
        try:
            arrays = read_arrays(path)
            return cls(arrays["kept"], float(arrays["limit"]), ClassifierView.from_arrays(arrays))
        except (DataError, KeyError, ValueError, TypeError) as error:
            raise ExportError(f"{path} is damaged ({error}): export the model again.") from error


def likeness_of(data: Dataset | TrainingData) -> Likeness | None:
    """What a data set's training images look like; None unless `tuning.predict` could use it: 28 x 28 grey."""
    if data.input_shape not in ((SIDE, SIDE), (SIDE, SIDE, 1)) or data.train.inputs.dtype != np.uint8:
        return None
    return Likeness.of(data.train.inputs, data.validation.inputs)


def _some(images: NDArray[Any], n: int, rng: np.random.Generator) -> NDArray[Any]:
    return images if len(images) <= n else images[rng.choice(len(images), n, replace=False)]


def _features(images: NDArray[Any]) -> NDArray[np.float32]:
    """Strength of the edges by field and direction, shape (examples, 128), rows of unit length; 0 without any edge."""
    pixels = np.asarray(images, np.float32).reshape(-1, SIDE, SIDE)
    down, across = np.gradient(pixels, axis=1), np.gradient(pixels, axis=2)
    strength = np.hypot(down, across)
    direction = np.arctan2(down, across) * (_N_DIRECTIONS / (2 * np.pi))
    in_fields = (-1, _N_FIELDS, SIDE // _N_FIELDS, _N_FIELDS, SIDE // _N_FIELDS)
    fields = np.zeros((_N_DIRECTIONS, len(pixels), _N_FIELDS, _N_FIELDS), np.float32)
    for i in range(_N_DIRECTIONS):
        apart = np.abs((direction - i + _N_DIRECTIONS / 2) % _N_DIRECTIONS - _N_DIRECTIONS / 2)
        weight = np.maximum(1 - apart, 0)  # an edge between two directions counts for both
        fields[i] = (strength * weight).reshape(in_fields).sum((2, 4))
    # The root: a long edge of one direction must not outweigh all others.
    rows = np.sqrt(fields).transpose(1, 0, 2, 3).reshape(len(pixels), -1)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9), np.float32)
