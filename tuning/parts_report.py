"""Whether train, validation and test images look alike to the pretrained baseline, by TF-GAN's own measures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.tfgan import TfGanAbsentError, load_tfgan
from tuning.data import Examples, TrainingData
from tuning.evaluation import PartsReport, compare_parts
from tuning.likeness import Likeness

_N_IMAGES = 1000  # of each part: the measures differ with the number of images, and this many take a second
_MIN_IMAGES = 100  # fewer have no covariance of ten classes worth the name, and no percentile
_SEED = 0
_LEFT_OUT = "TF-GAN's classifier score and Frechet classifier distance are left out"


def parts_report(
    name: str,
    logits: Callable[[NDArray[Any]], NDArray[np.floating]],
    data: TrainingData,
    test: Examples,
    likeness: Likeness | None,
) -> tuple[PartsReport | None, tuple[str, ...]]:
    """Compare the parts as a classifier sees them; a note in the report's place where TF-GAN's measures are missing.

    Args:
        name: Of the classifier.
        logits: Its logits for raw images.
        data: Train and validation part.
        test: The opened test part, which nothing is fitted to here.
        likeness: What the training images look like, if known.
    """
    parts = {"train": data.train, "validation": data.validation, "test": test}
    n = min(_N_IMAGES, *(len(part) for part in parts.values()))
    if n < _MIN_IMAGES:
        return None, (f"{_LEFT_OUT}: each part needs {_MIN_IMAGES} images, but one has {n}",)
    try:
        tfgan = load_tfgan()
    except TfGanAbsentError as error:
        return None, (f"{_LEFT_OUT}: {error}",)
    rng = np.random.default_rng(_SEED)
    chosen = {key: rng.permutation(len(part))[:n] for key, part in parts.items()}
    seen = {key: logits(part.inputs[chosen[key]]) for key, part in parts.items()}
    unlike = None
    if likeness is not None:
        unlike = float((likeness.distances(test.inputs[chosen["test"]]) > likeness.limit).mean())
    report = compare_parts(
        {key: (seen[key], part.labels[chosen[key]]) for key, part in parts.items()},
        classifier=name,
        score=tfgan.classifier_score,
        distance=tfgan.frechet_distance,
        test_share_unlike=unlike,
        seed=_SEED,
    )
    return report, ()
