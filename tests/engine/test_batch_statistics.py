"""Batch normalization is evaluated and kept with statistics of the weights themselves, not of those before them."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tuning.data.examples import Examples
from tuning.engine import program as program_module
from tuning.engine.batch_statistics import can_be_measured
from tuning.engine.compilation import Compilation
from tuning.engine.program import Program
from tuning.engine.task_criterion import CrossEntropyOfLogits

Measure = Callable[[keras.Model, np.ndarray], None]
GRAPH = Compilation(jit_compile=False, precision="float32")


def normalized(*, dropout: float = 0.0, trainable: bool = True) -> keras.Model:
    """Two hidden layers with batch normalization, from the same seeds each time."""
    model = keras.Sequential([keras.Input((64,))])
    for seed in (1, 2):
        model.add(layers.Dense(16, "relu", kernel_initializer=keras.initializers.GlorotUniform(seed)))
        model.add(layers.BatchNormalization(trainable=trainable))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(10, kernel_initializer=keras.initializers.GlorotUniform(3)))
    return model


def pixels(examples: Examples) -> np.ndarray:
    """As features in 0..1."""
    return examples.inputs.reshape(-1, 64).astype(np.float32) / 16


def trained(model: keras.Model, train: Examples, n_epochs: int = 1, ema_momentum: float = 0.9) -> Program:
    """A program after a few epochs of 7 steps."""
    labels = tf.constant(train.labels, tf.int32)
    program = Program(model, tf.constant(pixels(train)), labels, 64, GRAPH, CrossEntropyOfLogits())
    for epoch in range(1, n_epochs + 1):
        program.train_epoch(0.01, ema_momentum, seed=5, epoch=epoch)
    return program


@pytest.mark.slow
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_statistics_are_those_of_the_kept_weights(train: Examples, dropout: float, measure_statistics: Measure) -> None:
    """Of averaged weights, in evaluation mode: dropout, which is not there when they are used, has no part in them."""
    program = trained(normalized(dropout=dropout), train, n_epochs=2)
    expected = normalized()
    expected.set_weights(program.weights())
    measure_statistics(expected, pixels(train))
    for one, other in zip(expected.get_weights(), program.weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_statistics_of_several_batches_are_their_means(train: Examples, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the first normalization, whose inputs do not depend on how the examples are parted."""
    monkeypatch.setattr(program_module, "_EVALUATION_BYTES", 64 * 4 * 150)  # three batches of 134, 133 and 133 examples
    in_parts = trained(normalized(), train).weights()
    monkeypatch.undo()
    at_once = trained(normalized(), train).weights()
    np.testing.assert_allclose(in_parts[4], at_once[4], rtol=0.01, atol=1e-4)  # the mean
    assert np.all(
        in_parts[5] <= at_once[5] * (1 + 1e-5)
    )  # variances within parts leave out how their means differ, and no more
    np.testing.assert_allclose(in_parts[5], at_once[5], rtol=0.05)


@pytest.mark.slow
def test_a_network_is_as_good_as_its_weights_from_the_first_epoch(train: Examples, val: Examples) -> None:
    """Keras' moving statistics, of weights that are gone, are near their initial values after 14 steps."""
    program = trained(normalized(), train, n_epochs=2, ema_momentum=0.0)
    measured = program.predict(tf.constant(pixels(val)), tf.constant(val.labels, tf.int32))
    moving = normalized()
    moving.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    moving.fit(pixels(train), train.labels, batch_size=64, epochs=2, verbose=0)
    assert measured.loss < 0.7 * moving.evaluate(pixels(val), val.labels, verbose=0)


@pytest.mark.slow
def test_what_is_not_trained_keeps_its_statistics(train: Examples) -> None:
    """A pretrained network's normalization is used as it came."""
    model = normalized(trainable=False)
    before = [weight.numpy() for layer in model.layers[1::3] for weight in layer.weights]
    model.set_weights(trained(model, train).weights())
    after = [weight.numpy() for layer in model.layers[1::3] for weight in layer.weights]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_can_be_measured() -> None:
    """Plain normalization that is trained; all else stays Keras' own."""
    frozen = layers.BatchNormalization(trainable=False)
    renormalized = layers.BatchNormalization()
    renormalized.renorm = True  # an argument of newer versions of Keras
    assert can_be_measured(layers.BatchNormalization())
    assert not any(map(can_be_measured, (frozen, renormalized, layers.LayerNormalization())))
