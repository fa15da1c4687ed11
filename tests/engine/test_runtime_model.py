"""The run-time copy of a model: the same function, with rates, factors and masks as run-time values."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from models.mlp import InputFormat, build_mlp
from tuning.data.examples import Examples
from tuning.engine.runtime_model import RuntimeDropout, RuntimeModel, architecture, l2_factors

BuildModel = Callable[..., keras.Model]


def dropped(rate: float) -> np.ndarray:
    """What run-time dropout leaves of ones under a mask that drops the first of every four."""
    layer = RuntimeDropout()
    layer.rate.assign(rate)
    layer.mask = tf.constant(np.arange(12).reshape(3, 4) % 4 > 0)
    return layer(tf.ones((3, 4)), training=True).numpy()


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.8])
def test_dropout_divides_what_its_mask_keeps(rate: float) -> None:
    """By 1 - rate, exactly as in Keras."""
    np.testing.assert_allclose(np.tile([0, 1, 1, 1], (3, 1)) / (1 - rate), dropped(rate), rtol=1e-6)


def test_dropout_in_evaluation_mode_changes_nothing() -> None:
    """Whatever the rate."""
    layer = RuntimeDropout()
    layer.rate.assign(0.8)
    layer.mask = tf.zeros((3, 4), tf.bool)
    np.testing.assert_array_equal(np.ones((3, 4)), layer(tf.ones((3, 4)), training=False).numpy())


def test_masks_do_not_outlive_a_step(build: BuildModel, val: Examples) -> None:
    """A traced tensor that stayed behind would break the next trace."""
    runtime = RuntimeModel(build(dropout=0.5))
    masks = [tf.zeros((len(val.inputs), 16), tf.bool)] * 2
    constant = runtime.training_outputs(val.inputs, masks).numpy()
    np.testing.assert_allclose(np.tile(constant[:1], (len(constant), 1)), constant)
    assert [None, None] == [layer.mask for layer in runtime.dropouts]


def test_copy_computes_the_same_function(build: BuildModel, val: Examples) -> None:
    """uint8 images in, the same logits out, without dropout."""
    model = build(dropout=0.4, l2=1e-3)
    copy = RuntimeModel(model).model
    np.testing.assert_allclose(model(val.inputs), copy(val.inputs), rtol=1e-6, atol=1e-6)


def test_copy_of_a_feature_network_keeps_offset_and_scale() -> None:
    """Normalization holds them as constants, not as weights."""
    inputs = np.random.default_rng(0).normal(50.0, 9.0, (20, 3)).astype(np.float32)
    form = InputFormat((3,), "float32", inputs.mean(axis=0), 1 / inputs.std(axis=0))
    model = build_mlp({"units": 4, "layers": 1, "dropout": 0.0, "l2": 0.0}, form, n_classes=2, seed=0)
    np.testing.assert_allclose(model(inputs), RuntimeModel(model).model(inputs), rtol=1e-6, atol=1e-6)


def test_load_takes_over_weights_rates_and_factors(build: BuildModel, val: Examples) -> None:
    """Everything in which two models of one architecture differ."""
    runtime, other = RuntimeModel(build(seed=0, dropout=0.2, l2=1e-3)), build(seed=1, dropout=0.5, l2=1e-4)
    runtime.load(other)
    rates = [layer.rate.numpy() for layer in runtime.model.layers if isinstance(layer, RuntimeDropout)]
    np.testing.assert_allclose(other(val.inputs), runtime.model(val.inputs), rtol=1e-6, atol=1e-6)
    assert [0.5, 0.5] == rates
    assert l2_factors(other) == pytest.approx([None if l2 is None else l2.numpy() for l2 in runtime.l2])


def test_each_dropout_layer_keeps_its_own_rate() -> None:
    """Also where they lie on two branches."""
    inputs = keras.Input((4,))
    branches = [layers.Dropout(rate)(inputs) for rate in (0.1, 0.6)]
    runtime = RuntimeModel(keras.Model(inputs, layers.Dense(2)(layers.Add()(branches))))
    rates = [layer.rate.numpy() for layer in runtime.model.layers if isinstance(layer, RuntimeDropout)]
    assert [0.1, 0.6] == pytest.approx(rates)


def test_relatives_of_dropout_stay_as_they_are() -> None:
    """SpatialDropout drops whole channels: its masks have another shape."""
    model = keras.Sequential([keras.Input((5, 3)), layers.SpatialDropout1D(0.3), layers.Flatten(), layers.Dense(2)])
    assert isinstance(RuntimeModel(model).model.layers[0], layers.SpatialDropout1D)


def test_l2_factors_are_those_of_the_kernels(build: BuildModel) -> None:
    """Kernel and bias of three Dense layers, in turn."""
    assert [1e-3, None] * 3 == l2_factors(build(l2=1e-3))
    assert [0.0, None] * 3 == l2_factors(build(l2=0.0))


def test_products_of_the_hidden_layers_are_bfloat16_and_all_weights_float32(build: BuildModel) -> None:
    """The layer that gives the logits keeps its precision."""
    runtime = RuntimeModel(build(), "mixed_bfloat16")
    dense = [layer for layer in runtime.model.layers if isinstance(layer, layers.Dense)]
    assert ["bfloat16", "bfloat16", "float32"] == [layer.compute_dtype for layer in dense]
    assert {"float32"} == {weight.dtype for weight in runtime.model.weights}


def test_load_resets_the_random_state_of_keras_own_layers() -> None:
    """Or the second training of a compiled architecture would see other noise than its first."""
    model = keras.Sequential([keras.Input((4,)), layers.GaussianNoise(1.0, seed=3), layers.Dense(2)])
    runtime = RuntimeModel(model)
    noisy = [runtime.training_outputs(np.ones((2, 4)), []).numpy()]
    runtime.load(model)
    noisy.append(runtime.training_outputs(np.ones((2, 4)), []).numpy())
    np.testing.assert_array_equal(*noisy)


def test_penalties_other_than_l2_stay_in_the_copy() -> None:
    """L1 is Keras' own constant; L2 is a run-time value and must not be counted twice."""
    penalties = {"kernel_regularizer": keras.regularizers.L1(0.1), "bias_regularizer": keras.regularizers.L2(0.2)}
    model = keras.Sequential([keras.Input((2,)), layers.Dense(3, **penalties)])
    runtime = RuntimeModel(model)
    assert float(0.1 * np.abs(model.get_weights()[0]).sum()) == pytest.approx(float(sum(runtime.model.losses)))
    assert 0.2 == pytest.approx(float(runtime.l2[1]))


