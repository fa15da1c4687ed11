"""How a pretrained classifier sees training images: what TF-GAN's measures compare a person's own images with.

The end of a study keeps the classifier's logits for training images beside the exported model, and how it is to be
read. `tuning.predict` shows the same classifier the person's own images.

>>> view = ClassifierView.of(reading, "stand-in", "baseline-stand-in", train.inputs)     # doctest: +SKIP
>>> view.report(own_images).sentence()                                                  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from models.baseline_scaling import PixelScaling
from models.pretrained import DEFAULT_HANDLE, STAND_IN
from models.tfgan import TfGanAbsentError, load_tfgan
from tuning.baseline import load_handle
from tuning.baseline_reading import BaselineReading
from tuning.errors import SettingsError
from tuning.evaluation import OwnImagesReport, compare_with_training
from tuning.evaluation.readings import scores_as_read

_N_KEPT = 2_000  # training images: 80 kB of logits
MIN_OWN_IMAGES = 20  # fewer say nothing beyond what `Likeness` says of each
_SEED = 0
_LEFT_OUT = "TF-GAN's classifier score and Frechet classifier distance are left out"


@dataclass(frozen=True, eq=False, slots=True)
class ClassifierView:
    """A pretrained classifier's answers to training images.

    Args:
        name: Of the classifier.
        handle: What it was loaded from.
        offset: Subtracted from pixels of 0 to 255 before it sees them.
        divisor: Divides them after that, > 0.
        gives_logits: Whether its outputs are logits rather than probabilities.
        logits: For training images, shape (images, classes), float32.
    """

    name: str
    handle: str
    offset: float
    divisor: float
    gives_logits: bool
    logits: NDArray[np.float32]

    @classmethod
    def of(cls, reading: BaselineReading, handle: str, name: str, train_images: NDArray[np.uint8]) -> Self:
        """See at most 2,000 training images, shape (images, 28, 28) or (images, 28, 28, 1).

        Args:
            reading: The classifier as it was trained to be used.
            handle: What it was loaded from.
            name: Its name.
            train_images: Pixels of 0 to 255.
        """
        chosen = np.random.default_rng(_SEED).permutation(len(train_images))[:_N_KEPT]
        logits = np.asarray(reading.logits(train_images[chosen]), np.float32)
        scaling, gives_logits = reading.scaling, reading.sweep.outputs == "logits"
        return cls(name, handle, scaling.offset, scaling.divisor, gives_logits, logits)

    def report(self, images: NDArray[np.uint8], allowed: str | None = None) -> OwnImagesReport | str:
        """Compare images with the training images; a sentence why not, where that cannot be done.

        Args:
            images: Like MNIST's, shape (images, 28, 28).
            allowed: A handle that the user named: loading a module runs what is in it, so none but TF-GAN's own and the
                stand-in is loaded because a file says so.
        """
        if len(images) < MIN_OWN_IMAGES:
            return f"{_LEFT_OUT}: they take at least {MIN_OWN_IMAGES} images."
        try:
            see, tfgan = self._classifier(allowed), load_tfgan()
        except (SettingsError, TfGanAbsentError) as error:
            return f"{_LEFT_OUT}: {error}."
        return compare_with_training(
            see(images),
            self.logits,
            classifier=self.name,
            score=tfgan.classifier_score,
            distance=tfgan.frechet_distance,
            seed=_SEED,
        )

    def _classifier(self, allowed: str | None) -> Callable[[NDArray[np.uint8]], NDArray[np.floating]]:
        """The classifier itself.

        Raises:
            SettingsError: If it is not to be loaded, or is gone.
        """
        if self.handle not in (DEFAULT_HANDLE, STAND_IN, allowed):
            raise SettingsError(f"they need the classifier {self.handle}, which is loaded with --baseline HANDLE only")
        loaded = load_handle(None if self.handle == DEFAULT_HANDLE else self.handle)
        if loaded.name != self.name:
            raise SettingsError(f"the classifier {self.name} cannot be had now ({loaded.note or loaded.name})")
        scaling = PixelScaling("", self.offset, self.divisor)
        return lambda images: scores_as_read(loaded.logits(scaling.apply(images)), from_logits=self.gives_logits)

    def as_arrays(self) -> dict[str, Any]:
        """For `numpy.savez`."""
        return {
            "classifier": np.array([self.name, self.handle]),
            "classifier_reading": np.array([self.offset, self.divisor, self.gives_logits], np.float64),
            "classifier_logits": self.logits,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self | None:
        """Undo `as_arrays`; None where they are not there.

        Raises:
            KeyError, ValueError, TypeError: If only some are there, or not as they were written.
        """
        if "classifier" not in arrays:
            return None
        name, handle = map(str, arrays["classifier"])
        offset, divisor, gives_logits = map(float, arrays["classifier_reading"])
        return cls(name, handle, offset, divisor, bool(gives_logits), arrays["classifier_logits"])
