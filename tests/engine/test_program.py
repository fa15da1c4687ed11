"""The compiled epoch does what `keras.Model.fit` does, step by step, and its randomness is what it should be."""

from collections.abc import Callable
from itertools import combinations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from tuning.data.examples import Examples
from tuning.engine.compilation import Compilation
from tuning.engine.program import Program
from tuning.engine.task_criterion import CrossEntropyOfLogits

BuildModel = Callable[..., keras.Model]
LEARNING_RATE = 3e-3
SEED = 7


XLA, GRAPH = Compilation(True, "float32"), Compilation(False, "float32")


def program_for(
    model: keras.Model, inputs: NDArray, labels: NDArray, batch_size: int, compilation: Compilation = XLA
) -> Program:
    """A program on resident copies of these arrays."""
    return Program(
        model, tf.constant(inputs), tf.constant(labels, tf.int32), batch_size, compilation, CrossEntropyOfLogits()
    )


def compiled(model: keras.Model, ema_momentum: float) -> keras.Model:
    """The model with Keras' own optimizer, loss and training loop."""
    ema = {"use_ema": True, "ema_momentum": ema_momentum, "ema_overwrite_frequency": None} if ema_momentum else {}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(LEARNING_RATE, **ema), loss)
    return model


def shuffled(inputs: NDArray, labels: NDArray, epoch: int) -> tuple[NDArray, NDArray]:
    """The examples in the order in which the program visits them."""
    order = tf.random.experimental.stateless_shuffle(tf.range(len(labels)), seed=np.array([SEED, epoch])).numpy()
    return inputs[order], labels[order]


@pytest.mark.parametrize("compilation", [XLA, GRAPH], ids=str)
@pytest.mark.parametrize("l2", [pytest.param(0.0, marks=pytest.mark.slow), 1e-2])
def test_epochs_agree_with_fit(build: BuildModel, train: Examples, l2: float, compilation: Compilation) -> None:
    """Three epochs of 13 steps, the last one smaller."""
    program = program_for(build(l2=l2), train.inputs, train.labels, 32, compilation)
    reference = compiled(build(l2=l2), ema_momentum=0.0)
    for epoch in (1, 2, 3):
        program.train_epoch(LEARNING_RATE, 0.0, SEED, epoch)
        reference.fit(*shuffled(train.inputs, train.labels, epoch), batch_size=32, shuffle=False, verbose=0)
    assert_weights_agree(reference, program)