def test_architecture_is_the_same_for_other_rates_factors_and_seeds(build: BuildModel) -> None:
    """These are what one compiled epoch takes at run time."""
    one, other = build(seed=0, dropout=0.2, l2=1e-3), build(seed=1, dropout=0.5, l2=1e-5)
    assert architecture(one) == architecture(other)


@pytest.mark.parametrize("change", [{"units": 8}, {"layers": 3}])
def test_architecture_differs_where_the_graph_does(build: BuildModel, change: dict[str, float]) -> None:
    """Widths and depth."""
    base = {"dropout": 0.2, "l2": 1e-3}
    assert architecture(build(**base)) != architecture(build(**(base | change)))


def sequential(*stack: keras.layers.Layer, dtype: str = "float32") -> keras.Model:
    """A network on (5, 4) inputs."""
    return keras.Sequential([keras.Input((5, 4), dtype=dtype), *stack])


def test_architecture_differs_for_other_settings_of_a_layer() -> None:
    """Activation, input type, constant penalties, the rate of a dropout that is not a run-time value."""
    models = [
        sequential(layers.Dense(3, activation="relu")),
        sequential(layers.Dense(3, activation="tanh")),
        sequential(layers.Dense(3, activation="relu"), dtype="float16"),
        sequential(layers.Dense(3, activation="relu", kernel_regularizer=keras.regularizers.L1(0.1))),
        sequential(layers.Dense(3, activation="relu", kernel_regularizer=keras.regularizers.L1(0.2))),
        sequential(layers.Dense(3, activation="relu"), layers.SpatialDropout1D(0.1)),
        sequential(layers.Dense(3, activation="relu"), layers.SpatialDropout1D(0.2)),
        sequential(layers.Normalization(mean=1.0, variance=1.0)),
        sequential(layers.Normalization(mean=2.0, variance=1.0)),
    ]
    assert len(models) == len({architecture(model) for model in models})


def test_architecture_is_the_same_without_regularization(build: BuildModel) -> None:
    """So the first regularizing step of a search compiles nothing."""
    assert architecture(build(dropout=0.2, l2=1e-3)) == architecture(build(dropout=0.0, l2=0.0))


def test_architecture_differs_for_other_connections() -> None:
    """The same layers in the same order, the last one fed by another."""

    def skip(source: int) -> keras.Model:
        tensors = [keras.Input((4,))]
        for _ in range(2):
            tensors.append(layers.Dense(4)(tensors[-1]))
        return keras.Model(tensors[0], layers.Add()([tensors[source], tensors[2]]))

    assert architecture(skip(0)) != architecture(skip(1))
    assert architecture(skip(1)) == architecture(skip(1))


def test_a_sequential_model_that_grew_layer_by_layer_uses_each_layer_once() -> None:
    """Keras traces its first layers anew with every layer that is added."""
    model = keras.Sequential([keras.Input((4,)), layers.BatchNormalization(), layers.Dropout(0.5)])
    model.add(layers.Dense(2))
    runtime = RuntimeModel(model)
    assert (1, 1) == (len(runtime.dropouts), len(runtime.normalizations))


def test_a_layer_that_is_used_twice_stays_keras_own() -> None:
    """It has two means, and needs two masks."""
    inputs = keras.Input((4,))
    shared = layers.BatchNormalization(), layers.Dropout(0.5)
    once = shared[1](shared[0](inputs))
    runtime = RuntimeModel(keras.Model(inputs, shared[1](shared[0](once))))
    assert (0, 0) == (len(runtime.dropouts), len(runtime.normalizations))
