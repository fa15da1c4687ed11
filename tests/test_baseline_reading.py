"""Which scaling a baseline was trained for, found out on validation images; networks that know each scaling."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

from models.baseline_scaling import RAW, STANDARDIZED, SYMMETRIC, UNIT, usual_scalings
from models.pretrained import BaselineError, PretrainedBaseline
from tuning.baseline_reading import read_baseline
from tuning.data import Examples, InputScaling, TrainingData

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (1200, 28, 28), dtype=np.uint8)
WEIGHTS = RNG.normal(scale=0.2, size=(784, 10)).astype(np.float32)
SCALINGS = {each.name: each for each in usual_scalings(PIXELS[:600])}


def linear(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits of a linear network."""
    return images.reshape(-1, 784) @ WEIGHTS


def drawn(scaling: str) -> TrainingData:
    """Images with labels drawn from what the network says of them under this scaling: it was trained for it."""
    probabilities = softmax(linear(SCALINGS[scaling].apply(PIXELS)).astype(float), axis=1)
    thresholds = probabilities.cumsum(axis=1)[:, :-1]
    labels = (thresholds < np.random.default_rng(1).random((len(PIXELS), 1))).sum(axis=1).astype(np.int64)
    parts = (Examples(PIXELS[:600], labels[:600]), Examples(PIXELS[600:], labels[600:]))
    return TrainingData(*parts, 10, (28, 28), InputScaling(0.0, 1 / 255))


def baseline(logits: object = linear, documented: str = "") -> PretrainedBaseline:
    """A module with this function."""
    return PretrainedBaseline("baseline-x", "x", False, "unknown", "", logits, 7840, documented)  # type: ignore[arg-type]


@pytest.mark.parametrize("scaling", [RAW, UNIT, SYMMETRIC, STANDARDIZED])
def test_sweep_finds_the_scaling_that_a_network_was_trained_for(scaling: str) -> None:
    """By the validation loss; its temperature there is 1."""
    # A linear network of weights 0.2 would see pixels of 0 to 255 as logits of hundreds: its labels are no draw then.
    sweep = read_baseline(baseline(), drawn(scaling), seed=0).sweep
    assert scaling == sweep.chosen
    assert sweep.lead == pytest.approx(min(s.nll for s in sweep.scores if s.scaling != scaling) - min_nll(sweep))
    assert [RAW, UNIT, SYMMETRIC, STANDARDIZED] == [score.scaling for score in sweep.scores]
    assert 600 == sweep.n_images


def min_nll(sweep: object) -> float:
    """The lowest loss of a sweep."""
    return min(score.nll for score in sweep.scores)  # type: ignore[attr-defined]


def test_naive_reading_feeds_pixels_as_they_are() -> None:
    """Beside the reading that the comparison uses; where pixels as they are would be right, it divides by 255."""
    reading = read_baseline(baseline(), drawn(SYMMETRIC), seed=0)
    images = PIXELS[:5]
    np.testing.assert_allclose(reading.logits(images), linear(SCALINGS[SYMMETRIC].apply(images)), rtol=1e-6)
    assert SCALINGS[SYMMETRIC] == reading.scaling
    assert reading.naive_logits is not None
    np.testing.assert_allclose(reading.naive_logits(images), linear(SCALINGS[RAW].apply(images)), rtol=1e-6)
    assert (RAW, UNIT) == (reading.sweep.naive, read_baseline(baseline(), drawn(RAW), seed=0).sweep.naive)


def test_outputs_that_are_probabilities_are_read_as_such() -> None:
    """The logarithm gives logits; the naive reading takes them for logits."""
    module = baseline(lambda images: softmax(linear(images).astype(float), axis=1).astype(np.float32))
    reading = read_baseline(module, drawn(SYMMETRIC), seed=0)
    assert (SYMMETRIC, "probabilities") == (reading.sweep.chosen, reading.sweep.outputs)
    expected = softmax(linear(SCALINGS[SYMMETRIC].apply(PIXELS[:50])).astype(float), axis=1)
    np.testing.assert_allclose(softmax(reading.logits(PIXELS[:50]), axis=1), expected, atol=1e-5)
    assert reading.naive_logits is not None
    np.testing.assert_allclose(reading.naive_logits(PIXELS[:50]).sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("documented", "words"),
    [
        (SYMMETRIC, "inputs scaled to [-1, 1], as documented: the lowest loss on 600 validation images"),
        (UNIT, "inputs scaled to [-1, 1], although [0, 1] is documented: the lowest loss"),
        ("", "inputs scaled to [-1, 1]: the lowest loss"),
    ],
)
def test_sentence_says_which_scaling_and_why(documented: str, words: str) -> None:
    """Also where it is not the one that the module's makers name."""
    sweep = read_baseline(baseline(documented=documented), drawn(SYMMETRIC), seed=0).sweep
    assert words in sweep.sentence()
    assert "its outputs are logits" in sweep.sentence()


def test_scalings_that_overflow_are_left_out() -> None:
    """A module that answers with infinity to pixels as they are has no naive reading, and is used all the same."""
    module = baseline(lambda images: linear(images) / (np.float32(1) if images.max() <= 2 else np.float32(0)))
    with np.errstate(divide="ignore", invalid="ignore"):
        reading = read_baseline(module, drawn(SYMMETRIC), seed=0)
    assert (SYMMETRIC, None) == (reading.sweep.chosen, reading.naive_logits)
    assert reading.sweep.scores[0].nll is None


def test_a_module_without_finite_outputs_is_an_error() -> None:
    """It names the scalings that were tried."""
    module = baseline(lambda images: np.full((len(images), 10), np.nan, np.float32))
    with pytest.raises(BaselineError, match="baseline-x gives NaN or infinity under every scaling: pixels 0 to 255,"):
        read_baseline(module, drawn(SYMMETRIC), seed=0)


def test_images_stored_as_fractions_are_read_like_pixels() -> None:
    """Float images in [0, 1] hold the same grey levels."""
    data = drawn(SYMMETRIC)
    parts = [Examples(part.inputs.astype(np.float32) / 255, part.labels) for part in (data.train, data.validation)]
    fractions = TrainingData(*parts, 10, (28, 28), InputScaling(0.0, 1.0))
    reading = read_baseline(baseline(), fractions, seed=0)
    assert SYMMETRIC == reading.sweep.chosen
    expected = linear(SCALINGS[SYMMETRIC].apply(data.train.inputs[:5]))
    np.testing.assert_allclose(reading.logits(parts[0].inputs[:5]), expected, rtol=1e-3, atol=1e-3)
