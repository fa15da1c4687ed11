"""The loss and the error of each task against closed forms, and a small training of each."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.mlp import InputFormat, build_mlp
from tuning.data import Examples, InputScaling, TrainingData
from tuning.engine.criterion import Criterion
from tuning.engine.metrics import Predictions, value_stderr
from tuning.engine.stopping import StopRule
from tuning.engine.task_criterion import CrossEntropyOfLogits, SigmoidCrossEntropy, StandardizedSquaredError
from tuning.engine.training import Engine, TrainingPlan
from tuning.task import Task
from tuning.units import in_target_units

RNG = np.random.default_rng(0)
LOGITS = np.array([[2.0, -1.0], [0.5, 0.5], [-3.0, 4.0]], np.float32)
ANSWERS = np.array([[1, 1], [0, 1], [0, 1]])
PLAN = TrainingPlan(3e-3, seed=0, max_epochs=40, stop=StopRule(patience=40, min_epochs=40))


def test_multilabel_loss_is_the_mean_over_the_labels() -> None:
    """log(1 + e^-z) for a yes, log(1 + e^z) for a no."""
    expected = np.log1p(np.exp(np.where(ANSWERS == 1, -LOGITS, LOGITS))).mean(axis=1)

    np.testing.assert_allclose(expected, SigmoidCrossEntropy().losses(ANSWERS, LOGITS), rtol=1e-6)


def test_multilabel_error_is_the_share_of_wrong_labels() -> None:
    """The second label of the first example and the first of the second are on the wrong side of 0."""
    np.testing.assert_array_equal([0.5, 0.5, 0.0], SigmoidCrossEntropy().errors(ANSWERS, LOGITS))


def test_binary_is_the_softmax_over_zero_and_the_logit() -> None:
    """Class numbers of shape (n,) against one logit each: the two-logit model's loss and errors."""
    labels, two = np.array([1, 0, 1]), np.stack([np.zeros(3, np.float32), LOGITS[:, 0]], axis=1)
    one, other = SigmoidCrossEntropy(), CrossEntropyOfLogits()

    np.testing.assert_allclose(other.losses(labels, two), one.losses(labels, LOGITS[:, :1]), rtol=1e-6)
    np.testing.assert_array_equal(other.errors(labels, two), one.errors(labels, LOGITS[:, :1]))


def test_regression_loss_is_in_variances_of_the_targets() -> None:
    """Two deviations off is a loss of 4, whatever the unit; several numbers are averaged."""
    targets, values = np.array([[10.0, 0.0], [20.0, 1.0]], np.float32), np.array([[16.0, 0.0], [20.0, 3.0]], np.float32)
    criterion = StandardizedSquaredError(np.array([3.0, 1.0], np.float32))

    np.testing.assert_allclose([2.0, 2.0], criterion.losses(targets, values))
    np.testing.assert_allclose([2.0, 2.0], criterion.errors(targets, values))
    np.testing.assert_allclose([4.0], StandardizedSquaredError(np.float32([3])).losses(targets[:1, 0], values[:1, :1]))


@pytest.mark.parametrize(
    ("criterion", "labels"), [(SigmoidCrossEntropy(), ANSWERS), (StandardizedSquaredError(np.float32([2, 2])), LOGITS)]
)
def test_noise_of_the_error_is_its_spread_over_the_examples(criterion: Criterion, labels: np.ndarray) -> None:
    """Standard deviation over the root of the number of examples; never 0 where all is right."""
    outputs = LOGITS + np.float32(RNG.normal(size=(3, 2)))
    errors = criterion.errors(labels, outputs).numpy()

    found = Predictions(outputs, criterion.losses(labels, outputs).numpy(), errors)

    assert (errors.std() or 3**-0.5) == pytest.approx(found.error_sd)
    assert 3**-0.5 == pytest.approx(Predictions(outputs, errors, np.zeros(3, np.float32)).error_sd)


