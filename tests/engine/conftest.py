"""Real data small enough to train on within a test, 8 x 8 images of digits, and networks for it."""

from collections.abc import Callable

import keras
import numpy as np
import pytest

from models.mlp import InputFormat, build_mlp
from tuning.data.examples import Examples
from tuning.engine.training import Engine

_PIXELS = InputFormat(shape=(8, 8), dtype="uint8", offset=0.0, scale=1 / 16)


@pytest.fixture(scope="session")
def digits() -> Examples:
    """600 of scikit-learn's digits, values 0 to 16."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return Examples(data.images[:600].astype(np.uint8), data.target[:600].astype(np.int64))


@pytest.fixture(scope="session")
def train(digits: Examples) -> Examples:
    """The 400 examples that weights are fitted to."""
    return digits.take(np.arange(400))


@pytest.fixture(scope="session")
def val(digits: Examples) -> Examples:
    """The 200 examples that judge."""
    return digits.take(np.arange(400, 600))


@pytest.fixture(scope="session")
def new_engine(train: Examples, val: Examples) -> Callable[[], Engine]:
    """Builds an engine on the digits that has compiled nothing yet."""
    return lambda: Engine(train.inputs, train.labels, val.inputs, val.labels)


def _build(seed: int = 0, **params: float) -> keras.Model:
    defaults = {"units": 16, "layers": 2, "dropout": 0.0, "l2": 0.0}
    return build_mlp(defaults | params, _PIXELS, n_classes=10, seed=seed)


@pytest.fixture(scope="session")
def build() -> Callable[..., keras.Model]:
    """Builds a network for the digits; called with `seed` and any of `units`, `layers`, `dropout`, `l2`."""
    return _build


def _measure_statistics(model: keras.Model, inputs: np.ndarray) -> None:
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            values = keras.Model(model.inputs[0], layer.input).predict(inputs, verbose=0)
            axes = tuple(range(values.ndim - 1))
            layer.moving_mean.assign(values.mean(axes))
            layer.moving_variance.assign(values.var(axes))


@pytest.fixture(scope="session")
def measure_statistics() -> Callable[[keras.Model, np.ndarray], None]:
    """Gives batch normalization the mean and variance of what it sees on these inputs, by numpy, layer by layer."""
    return _measure_statistics
