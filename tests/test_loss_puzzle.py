"""98 % right with a loss of 4.7: the puzzle that this project began with, by real networks on real digits.

A network is trained on pixels divided by 255 and then fed pixels of 0 to 255: it answers as before, and its loss is
more than a hundred times what it was.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

from models.pretrained import load_baseline
from tuning.baseline_reading import read_baseline
from tuning.data import Dataset, Examples, load_dataset
from tuning.evaluation import Cause, loss_report
from tuning.finalists import baseline_finalist
from tuning.finals import compare

pytestmark = pytest.mark.slow

Logits = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class Trained:
    """A network trained on pixels divided by 255, and the digits."""

    model: keras.Model
    data: Dataset
    test: Examples

    def outputs(self, part: Examples, divisor: float) -> NDArray[np.float32]:
        """Its logits for pixels divided by this."""
        return np.asarray(self.model.predict(part.inputs.astype(np.float32) / divisor, batch_size=1000, verbose=0))

    def fit(self, epochs: int) -> None:
        """Train on."""
        train = self.data.train
        self.model.fit(train.inputs.astype(np.float32) / 255, train.labels, batch_size=64, epochs=epochs, verbose=0)


@pytest.fixture(scope="module")
def trained() -> Trained:
    """Flatten, Dense(128), Dense(10) after ten epochs on the digits of the package, or on MNIST where it is."""
    data = load_dataset("mnist" if os.environ.get("TUNING_MNIST") else "mnist5k", seed=0, environ=os.environ)
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Flatten(), keras.layers.Dense(128, activation="relu"), keras.layers.Dense(10)]
    model = keras.Sequential([keras.Input((28, 28)), *layers])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    network = Trained(model, data, data.test.open())
    network.fit(epochs=3 if data.name == "mnist" else 10)
    return network


def test_unscaled_inputs_keep_the_accuracy_and_ruin_the_loss(trained: Trained) -> None:
    """The same answers within a point, a loss above 4, a temperature near 255, and the sentence that says so."""
    val, labels = trained.data.validation, trained.test.labels
    sound, raw = (
        loss_report(trained.outputs(trained.test, x), labels, fitted_on=(trained.outputs(val, x), val.labels))
        for x in (255.0, 1.0)
    )
    assert sound.accuracy == pytest.approx(raw.accuracy, abs=0.01)
    assert sound.raw.nll < 0.5
    assert raw.raw.nll > 4
    assert pytest.approx(raw.temperature, rel=0.25) == 255
    assert sound.raw.nll == pytest.approx(raw.calibrated.nll, rel=0.2)
    assert raw.loss_share_on_errors > 0.99
    assert Cause.UNSCALED_INPUTS == raw.cause != sound.cause
    assert "as inputs that are not scaled make them in a network trained on inputs of [0, 1] or [-1, 1]" in raw.sentence
    assert {"probabilities, clipped", "softmax of probabilities"} <= set(raw.ruled_out)


def test_losses_that_keras_reports_of_misread_outputs_are_explained(trained: Trained) -> None:
    """`from_logits` set wrongly in both directions, on the real outputs."""
    outputs, labels = trained.outputs(trained.test, 255.0), trained.test.labels
    from_probabilities = keras.losses.SparseCategoricalCrossentropy(from_logits=False)
    from_logits = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    taken_for_probabilities = float(from_probabilities(labels, outputs))
    softmaxed_twice = float(from_logits(labels, softmax(outputs, axis=1)))
    for reported, cause in (
        (taken_for_probabilities, Cause.LOGITS_AS_PROBABILITIES),
        (softmaxed_twice, Cause.PROBABILITIES_AS_LOGITS),
    ):
        assert cause == loss_report(outputs, labels, reported_loss=reported).cause


def test_a_module_trained_on_0_to_1_is_found_out_and_its_naive_loss_is_kept(trained: Trained, tmp_path: Path) -> None:
    """Saved and loaded as any SavedModel, scored by the code of a study's end."""
    inputs = keras.Input((28, 28, 1))
    keras.Model(inputs, trained.model(keras.layers.Reshape((28, 28))(inputs))).export(tmp_path / "m", verbose=False)
    finalist = baseline_finalist(load_baseline(str(tmp_path / "m"), cache_dir=tmp_path), trained.data.for_training)
    (result,), paired, _ = compare([finalist], trained.data.for_training, trained.test)
    assert {} == paired
    assert result.sweep is not None
    assert result.naive is not None
    assert ("[0, 1]", "pixels 0 to 255") == (result.sweep.chosen, result.naive.scaling)
    assert result.evaluation.accuracy == pytest.approx(result.naive.evaluation.accuracy, abs=0.01)
    assert Cause.UNSCALED_INPUTS == result.naive.loss_report.cause != result.loss_report.cause
    assert "inputs scaled to [0, 1]: the lowest loss" in result.note
    _, sound, naive = result.loss_sentences()
    assert sound == f"baseline-m: {result.loss_report.sentence}"
    assert naive.startswith("baseline-m read naively (inputs as pixels 0 to 255), not used in the comparison: loss")
    assert "in a network trained on inputs of [0, 1]; divided by that" in naive
    assert result.evaluation.nll < 0.5 < 4 < result.naive.evaluation.nll


def test_the_stand_in_was_trained_as_its_documentation_says(trained: Trained, tmp_path: Path) -> None:
    """The sweep finds [-1, 1] on validation images."""
    stand_in = load_baseline("stand-in", cache_dir=tmp_path)
    sweep = read_baseline(stand_in, trained.data.for_training, seed=0).sweep
    assert "inputs scaled to [-1, 1], as documented" in sweep.sentence()
    assert sweep.lead_interval.low > 0


def test_a_network_trained_for_too_long_is_over_confident(trained: Trained) -> None:
    """Sixty more epochs on the same digits; the last test of this file, because it changes the network."""
    trained.fit(epochs=10 if trained.data.name == "mnist" else 60)
    val, labels = trained.data.validation, trained.test.labels
    report = loss_report(
        trained.outputs(trained.test, 255.0), labels, fitted_on=(trained.outputs(val, 255.0), val.labels)
    )
    assert Cause.OVER_CONFIDENCE == report.cause
    assert 1.1 < report.temperature < 10
    assert report.raw.ece.is_shown
