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


def dropped(rate: float, seed: tuple[int, int] = (1, 2), index: int = 0) -> np.ndarray:
    """What run-time dropout leaves of 100,000 ones."""
    layer = RuntimeDropout(index, tf.Variable(seed, dtype=tf.int32))
    layer.rate.assign(rate)
    return layer(tf.ones((200, 500)), training=True).numpy()


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_dropout_keeps_its_share_and_the_mean(rate: float) -> None:
    """The share within five standard errors; kept values are divided by 1 - rate exactly as in Keras."""
    outputs = dropped(rate)
    assert pytest.approx(1 - rate, abs=5 * 0.5 / np.sqrt(outputs.size)) == np.mean(outputs > 0)
    np.testing.assert_allclose(outputs[outputs > 0], 1 / (1 - rate), rtol=1e-6)


def test_dropout_of_rate_0_changes_nothing() -> None:
    """Not one value is lost."""
    np.testing.assert_array_equal(np.ones((200, 500)), dropped(0.0))


def test_dropout_in_evaluation_mode_changes_nothing() -> None:
    """Whatever the rate."""
    layer = RuntimeDropout(0, tf.Variable([1, 2], dtype=tf.int32))
    layer.rate.assign(0.8)
    np.testing.assert_array_equal(np.ones((3, 4)), layer(tf.ones((3, 4)), training=False).numpy())


@pytest.mark.parametrize(("seed", "index"), [((1, 3), 0), ((2, 2), 0), ((1, 2), 1)])
def test_dropout_masks_differ_between_seeds_and_layers(seed: tuple[int, int], index: int) -> None:
    """Two independent masks of rate 0.5 agree on half of the values."""
    agreement = np.mean((dropped(0.5) > 0) == (dropped(0.5, seed, index) > 0))
    assert pytest.approx(0.5, abs=0.01) == agreement


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
    assert [None] * 6 == l2_factors(build(l2=0.0))


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


@pytest.mark.parametrize("change", [{"units": 8}, {"layers": 3}, {"dropout": 0.0}, {"l2": 0.0}])
def test_architecture_differs_where_the_graph_does(build: BuildModel, change: dict[str, float]) -> None:
    """Widths, depth, and whether there is dropout or a penalty at all."""
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


def test_architecture_differs_for_other_connections() -> None:
    """The same layers in the same order, the last one fed by another."""

    def skip(source: int) -> keras.Model:
        tensors = [keras.Input((4,))]
        for _ in range(2):
            tensors.append(layers.Dense(4)(tensors[-1]))
        return keras.Model(tensors[0], layers.Add()([tensors[source], tensors[2]]))

    assert architecture(skip(0)) != architecture(skip(1))
    assert architecture(skip(1)) == architecture(skip(1))
