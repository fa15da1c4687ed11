"""The usual scalings of grey images."""

import numpy as np
import pytest

from models.baseline_scaling import RAW, STANDARDIZED, SYMMETRIC, UNIT, usual_scalings
from models.pretrained import to_baseline_input

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
SCALINGS = {each.name: each for each in usual_scalings(PIXELS)}


@pytest.mark.parametrize(("name", "black", "white"), [(RAW, 0, 255), (UNIT, 0, 1), (SYMMETRIC, -1, 1)])
def test_black_and_white_become_the_ends_of_the_range(name: str, black: float, white: float) -> None:
    """As the name says."""
    images = SCALINGS[name].apply(np.array([np.zeros((28, 28)), np.full((28, 28), 255)], np.uint8))
    assert ((2, 28, 28, 1), np.float32) == (images.shape, images.dtype)
    assert (black, white) == (images[0].max(), images[1].min())


def test_standardized_training_images_have_mean_0_and_deviation_1() -> None:
    """Over all pixels of all images."""
    images = SCALINGS[STANDARDIZED].apply(PIXELS)
    assert pytest.approx((images.mean(), images.std()), abs=1e-5) == (0, 1)


def test_symmetric_is_what_tfgan_does() -> None:
    """The documented scaling of the default baseline, to the last bit."""
    np.testing.assert_array_equal(to_baseline_input(PIXELS), SCALINGS[SYMMETRIC].apply(PIXELS))


def test_images_without_any_contrast_are_not_divided_by_zero() -> None:
    """A constant has no deviation."""
    blank = np.full((2, 28, 28), 7, np.uint8)
    assert np.isfinite(usual_scalings(blank)[3].apply(blank)).all()
