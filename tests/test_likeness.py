"""Does an image look like the training data? Real ones do, what never occurs in them does not."""

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from benchmarks.likeness import noise, printed, scribble
from tuning.classifier_view import ClassifierView
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


@pytest.mark.parametrize(("kind", "share"), [("inverted", 0.9), ("noise", 0.3), ("letters", 0.5), ("scribbles", 0.5)])
def test_most_of_what_is_no_digit_lies_beyond_the_limit(
    kind: str, share: float, likeness: Likeness, images: NDArray[np.uint8]
) -> None:
    """Negatives, noise, letters that are no digit too, and scribbles."""
    rng = np.random.default_rng(0)
    strange = {
        "inverted": lambda: list(255 - images[4000:4050]),
        "noise": lambda: [noise(rng) for _ in range(50)],
        "letters": lambda: [printed(letter) for letter in "ADEFGHKLMNPRTWXadefhkmntx"],
        "scribbles": lambda: [scribble(rng) for _ in range(50)],
    }[kind]()
    assert (likeness.distances(np.stack(strange)) > likeness.limit).mean() > share
    furthest = strange[int(likeness.distances(np.stack(strange)).argmax())]
    assert likeness.sentence(furthest).startswith("The image looks unlike the training data (distance ")


def test_distance_is_that_to_the_nearest_training_image(likeness: Likeness, images: NDArray[np.uint8]) -> None:
    """None for a training image, the same for a fainter one, as scipy measures it for others."""
    assert likeness.distances(images[:9]) == pytest.approx(0, abs=0.05)  # features are kept as float16
    faint = images[4000:4020] / 2
    np.testing.assert_allclose(likeness.distances(images[4000:4020]), likeness.distances(faint), atol=1e-3)
    rows = Likeness.of(images[4000:4020], images[:1]).kept
    nearest = cdist(rows.astype(float), likeness.kept.astype(float)).min(axis=1)
    assert nearest == pytest.approx(likeness.distances(images[4000:4020]), abs=2e-3)


def test_an_empty_image_has_a_distance(likeness: Likeness) -> None:
    """No edge at all is as far away as anything can be."""
    assert likeness.is_unlike(np.zeros((28, 28), np.uint8))


def test_it_travels_through_its_file(likeness: Likeness, images: NDArray[np.uint8], tmp_path: Path) -> None:
    """About a megabyte at most, and the same to the last digit."""
    likeness.save(tmp_path)
    again = Likeness.load(tmp_path)
    assert again is not None
    np.testing.assert_array_equal(likeness.distances(images[:9]), again.distances(images[:9]))
    assert likeness.limit == again.limit
    assert (tmp_path / FILE_NAME).stat().st_size < 1_300_000


def test_what_a_classifier_sees_travels_with_it(likeness: Likeness, tmp_path: Path) -> None:
    """The numbers and how the classifier is to be read."""
    view = ClassifierView("baseline-x", "x/1", 127.5, 127.5, False, np.eye(3, dtype=np.float32))
    replace(likeness, view=view).save(tmp_path)
    again = Likeness.load(tmp_path)
    assert again is not None and again.view is not None
    assert ("baseline-x", "x/1", 127.5, 127.5, False) == (
        again.view.name,
        again.view.handle,
        again.view.offset,
        again.view.divisor,
        again.view.gives_logits,
    )
    np.testing.assert_array_equal(view.logits, again.view.logits)


def test_a_classifier_of_unknown_origin_is_not_loaded_because_a_file_says_so() -> None:
    """Loading a module runs what is in it; the sentence says how to allow it."""
    view = ClassifierView("baseline-x", "nowhere/x", 0.0, 1.0, True, np.eye(3, dtype=np.float32))
    left_out = view.report(np.zeros((20, 28, 28), np.uint8))
    assert isinstance(left_out, str)
    assert "need the classifier nowhere/x, which is loaded with --baseline HANDLE only" in left_out
    assert "take at least 20 images" in str(view.report(np.zeros((19, 28, 28), np.uint8)))


def test_a_missing_file_is_none_and_a_damaged_one_an_error(tmp_path: Path) -> None:
    """An export of earlier data has none; half a file is no answer."""
    assert Likeness.load(tmp_path) is None
    (tmp_path / FILE_NAME).write_bytes(b"PK\x03\x04 half")
    with pytest.raises(ExportError, match="damaged"):
        Likeness.load(tmp_path)


def test_statistics_that_would_fill_the_memory_are_refused(tmp_path: Path) -> None:
    """An exported model may come from somebody else: its archive has the limits of any data."""
    with zipfile.ZipFile(tmp_path / FILE_NAME, "w") as archive:
        archive.writestr("kept.npy", bytes(9))
        archive.getinfo("kept.npy").file_size = 9 * 2**30
    with pytest.raises(ExportError, match="must expand to no more than 8 GB and 500 times"):
        Likeness.load(tmp_path)
