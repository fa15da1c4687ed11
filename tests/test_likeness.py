"""Does an image look like the training data? Real ones do, what never occurs in them does not."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tuning.data.sources import find_source
from tuning.errors import ExportError
from tuning.likeness import FILE_NAME, Likeness


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    """Real MNIST in a random order: 5,000 images."""
    pixels = find_source("mnist5k", environ={}, download_timeout_secs=1).read()["x_train"]
    return np.asarray(pixels[np.random.default_rng(0).permutation(len(pixels))])


@pytest.fixture(scope="module")
def likeness(images: NDArray[np.uint8]) -> Likeness:
    """Fitted to 3,200 of them, its limit set by 800."""
    return Likeness.of(images[:3200], images[3200:4000])


def test_about_one_in_a_hundred_unseen_images_lies_beyond_the_limit(
    likeness: Likeness, images: NDArray[np.uint8]
) -> None:
    """That is what the 99th percentile means; 1,000 images that nothing was fitted to."""
    assert 0 < (likeness.distances(images[4000:]) > likeness.limit).mean() < 0.04


@pytest.mark.parametrize("kind", ["inverted", "noise", "stripes"])
def test_what_never_occurs_lies_beyond_the_limit(kind: str, likeness: Likeness, images: NDArray[np.uint8]) -> None:
    """Negatives, noise and stripes."""
    strange = {
        "inverted": 255 - images[4000:4050],
        "noise": np.random.default_rng(0).integers(0, 256, (50, 28, 28), dtype=np.uint8),
        "stripes": np.tile(np.array([0, 0, 255, 255] * 7, np.uint8), (1, 28, 1)),
    }[kind]
    assert (likeness.distances(strange) > 2 * likeness.limit).all()
    assert likeness.sentence(strange[0]).startswith("The image looks unlike the training data (distance ")


def test_distance_is_mahalanobis_where_all_directions_are_kept() -> None:
    """Against numpy's own inverse covariance, on data of few features whose variance lies in all but one direction."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(500, 4)) @ rng.normal(size=(4, 4)) * 10
    likeness = Likeness.of(rows[:400], rows[400:])
    deviations = rows[400:] - rows[:400].mean(axis=0)
    squared = np.einsum("ij,jk,ik->i", deviations, np.linalg.inv(np.cov(rows[:400].T)), deviations)
    assert np.sqrt(squared) == pytest.approx(likeness.distances(rows[400:]), rel=1e-3)


def test_statistics_travel_through_their_file(likeness: Likeness, images: NDArray[np.uint8], tmp_path: Path) -> None:
    """Small, and the same to the last digit."""
    likeness.save(tmp_path)
    again = Likeness.load(tmp_path)
    assert again is not None
    np.testing.assert_array_equal(likeness.distances(images[:9]), again.distances(images[:9]))
    assert likeness.limit == again.limit
    assert (tmp_path / FILE_NAME).stat().st_size < 200_000


def test_missing_statistics_are_none_and_damaged_ones_an_error(tmp_path: Path) -> None:
    """An export of earlier data has none; half a file is no answer."""
    assert Likeness.load(tmp_path) is None
    (tmp_path / FILE_NAME).write_bytes(b"PK\x03\x04 half")
    with pytest.raises(ExportError, match="damaged"):
        Likeness.load(tmp_path)
