"""The custom network and the hand-made one: what a configuration builds."""

import keras
import numpy as np
import pytest

from models.hand_made import build_hand_made
from models.mlp import InputFormat, build_mlp

PIXELS = InputFormat(shape=(28, 28), dtype="uint8", offset=0.0, scale=1 / 255)
PARAMS = {"units": 64, "layers": 2, "dropout": 0.2, "l2": 1e-4}


def layers_of(model: keras.Model, kind: type[keras.layers.Layer]) -> list[keras.layers.Layer]:
    """The model's layers of one class, from input to output."""
    return [layer for layer in model.layers if isinstance(layer, kind)]


def test_configuration_decides_widths_and_depth() -> None:
    """Hidden layers of one width and one logit a class: 784 * 64 + 64, 64 * 64 + 64, 64 * 10 + 10 parameters."""
    model = build_mlp(PARAMS, PIXELS, n_classes=10, seed=0)
    assert [64, 64, 10] == [layer.units for layer in layers_of(model, keras.layers.Dense)]
    assert 55_050 == model.count_params()


def test_dropout_follows_every_hidden_layer() -> None:
    """And only those."""
    model = build_mlp(PARAMS, PIXELS, n_classes=10, seed=0)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert ["InputLayer", "Rescaling", "Flatten", "Dense", "Dropout", "Dense", "Dropout", "Dense"] == kinds
    assert [0.2, 0.2] == [layer.rate for layer in layers_of(model, keras.layers.Dropout)]


def test_zero_regularization_keeps_the_layers() -> None:
    """So that one compiled epoch serves every rate and factor; nothing is dropped and the penalty is 0."""
    model = build_mlp(PARAMS | {"dropout": 0.0, "l2": 0.0}, PIXELS, n_classes=10, seed=0)
    assert [0, 0] == [layer.rate for layer in layers_of(model, keras.layers.Dropout)]
    assert 0.0 == sum(float(loss) for loss in model.losses)


def test_a_network_without_regularization_has_no_layers_for_it() -> None:
    """Where a configuration does not name them: the hand-made model is the three layers that its name says."""
    model = build_mlp({"units": 8, "layers": 1}, PIXELS, n_classes=10, seed=0)
    assert [] == layers_of(model, keras.layers.Dropout)
    assert [] == model.losses


def test_l2_is_on_every_kernel_and_no_bias() -> None:
    """Also on the output layer's."""
    model = build_mlp(PARAMS, PIXELS, n_classes=10, seed=0)
    factors = [getattr(weight.regularizer, "l2", None) for weight in model.trainable_variables]
    assert [pytest.approx(1e-4), None] * 3 == factors


def test_outputs_are_logits() -> None:
    """Scores of any sign: rows that do not sum to one."""
    model = build_mlp(PARAMS, PIXELS, n_classes=3, seed=0)
    logits = np.asarray(model(np.random.default_rng(0).integers(0, 256, (50, 28, 28), dtype=np.uint8)))
    assert (50, 3) == logits.shape
    assert logits.min() < 0
    assert not np.allclose(1.0, logits.sum(axis=1))


def test_seed_decides_the_initial_weights() -> None:
    """Same seed, same weights; other seed, other weights; no two layers alike."""
    one, same, other = (build_mlp(PARAMS, PIXELS, n_classes=64, seed=seed).get_weights() for seed in (3, 3, 4))
    for first, second in zip(one, same, strict=True):
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(one[0], other[0])
    assert not np.array_equal(one[2], one[4])


def test_dropout_does_not_change_the_initial_weights() -> None:
    """Two trials that differ in regularization start from the same network."""
    weights = [build_mlp(PARAMS | {"dropout": rate}, PIXELS, 10, seed=3).get_weights() for rate in (0.0, 0.5)]
    for first, second in zip(*weights, strict=True):
        np.testing.assert_array_equal(first, second)


def preprocessed(inputs: np.ndarray, form: InputFormat) -> np.ndarray:
    """What the first Dense layer of a network sees."""
    model = build_mlp(PARAMS, form, n_classes=2, seed=0)
    return np.asarray(keras.Model(model.input, layers_of(model, keras.layers.Flatten)[0].output)(inputs))


def test_pixels_are_offset_and_scaled() -> None:
    """(x - 100) / 50 for every pixel of a uint8 image."""
    form = InputFormat(shape=(2, 2), dtype="uint8", offset=100.0, scale=1 / 50)
    inputs = np.array([[[0, 100], [150, 200]]], dtype=np.uint8)
    np.testing.assert_allclose([[-2.0, 0.0, 1.0, 2.0]], preprocessed(inputs, form), atol=1e-6)


def test_features_are_offset_and_scaled_one_by_one() -> None:
    """An offset and a scale each."""
    offset, scale = np.array([10.0, -1.0], dtype=np.float32), np.array([0.5, 4.0], dtype=np.float32)
    form = InputFormat(shape=(2,), dtype="float32", offset=offset, scale=scale)
    inputs = np.array([[10.0, -1.0], [14.0, 0.0]], dtype=np.float32)
    np.testing.assert_allclose([[0.0, 0.0], [2.0, 4.0]], preprocessed(inputs, form), atol=1e-6)


@pytest.mark.parametrize("form", [PIXELS, InputFormat((4,), "float32", np.zeros(4), np.full(4, 2.0))])
def test_network_is_made_of_standard_layers(form: InputFormat) -> None:
    """A saved model loads without this project."""
    model = build_mlp(PARAMS, form, n_classes=2, seed=0)
    assert all(getattr(keras.layers, type(layer).__name__) is type(layer) for layer in model.layers)


def test_hand_made_network_is_one_hidden_layer_of_128() -> None:
    """Flatten, Dense(128, relu), Dense(10), nothing else: 101,770 parameters on MNIST."""
    model = build_hand_made(PIXELS, n_classes=10, seed=0)
    dense = layers_of(model, keras.layers.Dense)
    assert [(128, "relu"), (10, "linear")] == [(layer.units, layer.activation.__name__) for layer in dense]
    assert 101_770 == model.count_params()
    assert [] == model.losses + layers_of(model, keras.layers.Dropout)
