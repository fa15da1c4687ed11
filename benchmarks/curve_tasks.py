"""The small real tasks whose learning curves are recorded: data, grid, and which half of the evidence they belong to.

* Development (the strategy may be tuned on them): `curves-mnist10k`, the older recording, and `mnist1k`.
* Report (what is claimed is measured on them, and nothing is tuned on them): all others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from tuning.data import load_dataset
from tuning.data.examples import Examples
from tuning.data.scaling import InputScaling, input_scaling
from tuning.data.split import split_examples

N_SEEDS = 3
NOISE_SHARE = 0.2  # of the training labels, replaced by another class

_SEED = 0  # of splits, sub-samples and label noise: one data set a task
_N_VALIDATION, _N_TEST = 1_000, 2_000  # of MNIST: an epoch measures on all of them


@dataclass(frozen=True)
class Grid:
    """The recorded values of every lever, ascending, and the epochs of every training."""

    units: tuple[int, ...]
    layers: tuple[int, ...] = (1, 2, 3)
    dropout: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6)
    l2: tuple[float, ...] = (0.0, 1e-4, 1e-3, 1e-2)
    n_epochs: int = 24

    @property
    def shape(self) -> tuple[int, ...]:
        """Points of each axis, in the order units, layers, dropout, L2."""
        return len(self.units), len(self.layers), len(self.dropout), len(self.l2)


@dataclass(frozen=True)
class CurveData:
    """What a task's networks learn from and are measured on."""

    train: Examples
    validation: Examples
    test: Examples
    n_classes: int

    @property
    def scaling(self) -> InputScaling:
        """As a study scales raw inputs."""
        return input_scaling(self.train.inputs)


@dataclass(frozen=True)
class CurveTask:
    """One table: its data, read when they are needed, and its grid."""

    read: Callable[[Mapping[str, str]], CurveData]
    grid: Grid


def with_label_noise(data: CurveData, share: float = NOISE_SHARE) -> CurveData:
    """The same data with a share of the training labels replaced by another class, chosen at random."""
    rng = np.random.default_rng(_SEED)
    labels = data.train.labels.copy()
    wrong = rng.permutation(len(labels))[: round(share * len(labels))]
    labels[wrong] = (labels[wrong] + rng.integers(1, data.n_classes, len(wrong))) % data.n_classes
    return CurveData(Examples(data.train.inputs, labels), data.validation, data.test, data.n_classes)


def mnist_subset(n_train: int, environ: Mapping[str, str]) -> CurveData:
    """So many training images of MNIST, 1,000 others for validation, 2,000 of the test images."""
    dataset = load_dataset("mnist", seed=_SEED, environ=environ)
    rng = np.random.default_rng(_SEED)
    train, validation, test = (
        part.take(rng.permutation(len(part))[:n])
        for part, n in ((dataset.train, n_train), (dataset.validation, _N_VALIDATION), (dataset.test.open(), _N_TEST))
    )
    return CurveData(train, validation, test, dataset.n_classes)


def digits(environ: Mapping[str, str]) -> CurveData:
    """scikit-learn's digits, split as a study splits them."""
    dataset = load_dataset("digits", seed=_SEED, environ=environ)
    return CurveData(dataset.train, dataset.validation, dataset.test.open(), dataset.n_classes)


def breast_cancer(environ: Mapping[str, str]) -> CurveData:
    """scikit-learn's breast_cancer: 30 features, two classes."""
    from sklearn.datasets import load_breast_cancer  # here, because it takes a second to import

    table = load_breast_cancer()
    parts = split_examples(Examples(table.data.astype(np.float32), table.target.astype(np.int64)), None, _SEED)
    return CurveData(parts.train, parts.validation, parts.test, 2)


_SMALL = Grid(units=(16, 64, 128, 256))
_IMAGES = Grid(units=(16, 64, 256))
_THIN = Grid(units=(32, 128, 256), layers=(1, 2), dropout=(0.0, 0.3, 0.6), l2=(0.0, 1e-4, 1e-3), n_epochs=20)

# Small ones first: what is missing when the time is over is the most expensive.
TASKS: Mapping[str, CurveTask] = {
    "breast_cancer": CurveTask(breast_cancer, _SMALL),
    "digits": CurveTask(digits, _SMALL),
    "digits-noise20": CurveTask(lambda environ: with_label_noise(digits(environ)), _SMALL),
    "mnist1k": CurveTask(partial(mnist_subset, 1_000), _IMAGES),
    "mnist1k-noise20": CurveTask(lambda environ: with_label_noise(mnist_subset(1_000, environ)), _IMAGES),
    "mnist10k": CurveTask(partial(mnist_subset, 10_000), _THIN),
}

DEVELOPMENT = ("mnist1k",)
REPORT = tuple(name for name in TASKS if name not in DEVELOPMENT)