@pytest.mark.slow
@pytest.mark.parametrize("l2", [0.0, 1e-2])
def test_averages_agree_with_those_of_keras_optimizer(
    build: BuildModel, train: Examples, l2: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two epochs of 13 steps; `train_on_batch`, because `fit` overwrites the weights with their averages at its end."""
    monkeypatch.setattr("tuning.engine.program.AVERAGED_STEPS", 1)
    program = program_for(build(l2=l2), train.inputs, train.labels, batch_size=32)
    reference = compiled(build(l2=l2), ema_momentum=0.9)
    for epoch in (1, 2):
        program.train_epoch(LEARNING_RATE, 0.9, SEED, epoch)
        inputs, labels = shuffled(train.inputs, train.labels, epoch)
        for first in range(0, len(labels), 32):
            reference.train_on_batch(inputs[first : first + 32], labels[first : first + 32])
    reference.optimizer.finalize_variable_values(reference.trainable_variables)
    assert_weights_agree(reference, program)


def test_every_step_agrees_with_fit(build: BuildModel, train: Examples) -> None:
    """Epochs of one step: the weights are compared after each."""
    inputs, labels = train.inputs[:50], train.labels[:50]
    program, reference = program_for(build(l2=1e-3), inputs, labels, batch_size=50), compiled(build(l2=1e-3), 0.0)
    for epoch in range(1, 9):
        program.train_epoch(LEARNING_RATE, 0.0, SEED, epoch)
        reference.fit(*shuffled(inputs, labels, epoch), batch_size=50, shuffle=False, verbose=0)
        assert_weights_agree(reference, program)


@pytest.mark.slow
def test_other_layers_and_penalties_agree_with_fit(
    train: Examples, measure_statistics: Callable[[keras.Model, NDArray], None]
) -> None:
    """Batch normalization, L1, L2 on a bias, an activity penalty, a layer that is not trained."""

    def build() -> keras.Model:
        def dense(units: int, seed: int, **settings: object) -> keras.layers.Layer:
            return layers.Dense(units, kernel_initializer=keras.initializers.GlorotUniform(seed), **settings)

        l1_l2 = keras.regularizers.L1L2(1e-4, 1e-3)
        return keras.Sequential(
            [
                keras.Input((64,)),
                dense(12, 1, kernel_regularizer=l1_l2, activity_regularizer=keras.regularizers.L2(1e-3)),
                layers.BatchNormalization(),
                layers.ReLU(),
                dense(12, 2, trainable=False),
                dense(10, 3, bias_regularizer=keras.regularizers.L2(1e-2)),
            ]
        )

    inputs = train.inputs.reshape(-1, 64).astype(np.float32) / 16
    program, reference = program_for(build(), inputs, train.labels, 64), compiled(build(), 0.0)
    for epoch in (1, 2):
        program.train_epoch(LEARNING_RATE, 0.0, SEED, epoch)
        reference.fit(*shuffled(inputs, train.labels, epoch), batch_size=64, shuffle=False, verbose=0)
    measure_statistics(reference, inputs)
    assert_weights_agree(reference, program)


def assert_weights_agree(reference: keras.Model, program: Program) -> None:
    """Within what float32 sums in another order differ by."""
    for expected, actual in zip(reference.get_weights(), program.weights(), strict=True):
        np.testing.assert_allclose(expected, actual, rtol=1e-4, atol=1e-5)


def test_reset_starts_a_fresh_optimizer(build: BuildModel, train: Examples) -> None:
    """The second training of a program equals its first one, bit for bit."""
    program = program_for(build(dropout=0.3), train.inputs, train.labels, batch_size=64)
    trained = []
    for _ in range(2):
        program.reset(build(dropout=0.3))
        for epoch in (1, 2):
            program.train_epoch(LEARNING_RATE, 0.9, SEED, epoch)
        trained.append(program.weights())
    for first, second in zip(*trained, strict=True):
        np.testing.assert_array_equal(first, second)


def test_logits_are_clean(build: BuildModel, train: Examples) -> None:
    """No dropout, all parts of an evaluation that is done in several, in order."""
    model = build(dropout=0.6)
    inputs = np.tile(train.inputs, (13, 1, 1))
    program = program_for(model, train.inputs, train.labels, batch_size=64)
    expected = model.predict(inputs, batch_size=100, verbose=0)
    np.testing.assert_allclose(
        expected, program.predict(tf.constant(inputs), tf.zeros(len(inputs), tf.int32)).outputs, rtol=1e-5, atol=1e-5
    )


@pytest.mark.slow
def test_bfloat16_products_agree_with_float32_within_their_precision(build: BuildModel, train: Examples) -> None:
    """Eight bits of mantissa: after three epochs the losses differ by less than one per cent, and not by nothing."""
    losses = []
    for precision in ("float32", "mixed_bfloat16"):
        model = build(units=64, dropout=0.3, l2=1e-4)
        program = program_for(model, train.inputs, train.labels, 32, Compilation(False, precision))
        for epoch in (1, 2, 3):
            program.train_epoch(LEARNING_RATE, 0.9, SEED, epoch)
        losses.append(program.predict(tf.constant(train.inputs), tf.constant(train.labels, tf.int32)).loss)
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.01)


@keras.saving.register_keras_serializable("tests")
class Recorder(layers.Layer):
    """Keeps what passes through in training: a row a step of the epoch."""

    def __init__(self, n_steps: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.n_steps = n_steps

    def build(self, input_shape: tuple[int, ...]) -> None:
        """One weight for the rows, one to count the steps."""
        self.rows = self.add_weight(shape=(self.n_steps, 32, input_shape[-1]), trainable=False)
        self.step = self.add_weight(shape=(), dtype="int32", trainable=False, initializer="zeros")

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Record a training batch; hand on the inputs as they are."""
        if training:
            self.rows.value.scatter_nd_update([[self.step.value % self.n_steps]], [inputs])
            self.step.assign_add(1)
        return inputs

    def get_config(self) -> dict[str, object]:
        """What a copy needs."""
        return super().get_config() | {"n_steps": self.n_steps}


def recorded(program: Program, seed: int, epoch: int) -> list[NDArray[np.float32]]:
    """Train an epoch; what its recorders saw, shape (n_steps, 32, width) each."""
    program.train_epoch(LEARNING_RATE, 0.0, seed, epoch)
    return [weight for weight in program.weights() if weight.ndim == 3]


def test_masks_differ_between_layers_steps_epochs_and_seeds() -> None:
    """Two layers, two steps, two epochs, two seeds: 16 masks, every two of which agree on half of their values."""
    inputs = keras.Input((50,))
    branches = [Recorder(n_steps=2)(layers.Dropout(0.5)(inputs)) for _ in range(2)]
    model = keras.Model(inputs, layers.Dense(2)(layers.Concatenate()(branches)))
    program = program_for(model, np.ones((64, 50), np.float32), np.zeros(64), batch_size=32)
    layers_seen = [rows for seed in (0, 1) for epoch in (1, 2) for rows in recorded(program, seed, epoch)]
    masks = [step > 0 for rows in layers_seen for step in rows]
    assert 16 == len(masks)
    for one, other in combinations(masks, 2):
        assert pytest.approx(0.5, abs=0.07) == np.mean(one == other)


def test_an_epoch_visits_every_example_once_in_an_order_of_its_own() -> None:
    """The input of an example is its number."""
    model = keras.Sequential([keras.Input((1,)), Recorder(n_steps=3), layers.Dense(2)])
    program = program_for(model, np.arange(96, dtype=np.float32)[:, None], np.zeros(96), batch_size=32)
    orders = [recorded(program, *at)[0].ravel().tolist() for at in ((0, 1), (0, 2), (1, 1), (0, 1))]
    assert [list(range(96))] * 4 == [sorted(order) for order in orders]
    assert 3 == len({tuple(order) for order in orders})
    assert orders[0] == orders[3]


def test_rates_factors_and_learning_rates_do_not_trace_again(build: BuildModel, train: Examples) -> None:
    """One program, four trainings that differ in all run-time values, one trace."""
    program = program_for(build(dropout=0.3, l2=1e-3), train.inputs, train.labels, batch_size=64)
    for seed in (0, 1, 2**40):
        program.reset(build(seed % 100, dropout=0.1 + 0.1 * (seed % 3), l2=1e-4))
        program.train_epoch(1e-3 / (1 + seed), 0.5, seed, epoch=1)
    assert 1 == program._epoch.experimental_get_tracing_count()
    assert 1 == program._steps.experimental_get_tracing_count()
