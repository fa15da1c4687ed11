"""TF-GAN's own measures, loaded without its package, against closed forms."""

import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.tfgan import TfGanAbsentError, TfGanMeasures, load_tfgan

needs_tfgan = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_gan") is None or importlib.util.find_spec("tensorflow_probability") is None,
    reason='tensorflow-gan is not installed: pip install "overfit-backoff[gan]"',
)


@pytest.fixture(scope="module")
def tfgan() -> TfGanMeasures:
    """Loaded once: TensorFlow Probability takes seconds."""
    return load_tfgan()


def with_moments(mean: NDArray[np.float64], factor: NDArray[np.float64], n: int = 200) -> NDArray[np.float64]:
    """Points with exactly this mean and the covariance factor @ factor.T, dividing by n - 1."""
    draws = np.random.default_rng(0).normal(size=(n, len(mean)))
    draws -= draws.mean(axis=0)
    white = np.linalg.qr(draws)[0] * math.sqrt(n - 1)
    return white @ factor.T + mean


@needs_tfgan
def test_nothing_of_tfgan_stays_among_the_modules(tfgan: TfGanMeasures) -> None:
    """The empty packages that stand in while it loads are gone: a later import of the real one finds no ruins."""
    assert "tensorflow_gan.python.eval.classifier_metrics" == tfgan.module.__name__
    assert [] == [name for name in sys.modules if name.startswith("tensorflow_gan")]


@needs_tfgan
def test_frechet_distance_is_that_of_two_gaussians(tfgan: TfGanMeasures) -> None:
    """Closed form for covariances that commute: squared distance of means plus that of the deviations."""
    one = with_moments(np.zeros(3), np.diag([1.0, 2.0, 3.0]))
    two = with_moments(np.array([3.0, 0.0, 4.0]), np.diag([2.0, 2.0, 0.5]))
    expected = 25 + (2 - 1) ** 2 + (2 - 2) ** 2 + (0.5 - 3) ** 2
    assert expected == pytest.approx(tfgan.frechet_distance(one, two), rel=1e-6)
    assert pytest.approx(tfgan.frechet_distance(one, one), abs=1e-6) == 0.0


@needs_tfgan
@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        (100 * np.eye(10), 10.0),  # sure answers, every class equally often
        (np.zeros((10, 10)), 1.0),  # no answer at all
        (100 * np.eye(10)[[3] * 10], 1.0),  # all images alike
        (np.log([[0.9, 0.1], [0.1, 0.9]]), math.exp(0.9 * math.log(0.9 / 0.5) + 0.1 * math.log(0.1 / 0.5))),
    ],
)
def test_classifier_score_has_its_closed_form(
    tfgan: TfGanMeasures, logits: NDArray[np.float64], expected: float
) -> None:
    """exp of the mean divergence from the mean answer."""
    assert expected == pytest.approx(tfgan.classifier_score(logits), rel=1e-6)


@needs_tfgan
def test_measures_from_logits_are_those_that_tfgan_computes_from_images(tfgan: TfGanMeasures) -> None:
    """`classifier_score(images, classifier_fn)` and `frechet_classifier_distance`, with a classifier of our own."""
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(6, 4))
    one, two = rng.normal(size=(2, 50, 6))
    classifier = lambda images: images @ weights  # noqa: E731 - as TF-GAN wants it
    score = float(tfgan.module.classifier_score(one, classifier))
    distance = float(tfgan.module.frechet_classifier_distance(one, two, classifier))
    assert score == pytest.approx(tfgan.classifier_score(one @ weights))
    assert distance == pytest.approx(tfgan.frechet_distance(one @ weights, two @ weights))


def test_without_tfgan_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clause for a note; nothing else of a search needs it."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(TfGanAbsentError, match=r'pip install "overfit-backoff\[gan\]"'):
        load_tfgan()


def test_a_tfgan_that_cannot_be_loaded_is_named_with_its_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its TensorFlow Probability may be missing, or too old for this TensorFlow."""
    spec = importlib.util.spec_from_loader("tensorflow_gan", loader=None)
    assert spec is not None
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(TfGanAbsentError, match="tensorflow-gan cannot be loaded .No module named"):
        load_tfgan()
    assert [] == [name for name in sys.modules if name.startswith("tensorflow_gan")]
