"""One training: best epoch kept, same seed same training, compiled epochs reused, divergence said."""

import weakref
from collections.abc import Callable
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.mlp import InputFormat, build_mlp
from tuning.data.examples import Examples
from tuning.engine.metrics import EpochMetrics
from tuning.engine.plan import default_batch_size, default_ema_momentum
from tuning.engine.programs import Programs
from tuning.engine.stopping import StopRule
from tuning.engine.training import Diverged, Engine, TrainedModel, TrainingPlan
from tuning.evaluation.metrics import error_rate, nll_per_example

BuildModel = Callable[..., keras.Model]
NewEngine = Callable[[], Engine]
PLAN = TrainingPlan(learning_rate=1e-2, seed=5, max_epochs=3, batch_size=64)


@pytest.fixture(scope="module")
def engine(new_engine: NewEngine) -> Engine:
    """One engine for the tests that do not count its programs."""
    return new_engine()


def assert_same_training(first: TrainedModel, second: TrainedModel) -> None:
    """Bit for bit: curves and weights."""
    assert first.epochs == second.epochs
    assert first.best_epoch == second.best_epoch
    for one, other in zip(first.model.get_weights(), second.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_same_seed_gives_the_same_training_in_another_engine(
    engine: Engine, build: BuildModel, new_engine: NewEngine
) -> None:
    """With dropout, so that every random source is in it."""
    trained = [each.train(build(dropout=0.3), PLAN) for each in (engine, new_engine())]
    assert_same_training(*trained)


def test_other_seed_gives_another_training(engine: Engine, build: BuildModel) -> None:
    """From the same initial weights."""
    other = TrainingPlan(PLAN.learning_rate, seed=6, max_epochs=1, batch_size=64)
    first, second = (engine.train(build(), plan).epochs[0] for plan in (PLAN, other))
    assert first != second


@pytest.mark.slow
def test_reused_program_gives_the_training_of_a_fresh_engine(build: BuildModel, new_engine: NewEngine) -> None:
    """Other rate, factor, weights, seed and learning rate, after another training, without a second trace."""
    plan = TrainingPlan(learning_rate=3e-3, seed=9, max_epochs=2, batch_size=64, ema_momentum=0.5)
    engine = new_engine()
    engine.train(build(seed=0, dropout=0.2, l2=1e-3), PLAN)
    reused = engine.train(build(seed=1, dropout=0.5, l2=1e-5), plan)
    (program,) = engine._programs._programs.values()
    assert 1 == program._epoch.experimental_get_tracing_count()
    assert 1 == program._steps.experimental_get_tracing_count()
    assert_same_training(new_engine().train(build(seed=1, dropout=0.5, l2=1e-5), plan), reused)


def test_model_ends_with_the_weights_of_its_best_epoch(engine: Engine, build: BuildModel, val: Examples) -> None:
    """A training that overfits goes on after its best epoch; what is left is the best one's."""
    plan = TrainingPlan(learning_rate=0.03, seed=0, max_epochs=60, batch_size=32, stop=StopRule(patience=4))
    trained = engine.train(build(units=64), plan)
    losses = [epoch.val_loss for epoch in trained.epochs]
    assert trained.best_epoch < len(losses)
    assert trained.best_epoch == 1 + int(np.argmin(losses))
    predicted = trained.model.predict(val.inputs, verbose=0)
    np.testing.assert_allclose(predicted, trained.val.outputs, rtol=1e-4, atol=1e-4)
    assert trained.best.val_loss == pytest.approx(nll_per_example(predicted, val.labels).mean(), rel=1e-4)
    assert trained.best.val_error == pytest.approx(error_rate(predicted, val.labels))


def test_model_ends_with_its_last_weights_where_the_best_are_not_asked_for(
    engine: Engine, build: BuildModel, val: Examples
) -> None:
    """As a final fit wants it, which has no examples left to tell the best epoch by."""
    plan = TrainingPlan(0.03, seed=0, max_epochs=12, batch_size=32, stop=StopRule(12, min_epochs=12))
    best, last = (
        engine.train(build(units=64), replace(plan, restore_best_weights=restored)) for restored in (True, False)
    )
    assert best.best_epoch < last.best_epoch == len(last.epochs) == 12
    assert best.epochs == last.epochs
    predicted = last.model.predict(val.inputs, verbose=0)
    assert last.epochs[-1].val_loss == pytest.approx(nll_per_example(predicted, val.labels).mean(), rel=1e-4)


def test_train_metrics_are_clean(engine: Engine, build: BuildModel, train: Examples) -> None:
    """No dropout and no penalty in them, although both were in the training."""
    trained = engine.train(build(dropout=0.5, l2=0.1), PLAN)
    predicted = trained.model.predict(train.inputs, verbose=0)
    assert engine.n_train == engine.n_train_sample == len(train.labels)
    assert trained.best.train_loss == pytest.approx(nll_per_example(predicted, train.labels).mean(), rel=1e-4)
    assert trained.best.train_error == pytest.approx(error_rate(predicted, train.labels))


def test_monitor_decides_which_epoch_is_best(engine: Engine, build: BuildModel) -> None:
    """The train loss falls on where the validation loss has turned."""
    stop = StopRule(patience=100, generalization_loss_percent=1e9)
    best_epochs = {
        monitor: engine.train(build(units=64), TrainingPlan(0.03, 0, 40, monitor, 32, stop=stop)).best_epoch
        for monitor in ("val_loss", "train_loss")
    }
    assert best_epochs["val_loss"] < best_epochs["train_loss"]


def test_stop_reason_says_that_all_epochs_were_used(engine: Engine, build: BuildModel) -> None:
    """Where the stop rule had nothing to say."""
    assert "all 3 epochs were used" == engine.train(build(), PLAN).stop_reason


def test_every_epoch_is_reported_when_it_ends(engine: Engine, build: BuildModel) -> None:
    """With the metrics that the learning curves hold in the end."""
    reported: list[tuple[int, EpochMetrics]] = []
    trained = engine.train(build(), PLAN, lambda epoch, metrics: reported.append((epoch, metrics)))
    assert list(enumerate(trained.epochs, start=1)) == reported


def test_exception_of_the_callback_ends_the_training(engine: Engine, build: BuildModel) -> None:
    """This is how Optuna prunes; the engine is as good as new."""

    def prune(epoch: int, metrics: EpochMetrics) -> None:
        raise InterruptedError(f"epoch {epoch}")

    expected = engine.train(build(), PLAN)
    with pytest.raises(InterruptedError, match="epoch 1"):
        engine.train(build(seed=1), PLAN, prune)
    assert_same_training(expected, engine.train(build(), PLAN))


def test_first_epoch_without_finite_numbers_raises_diverged(engine: Engine, build: BuildModel) -> None:
    """There is nothing to restore: the model keeps its weights, nobody is told of the epoch, the engine goes on."""
    model, reported = build(), []
    with pytest.raises(Diverged, match=r"first epoch, at a learning rate of 1e\+12"):
        engine.train(model, TrainingPlan(1e12, seed=0), lambda *told: reported.append(told))
    assert [] == reported
    for one, other in zip(build().get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.isfinite(engine.train(build(), PLAN).best.val_loss)


@keras.saving.register_keras_serializable("tests")
class BreaksAfter(keras.layers.Layer):
    """Gives NaN after a number of training steps."""

    def __init__(self, n_steps: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.n_steps = n_steps

    def build(self, input_shape: tuple[int, ...]) -> None:
        """A counter of the training steps."""
        self.step = self.add_weight(shape=(), dtype="int32", trainable=False, initializer="zeros")

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Count and pass on, or break."""
        if training:
            self.step.assign_add(1)
        return tf.where(self.step.value > self.n_steps, np.nan, inputs)

    def get_config(self) -> dict[str, object]:
        """What a copy needs."""
        return super().get_config() | {"n_steps": self.n_steps}


def test_later_divergence_keeps_the_best_epoch(engine: Engine, build: BuildModel, val: Examples) -> None:
    """Finite for two epochs of 7 steps, NaN in the third: the curves show it, the model is the second epoch's."""
    whole = build(layers=1)
    trained = engine.train(keras.Model(whole.input, BreaksAfter(n_steps=14)(whole.output)), PLAN)
    assert "diverged at epoch 3" == trained.stop_reason
    assert [True, True, False] == [bool(np.isfinite(epoch.val_loss)) for epoch in trained.epochs]
    assert 2 == trained.best_epoch
    assert trained.best.val_error == error_rate(trained.val.outputs, val.labels)
    assert all(np.isfinite(weight).all() for weight in trained.model.get_weights())


@pytest.mark.slow
def test_least_recently_used_architecture_makes_room(
    build: BuildModel, new_engine: NewEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where two fit, the one that was not used for longest is freed when a third comes."""
    engine = new_engine()
    programs: Programs = engine._programs
    plan = TrainingPlan(1e-3, seed=0, max_epochs=1, batch_size=400)
    for units in (2, 3):
        engine.train(build(units=units, layers=1), plan)
    first, second = (weakref.ref(program) for program in programs._programs.values())
    held = sum(program.n_bytes for program in programs._programs.values())
    monkeypatch.setattr("tuning.engine.programs._MAX_CACHE_BYTES", held + 100_000)
    engine.train(build(units=2, layers=1, seed=1), plan)
    engine.train(build(units=4, layers=1), plan)
    assert 2 == len(programs._programs)
    assert first() is not None
    assert second() is None


@pytest.mark.slow
def test_features_are_standardised_by_the_model(
    engine: Engine, build: BuildModel, train: Examples, val: Examples
) -> None:
    """The pixels as float features far from 0 and of unequal spread give the training that the pixels give."""
    spread = np.linspace(1.0, 100.0, 64, dtype=np.float32)
    train_x, val_x = (1000 + spread * x.reshape(-1, 64) for x in (train.inputs, val.inputs))
    form = InputFormat((64,), "float32", np.full(64, 1000.0), 1 / (16 * spread))
    model = build_mlp({"units": 16, "layers": 2, "dropout": 0.0, "l2": 0.0}, form, n_classes=10, seed=0)
    trained = Engine(train_x, train.labels, val_x, val.labels).train(model, PLAN)
    of_pixels = engine.train(build(seed=0), PLAN)
    assert [e.val_loss for e in of_pixels.epochs] == pytest.approx([e.val_loss for e in trained.epochs], rel=1e-3)
    np.testing.assert_allclose(model.predict(val_x, verbose=0), trained.val.outputs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"learning_rate": 0.0}, "learning_rate=0.0"),
        ({"precision": "float16"}, "one of .*'mixed_bfloat16'.* got 'float16'"),
        ({"max_epochs": 0}, "max_epochs=0"),
        ({"monitor": "accuracy"}, "one of .*'val_loss'.* got 'accuracy'"),
        ({"batch_size": 0}, "got 0"),
        ({"ema_momentum": 1.0}, "got 1.0"),
    ],
)
def test_plan_out_of_its_range_is_refused(settings: dict[str, object], named: str) -> None:
    """The message names the value, and the known names where it is a name."""
    with pytest.raises(ValueError, match=named):
        TrainingPlan(**({"learning_rate": 1e-3, "seed": 0} | settings))


@pytest.mark.parametrize(("n_train", "batch_size"), [(1, 32), (5_000, 32), (30_000, 64), (48_000, 128), (10**6, 128)])
def test_default_batch_size_aims_at_400_steps(n_train: int, batch_size: int) -> None:
    """A power of two from 32 to 128."""
    assert batch_size == default_batch_size(n_train)


@pytest.mark.parametrize(("n_steps", "momentum"), [(375.0, 1 - 1 / 375), (1.0, 0.0), (0.3, 0.0)])
def test_default_ema_momentum_averages_over_an_epoch(n_steps: float, momentum: float) -> None:
    """No averaging where an epoch is one step."""
    assert momentum == pytest.approx(default_ema_momentum(n_steps))