def test_noise_of_a_share_of_classes_is_binomial() -> None:
    """Three wrong of ten: the root of 0.3 * 0.7."""
    found = Predictions(LOGITS, np.ones(10, np.float32), np.arange(10) < 3)

    assert np.sqrt(0.3 * 0.7) == pytest.approx(found.error_sd)


def _network(n_features: int, n_outputs: int) -> keras.Model:
    form = InputFormat((n_features,), "float32", 0.0, 1.0)
    return build_mlp({"units": 32, "layers": 1, "dropout": 0.0, "l2": 0.0}, form, n_outputs, seed=0)


def _data(targets: np.ndarray, inputs: np.ndarray) -> TrainingData:
    parts = [Examples(inputs[rows], targets[rows]) for rows in (slice(300), slice(300, None))]
    return TrainingData(*parts, 0, inputs.shape[1:], InputScaling(0.0, 1.0), Task.REGRESSION)


@pytest.mark.slow
def test_a_network_gives_values_in_the_unit_of_its_targets() -> None:
    """Targets around 5,000: the untrained network gives their mean, the trained one explains nearly all of them."""
    inputs = RNG.normal(size=(400, 4)).astype(np.float32)
    targets = (5000 + 800 * inputs[:, 0] - 300 * inputs[:, 1] ** 2).astype(np.float32)
    data = _data(targets, inputs)
    model = in_target_units(_network(4, 1), data)
    assert float(targets[:300].mean()) == pytest.approx(float(tf.reduce_mean(model(inputs))), abs=500)

    criterion = StandardizedSquaredError(np.array([targets[:300].std()]))
    trained = Engine(inputs[:300], targets[:300], inputs[300:], targets[300:], criterion).train(model, PLAN)

    residuals = model.predict(inputs[300:], verbose=0)[:, 0] - targets[300:]
    assert trained.best.val_loss == pytest.approx(np.mean(residuals**2) / targets[:300].var(), rel=1e-3)
    assert trained.best.val_loss == trained.best.val_error == trained.best.val_calibrated_loss < 0.05
    expected = np.std(residuals**2) / targets[:300].var() / 10
    assert expected == pytest.approx(value_stderr(trained.best, "val_error", 100), rel=1e-3)


@pytest.mark.slow
def test_fit_trains_on_the_same_loss() -> None:
    """A subclass of keras.Model that nobody compiled learns the labels by its own `fit`."""
    inputs = RNG.normal(size=(400, 4)).astype(np.float32)
    answers = (inputs[:, :3] > 0).astype(np.int64)

    class Own(keras.Model):
        """Not functional: it cannot be compiled by the engine."""

        def __init__(self) -> None:
            super().__init__()
            self.inside = _network(4, 3)

        def call(self, inputs: tf.Tensor) -> tf.Tensor:
            """The network inside."""
            return self.inside(inputs)

    own = Own()
    own(inputs[:1])
    trained = Engine(inputs[:300], answers[:300], inputs[300:], answers[300:], SigmoidCrossEntropy()).train(own, PLAN)

    assert trained.trained_by.startswith("fit")
    assert trained.best.val_error < 0.1
    assert trained.best.val_calibrated_loss <= trained.best.val_loss


@pytest.mark.slow
def test_tokens_of_a_sequence_arrive_as_they_are() -> None:
    """Whole numbers of shape (n, length) are neither scaled nor rounded on their way into an Embedding."""
    tokens = RNG.integers(0, 1000, (400, 6))
    labels = (tokens[:, 0] >= 500).astype(np.int64)
    inputs = tokens.astype(np.float32)  # as `tuning.data` keeps them
    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.Embedding(1000, 4), keras.layers.Flatten(), keras.layers.Dense(2)]
    )

    trained = Engine(inputs, labels, inputs, labels).train(model, TrainingPlan(1e-2, seed=0, max_epochs=30))

    assert trained.best.train_error == 0.0
