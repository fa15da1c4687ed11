"""A network's size is known before it is built, and what is too large is refused."""

from collections.abc import Callable
from functools import partial

import keras
import psutil
import pytest

from models.mlp import InputFormat, build_mlp
from tuning.network_size import NetworkSize, TooLarge, check_size, size_of

PIXELS = InputFormat((28, 28), "uint8", 0.0, 1 / 255)


def mlp(units: int) -> Callable[[], keras.Model]:
    """Builds an MLP of two layers."""
    return partial(build_mlp, {"units": units, "layers": 2, "dropout": 0.2, "l2": 1e-4}, PIXELS, 10, 0)


def convolutional() -> keras.Model:
    """Any Keras model is measured the same way."""
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((28, 28, 1)), layers.Conv2D(4, 3), layers.BatchNormalization(), layers.Flatten(), layers.Dense(3)]
    )


@pytest.mark.parametrize("build", [mlp(64), convolutional])
def test_the_estimate_is_the_count_of_the_model_that_is_built_then(build: Callable[[], keras.Model]) -> None:
    """To the last weight, those that are not trained included."""
    assert build().count_params() == size_of(build).n_params


def test_a_network_that_fits_in_no_memory_is_measured_at_once() -> None:
    """923 million weights, without taking memory for them now or later."""
    before = psutil.Process().memory_info().rss
    assert NetworkSize(923_880_010) == size_of(mlp(30_000))
    mlp(8)()
    assert psutil.Process().memory_info().rss - before < 200e6


def test_measuring_changes_nothing_of_the_network_that_is_built() -> None:
    """The same weights from the same seed."""
    build = mlp(8)
    before = build().get_weights()
    size_of(build)
    assert all((a == b).all() for a, b in zip(before, build().get_weights(), strict=True))


def test_what_is_too_large_is_refused_with_its_size_and_the_limit() -> None:
    """By its weights, and by the memory that its training takes at least; up to the limit nothing is said."""
    with pytest.raises(TooLarge, match="55,050 weights, more than --max-params 55,049"):
        check_size(mlp(64), 55_049, None)
    with pytest.raises(TooLarge, match="21,146 MB at least, more than --memory-limit 2,000"):
        check_size(mlp(30_000), None, 2000)
    check_size(mlp(64), 55_050, 500)
