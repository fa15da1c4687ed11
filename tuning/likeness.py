"""Does an image look like the training data? One number, from statistics that travel with an exported model.

A classifier answers for any pixels, and is often sure of itself where it knows least. So the export keeps what the
training images look like: their mean and the directions in which they vary most. An image's *distance* weighs what it
deviates by with how usual that is: in the kept directions by their variance, in all others by the mean variance that is
left (the Mahalanobis distance under probabilistic principal components: Tipping and Bishop 1999, J. R. Stat. Soc. B
61:611). It is compared with the 99th percentile of the validation images, which the statistics were not fitted to: one
in a hundred images of the data itself lies beyond it.

>>> likeness = Likeness.of(train.inputs, validation.inputs)                          # doctest: +SKIP
>>> likeness.distances(images) > likeness.limit                                     # doctest: +SKIP
"""

from __future__ import annotations

import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tuning.data import Dataset, TrainingData
from tuning.errors import ExportError
from tuning.own_image import SIDE

FILE_NAME = "training-statistics.npz"  # in the folder of an exported model
_N_DIRECTIONS = 50
_MAX_IMAGES = 10_000  # more change the statistics by less than the third digit
_PERCENTILE = 99.0


@dataclass(frozen=True, eq=False, slots=True)
class Likeness:
    """What the training images look like.

    Args:
        mean: Of the training images, shape (pixels,), in units of the stored pixels.
        directions: In which they vary most, orthonormal rows, shape (directions, pixels).
        variances: Along these directions, shape (directions,), positive.
        rest: Mean variance along all other directions, positive.
        limit: 99th percentile of the distances of the validation images.
    """

    mean: NDArray[np.float32]
    directions: NDArray[np.float32]
    variances: NDArray[np.float32]
    rest: float
    limit: float

    @classmethod
    def of(cls, train: NDArray[Any], validation: NDArray[Any], seed: int = 0) -> Self:
        """Fit to training images and set the limit by validation images.

        Args:
            train: Shape (examples, ...), at least two; of more than 10,000 a random choice.
            validation: Shape (examples, ...), at least one.
            seed: Of the choice.
        """
        if len(train) > _MAX_IMAGES:
            train = train[np.random.default_rng(seed).choice(len(train), _MAX_IMAGES, replace=False)]
        rows = _rows(train)
        mean = rows.mean(axis=0)
        variances, directions = np.linalg.eigh(np.cov(rows - mean, rowvar=False))
        variances = np.maximum(variances, 0.0)
        n = min(_N_DIRECTIONS, len(variances) - 1)
        # Constant pixels have no variance at all: a deviation there counts as half a grey level's.
        rest = max(float(variances[:-n].mean()), 0.25)
        fitted = cls(mean, directions[:, -n:].T.astype(np.float32), np.maximum(variances[-n:], rest), rest, np.inf)
        limit = float(np.percentile(fitted.distances(validation), _PERCENTILE))
        return cls(fitted.mean, fitted.directions, fitted.variances.astype(np.float32), rest, limit)

    def distances(self, images: NDArray[Any]) -> NDArray[np.float64]:
        """How far each image lies from the training images, shape (examples,); 0 is their mean."""
        deviations = _rows(images) - self.mean
        along = deviations @ self.directions.T
        left = np.maximum((deviations**2).sum(axis=1) - (along**2).sum(axis=1), 0.0)
        return np.asarray(np.sqrt((along**2 / self.variances).sum(axis=1, dtype=np.float64) + left / self.rest))

    def is_unlike(self, image: NDArray[Any]) -> bool:
        """Whether an image lies farther from the training images than 99 % of the validation images."""
        return bool(self.distances(image[np.newaxis])[0] > self.limit)

    def sentence(self, image: NDArray[Any]) -> str:
        """Whether an image looks like the training data, in words and numbers."""
        distance = float(self.distances(image[np.newaxis])[0])
        numbers = f"distance {distance:.1f}; 99 % of the validation images are within {self.limit:.1f}"
        if self.is_unlike(image):
            return f"The image looks unlike the training data ({numbers}): do not trust the probabilities."
        return f"The image looks like the training data ({numbers})."

    def save(self, folder: Path) -> None:
        """Write the statistics into the folder of an exported model."""
        np.savez_compressed(folder / FILE_NAME, **asdict(self))

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Read them again; None from an export that has none.

        Raises:
            ExportError: If the file is damaged.
        """
        path = folder / FILE_NAME
        if not path.is_file():
            return None
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                numbers = (float(arrays["rest"]), float(arrays["limit"]))
                return cls(arrays["mean"], arrays["directions"], arrays["variances"], *numbers)
        except (KeyError, ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise ExportError(f"{path} is damaged ({error}): export the model again.") from error


def likeness_of(data: Dataset | TrainingData) -> Likeness | None:
    """What a data set's training images look like; None unless `tuning.predict` could use it: 28 x 28 grey."""
    if data.input_shape not in ((SIDE, SIDE), (SIDE, SIDE, 1)) or data.train.inputs.dtype != np.uint8:
        return None
    return Likeness.of(data.train.inputs, data.validation.inputs)


def _rows(images: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(images, np.float32).reshape(len(images), -1)
