"""A user's own Keras model: its optimizer, loss and metrics through the same engine, or its own `fit` where it must."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tuning.data.examples import Examples
from tuning.engine.program import Program
from tuning.engine.programs import Programs
from tuning.engine.stopping import StopRule
from tuning.engine.training import Engine, TrainedModel, TrainingPlan

pytestmark = pytest.mark.slow  # every architecture is compiled for its test alone

LEARNING_RATE = 0.01
PLAN = TrainingPlan(LEARNING_RATE, seed=3, max_epochs=3, batch_size=64, stop=StopRule(patience=9, min_epochs=9))
RNG = np.random.default_rng(0)


@keras.saving.register_keras_serializable("tests")
class Scaled(layers.Layer):
    """A custom layer with a weight of its own."""

    def build(self, input_shape: tuple[int, ...]) -> None:
        """One factor a feature."""
        self.factor = self.add_weight(shape=input_shape[-1:], initializer="ones")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Multiply."""
        return inputs * self.factor


def pixels(examples: Examples) -> np.ndarray:
    """As features around 0..1."""
    return examples.inputs.reshape(-1, 64).astype(np.float32) / 16


def features(*more: layers.Layer, seed: int = 1) -> list[layers.Layer]:
    """A small network for the digits, up to its head."""
    kernel = keras.initializers.GlorotUniform(seed)
    return [keras.Input((64,)), layers.Dense(16, "relu", kernel_initializer=kernel), *more]


def head(units: int, activation: str | None = None) -> layers.Layer:
    """The last layer, from the same seed each time."""
    return layers.Dense(units, activation, kernel_initializer=keras.initializers.GlorotUniform(2))


def optimizers() -> list[keras.optimizers.Optimizer]:
    """Of several kinds, one with a schedule, one with a moving average."""
    schedule = keras.optimizers.schedules.ExponentialDecay(0.01, 5, 0.9)
    return [
        keras.optimizers.SGD(LEARNING_RATE, momentum=0.9, nesterov=True),
        keras.optimizers.AdamW(LEARNING_RATE, weight_decay=0.01, clipnorm=1.0),
        keras.optimizers.RMSprop(schedule),
    ]


def trained_by_fit(model: keras.Model, x: object, y: object) -> keras.Model:
    """The model after its own `fit` in the engine's order of examples."""
    n = len(tf.nest.flatten(y)[0])
    for epoch in range(1, PLAN.max_epochs + 1):
        order = tf.random.experimental.stateless_shuffle(tf.range(n), seed=np.array([PLAN.seed, epoch])).numpy()
        shuffled = tf.nest.map_structure(lambda a, order=order: a[order], (x, y))
        model.fit(*shuffled, batch_size=PLAN.batch_size, shuffle=False, verbose=0)
    return model


def assert_agrees_with_fit(build: Callable[[], keras.Model], x: object, y: object) -> None:
    """The same weights, the same clean loss and metrics, from a compiled epoch."""
    assert_agrees(Engine(x, y, x, y).train(build(), PLAN), trained_by_fit(build(), x, y), x, y)


def assert_agrees(trained: TrainedModel, expected: keras.Model, x: object, y: object) -> None:
    """What the engine left, and a model that was trained in another way."""
    assert "fit" not in trained.trained_by
    assert trained.best_epoch == PLAN.max_epochs
    for one, other in zip(expected.get_weights(), trained.model.get_weights(), strict=True):
        # A gradient that is all rounding moves Adam by a whole step: a few weights may differ.
        assert np.mean(np.isclose(one, other, rtol=2e-3, atol=2e-4)) > 0.9
    measured = expected.evaluate(x, y, verbose=0, return_dict=True)
    penalty = sum(float(loss) for loss in expected.losses)
    assert measured.pop("loss") - penalty == pytest.approx(trained.best.val_loss, rel=1e-3)
    assert {name for name in measured if not name.endswith("_loss")} == set(trained.val_metrics)
    for name, value in trained.val_metrics.items():
        assert measured[name] == pytest.approx(value, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("i", range(3))
def test_own_optimizer_custom_layer_and_batch_normalization(
    train: Examples, i: int, measure_statistics: Callable[[keras.Model, np.ndarray], None]
) -> None:
    """Weights, loss and metrics agree with `fit` once its statistics are measured as the engine does."""
    x, y = pixels(train), train.labels

    def build() -> keras.Model:
        model = keras.Sequential([*features(layers.BatchNormalization(), Scaled()), head(10, "softmax")])
        model.compile(optimizers()[i], "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    expected = trained_by_fit(build(), x, y)
    measure_statistics(expected, x)
    assert_agrees(Engine(x, y, x, y).train(build(), PLAN), expected, x, y)


def test_several_inputs_and_outputs(train: Examples) -> None:
    """By name, each output with its loss and its weight, one of them a regression, and a penalty."""
    x = {"left": pixels(train)[:, :32], "right": pixels(train)[:, 32:]}
    y = {"digit": train.labels, "ink": pixels(train).mean(axis=1, keepdims=True)}

    def build() -> keras.Model:
        inputs = {name: keras.Input((32,), name=name) for name in x}
        kernel = {"kernel_initializer": keras.initializers.GlorotUniform(5)}
        joint = layers.Concatenate()([layers.Dense(8, "relu", **kernel)(tensor) for tensor in inputs.values()])
        penalty = keras.regularizers.L2(1e-3)
        outputs = {
            "digit": layers.Dense(10, kernel_regularizer=penalty, name="digit", **kernel)(joint),
            "ink": layers.Dense(1, name="ink", **kernel)(joint),
        }
        model = keras.Model(inputs, outputs)
        losses = {"digit": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "ink": "mse"}
        model.compile(keras.optimizers.Adam(LEARNING_RATE), losses, loss_weights={"digit": 1.0, "ink": 3.0})
        return model

    assert_agrees_with_fit(build, x, y)


@keras.saving.register_keras_serializable("tests")
def distance(y: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """A loss function of one's own."""
    return tf.reduce_mean(tf.abs(y - outputs), axis=-1)


@pytest.mark.parametrize("loss", ["mse", keras.losses.Huber(0.1), distance])
def test_regression_has_a_loss_and_no_errors(train: Examples, loss: object) -> None:
    """By name, as an object, as a function."""

    def build() -> keras.Model:
        model = keras.Sequential([*features(), head(1)])
        model.compile(keras.optimizers.Adam(LEARNING_RATE), loss, metrics=["mae"])
        return model

    ink = pixels(train).mean(axis=1, keepdims=True)
    assert_agrees_with_fit(build, pixels(train), ink)
    best = Engine(pixels(train), ink, pixels(train), ink).train(build(), PLAN).best
    assert np.isnan(best.val_error)
    assert best.val_calibrated_loss == best.val_loss


@pytest.mark.parametrize(
    ("units", "activation", "loss", "n_classes"),
    [
        (10, "softmax", "sparse_categorical_crossentropy", 10),
        (10, None, keras.losses.CategoricalCrossentropy(from_logits=True), "one-hot"),
        (1, "sigmoid", "binary_crossentropy", 2),
        (1, None, keras.losses.BinaryCrossentropy(from_logits=True), 2),
    ],
)
def test_errors_are_those_of_keras_accuracy(
    train: Examples, units: int, activation: str | None, loss: object, n_classes: object
) -> None:
    """Class numbers, one-hot rows, probabilities or logits, two classes in one column."""
    labels = train.labels % 2 if n_classes == 2 else train.labels
    labels = np.eye(10, dtype=np.float32)[labels] if n_classes == "one-hot" else labels
    model = keras.Sequential([*features(), head(units, activation)])
    from_logits = n_classes == 2 and activation is None
    accuracy = keras.metrics.BinaryAccuracy("accuracy", threshold=0.0) if from_logits else "accuracy"
    model.compile(keras.optimizers.Adam(LEARNING_RATE), loss, metrics=[accuracy])
    trained = Engine(pixels(train), labels, pixels(train), labels).train(model, PLAN)
    assert 1 - trained.val_metrics["accuracy"] == pytest.approx(trained.best.val_error, abs=1e-6)


def test_learning_rate_and_averaging_of_a_compiled_model_are_its_own(train: Examples, val: Examples) -> None:
    """Where the plan leaves them open; the weights that are kept are the averages that its `fit` ends with."""

    def build() -> keras.Model:
        model = keras.Sequential([*features(), head(10)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(0.02, use_ema=True, ema_momentum=0.9), loss)
        return model

    x, y = pixels(train), train.labels
    plan = TrainingPlan(None, seed=3, max_epochs=1, batch_size=64)
    trained = Engine(x, y, pixels(val), val.labels).train(build(), plan)
    expected = build()
    order = tf.random.experimental.stateless_shuffle(tf.range(len(y)), seed=np.array([3, 1])).numpy()
    expected.fit(x[order], y[order], batch_size=64, shuffle=False, verbose=0)
    for one, other in zip(expected.get_weights(), trained.model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_another_learning_rate_or_optimizer_of_one_architecture(train: Examples) -> None:
    """A learning rate is a run-time value; an optimizer is compiled with the epoch."""
    engine = Engine(pixels(train), train.labels, pixels(train), train.labels)
    programs: Programs = engine._programs
    n_programs = []
    for optimizer in ("adam", keras.optimizers.Adam(0.1), keras.optimizers.Adam(beta_1=0.5), "sgd"):
        model = keras.Sequential([*features(), head(10, "softmax")])
        model.compile(optimizer, "sparse_categorical_crossentropy")
        engine.train(model, TrainingPlan(None, seed=0, max_epochs=1, batch_size=400))
        n_programs.append(len(programs._programs))
    assert [1, 1, 2, 3] == n_programs


class Subclassed(keras.Model):
    """Neither sequential nor functional."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.out = layers.Dense(16, "relu"), layers.Dense(10)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Two layers."""
        return self.out(self.hidden(inputs))


class Unfinished(layers.Layer):
    """A layer that cannot be copied: it does not say what it was built with."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Multiply."""
        return self.factor * inputs


def of_python(inputs: tf.Tensor) -> tf.Tensor:
    """A function that XLA cannot compile but TensorFlow's graph can run."""
    return tf.ensure_shape(tf.numpy_function(lambda x: 2 * x, [inputs], tf.float32), inputs.shape)


@keras.saving.register_keras_serializable("tests")
class OfPython(layers.Layer):
    """Calls back into Python."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Without a gradient through it."""
        return inputs + tf.stop_gradient(of_python(inputs))


def test_what_xla_cannot_compile_runs_in_the_graph(train: Examples) -> None:
    """Found out in the first epoch, which is then done again from the start."""
    model = keras.Sequential([*features(OfPython()), head(10)])
    trained = Engine(pixels(train), train.labels, pixels(train), train.labels).train(model, PLAN)
    assert "graph, float32" == trained.trained_by
    assert trained.best.val_loss < trained.epochs[0].val_loss


def test_what_cannot_be_compiled_is_tried_once_and_not_kept(train: Examples, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second model of such an architecture goes straight to the way that works."""
    built: list[str] = []

    def noted(*args: Any) -> Program:  # noqa: ANN401
        built.append(str(args[4]))
        return Program(*args)

    monkeypatch.setattr("tuning.engine.programs.Program", noted)
    engine = Engine(pixels(train), train.labels, pixels(train), train.labels)
    for _ in range(2):
        engine.train(keras.Sequential([*features(OfPython()), head(10)]), PLAN)
    assert ["XLA, float32", "graph, float32"] == built
    assert 1 == len(engine._programs._programs)


@pytest.mark.parametrize(
    ("build", "why"),
    [
        (Subclassed, "neither sequential nor functional"),
        (lambda: keras.Sequential([*features(Unfinished(2.0)), head(10)]), "Unfinished"),
        (
            lambda: keras.Sequential(
                [keras.Input((64,)), layers.Embedding(20, 2, mask_zero=True), layers.LSTM(4), head(10)]
            ),
            "masks time steps",
        ),
    ],
)
def test_fit_does_the_work_where_the_engine_cannot_and_one_line_says_so(
    train: Examples, val: Examples, build: Callable[[], keras.Model], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    """With clean metrics, a best epoch that is restored, and the reason in the result and, once, in the log."""
    keras.utils.set_random_seed(0)
    engine = Engine(pixels(train), train.labels, pixels(val), val.labels)
    plan = TrainingPlan(LEARNING_RATE, seed=0, max_epochs=2, batch_size=64)
    trained = [engine.train(build(), plan) for _ in range(2)][-1]
    assert trained.trained_by.startswith("fit (")
    assert why in trained.trained_by
    logits = trained.model.predict(pixels(val), verbose=0)
    np.testing.assert_allclose(logits, trained.val.outputs, rtol=1e-4, atol=1e-4)
    assert 0 < trained.best.val_loss < 3
    assert trained.best.val_error == np.mean(logits.argmax(axis=1) != val.labels)
    lines = [record.getMessage() for record in caplog.records if "its own `fit` trains it" in record.getMessage()]
    assert 1 == len(lines)


def test_a_loss_without_a_value_an_example_is_left_to_fit(train: Examples) -> None:
    """Its mean is Keras' own, without the penalty; its noise is unknown."""
    penalized = layers.Dense(16, kernel_regularizer=keras.regularizers.L2(0.1))
    model = keras.Sequential([*features(penalized), head(1)])
    model.compile("adam", keras.losses.MeanSquaredError(reduction="sum"))
    ink = pixels(train).mean(axis=1, keepdims=True)
    trained = Engine(pixels(train), ink, pixels(train), ink).train(model, PLAN)
    assert "reduced by 'sum'" in trained.trained_by
    whole = model.evaluate(pixels(train), ink, batch_size=1024, verbose=0)
    assert whole - sum(float(loss) for loss in model.losses) == pytest.approx(trained.best.val_loss, rel=1e-4)
    assert np.isnan(trained.best.val_loss_sd)


def test_a_model_that_is_wrong_for_the_data_fails_with_keras_own_words(train: Examples) -> None:
    """Whatever way was tried first."""
    model = keras.Sequential([keras.Input((7,)), head(10)])
    with pytest.raises(Exception, match="7"):
        Engine(pixels(train), train.labels, pixels(train), train.labels).train(model, PLAN)


def test_an_uncompiled_model_needs_a_learning_rate(train: Examples) -> None:
    """There is none to take over."""
    engine = Engine(pixels(train), train.labels, pixels(train), train.labels)
    with pytest.raises(ValueError, match="`learning_rate` must be given"):
        engine.train(keras.Sequential([*features(), head(10)]), TrainingPlan(None, seed=0))
