"""A person's own image as MNIST's are: whatever its size, colour and ground, the same digit comes out."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tuning.errors import DataError
from tuning.own_image import as_mnist, read_grey


@pytest.fixture(scope="module")
def digit() -> NDArray[np.uint8]:
    """A seven in a box of 20 x 20 pixels whose centre of mass lies at pixel (14, 14), as MNIST's do."""
    pixels = np.zeros((28, 28), np.uint8)
    pixels[6:10, 7:20] = 255
    for row in range(10, 26):
        left = 18 - (row - 10) // 2
        pixels[row, left - 2 : left + 2] = 200
    rows, columns = (pixels.sum(axis=1 - axis) @ np.arange(28) / pixels.sum() for axis in (0, 1))
    return np.roll(pixels, (14 - round(rows), 14 - round(columns)), axis=(0, 1))


def enlarged(digit: NDArray[np.uint8], times: int = 9) -> NDArray[np.uint8]:
    """The digit somewhere on a large image."""
    canvas = np.zeros((500, 640), np.uint8)
    big = np.kron(digit, np.ones((times, times), np.uint8))
    canvas[100 : 100 + len(big), 330 : 330 + len(big)] = big
    return canvas


def read(image: Image.Image, tmp_path: Path, name: str = "own.png", polarity: str = "auto") -> NDArray[np.uint8]:
    """The pixels that a network sees of an image file."""
    image.save(tmp_path / name)
    return as_mnist(read_grey(tmp_path / name), polarity).pixels


def test_an_image_of_mnists_kind_stays_as_it_is(digit: NDArray[np.uint8], tmp_path: Path) -> None:
    """Scaling and centring what is scaled and centred changes nothing."""
    np.testing.assert_array_equal(digit, read(Image.fromarray(digit), tmp_path))


def as_mode(pixels: NDArray[np.uint8], mode: str) -> Image.Image:
    """An image of one of Pillow's modes; one of 16 bits uses all of them."""
    if mode == "I;16":
        return Image.fromarray(pixels.astype(np.uint16) * 257)
    return Image.fromarray(pixels > 127) if mode == "1" else Image.fromarray(pixels).convert(mode)


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "CMYK", "I;16"])
def test_size_place_colour_and_ground_do_not_matter(
    mode: str, inverted: bool, digit: NDArray[np.uint8], tmp_path: Path
) -> None:
    """Dark on light and light on dark are told apart by the edge; every mode of pixels gives the same digit."""
    pixels = 255 - enlarged(digit) if inverted else enlarged(digit)
    got = read(as_mode(pixels, mode), tmp_path, "own.tif" if mode == "CMYK" else "own.png")
    # Without grey the digit has another centre of mass.
    expected = as_mnist((digit > 127).astype(np.float32), "auto").pixels if mode == "1" else digit
    assert np.abs(got.astype(int) - expected).max() <= 3


def test_coloured_ink_is_read_as_grey(digit: NDArray[np.uint8], tmp_path: Path) -> None:
    """Blue ink on yellow paper."""
    ink = enlarged(digit)[..., np.newaxis] / 255
    picture = (1 - ink) * np.array([250, 240, 120]) + ink * np.array([20, 30, 160])
    got = read(Image.fromarray(picture.astype(np.uint8)), tmp_path)
    assert np.abs(got.astype(int) - digit).mean() < 2


@pytest.mark.parametrize("colour", [0, 255])
def test_ink_on_nothing_is_seen(colour: int, digit: NDArray[np.uint8], tmp_path: Path) -> None:
    """A transparent ground takes the shade on which the ink shows: black ink would vanish on black."""
    layers = np.full((500, 640, 4), colour, np.uint8)
    layers[..., 3] = enlarged(digit)
    assert np.abs(read(Image.fromarray(layers), tmp_path).astype(int) - digit).mean() < 2


def test_noise_of_the_paper_is_no_ink(digit: NDArray[np.uint8], tmp_path: Path) -> None:
    """Otherwise a speck in a corner would become part of the digit."""
    noisy = 200 - 0.6 * enlarged(digit) + np.random.default_rng(0).normal(0, 5, (500, 640))
    got = read(Image.fromarray(noisy.clip(0, 255).astype(np.uint8)), tmp_path, "own.jpg")
    assert np.abs(got.astype(int) - digit).mean() < 8


def test_told_polarity_is_obeyed() -> None:
    """White chalk that covers the whole edge is taken for the ground, unless its owner says what it is."""
    frame = np.ones((40, 40), np.float32)
    frame[4:-4, 4:-4] = 0.0
    seen, told = as_mnist(frame, "auto"), as_mnist(np.pad(frame, 1), "light-on-dark")
    assert ("dark-on-light", "light-on-dark") == (seen.polarity, told.polarity)
    assert (255, 0) == (seen.pixels[14, 14], told.pixels[14, 14])
    with pytest.raises(DataError, match="try --polarity dark-on-light"):
        as_mnist(frame, "light-on-dark")


def test_a_photograph_lying_on_its_side_is_turned(digit: NDArray[np.uint8], tmp_path: Path) -> None:
    """A camera writes down how it was held."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    Image.fromarray(np.rot90(enlarged(digit))).save(tmp_path / "own.png", exif=exif)
    got = as_mnist(read_grey(tmp_path / "own.png"), "auto").pixels
    assert np.abs(got.astype(int) - digit).mean() < 2


@pytest.mark.parametrize("value", [0, 128, 255])
def test_an_empty_image_is_refused(value: int, tmp_path: Path) -> None:
    """Of whatever shade: a network would name a digit all the same."""
    with pytest.raises(DataError, match="nothing to be seen"):
        read(Image.fromarray(np.full((40, 40), value, np.uint8)), tmp_path)


def test_a_single_pixel_image_is_refused(tmp_path: Path) -> None:
    """It has no ground."""
    with pytest.raises(DataError, match="nothing to be seen"):
        read(Image.fromarray(np.full((1, 1), 77, np.uint8)), tmp_path)


@pytest.mark.parametrize(
    ("size", "words"), [((60_000, 60_000), "bomb.png is too large"), ((8_000, 7_000), "at most 50,000,000 pixels")]
)
def test_a_decompression_bomb_is_refused_before_it_unfolds(size: tuple[int, int], words: str, tmp_path: Path) -> None:
    """A file of a few bytes that would take gigabytes of memory."""
    Image.new("1", (28, 28)).save(tmp_path / "small.png")
    png = (tmp_path / "small.png").read_bytes()
    header = b"IHDR" + struct.pack(">II", *size) + png[24:29]
    bomb = png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]
    (tmp_path / "bomb.png").write_bytes(bomb)
    with pytest.raises(DataError, match=words):
        read_grey(tmp_path / "bomb.png")


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_what_is_no_whole_image_is_refused(share: float, digit: NDArray[np.uint8], tmp_path: Path) -> None:
    """A text file, and an image of which half is missing."""
    Image.fromarray(enlarged(digit)).save(tmp_path / "whole.png")
    whole = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: int(share * len(whole))] or b"no image")
    with pytest.raises(DataError, match=r"half\.png cannot be read as an image"):
        read_grey(tmp_path / "half.png")


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    """Named with the way out."""
    for path in (tmp_path, tmp_path / "missing.png"):
        with pytest.raises(DataError, match="is no image file"):
            read_grey(path)


def test_a_postscript_file_is_not_read(tmp_path: Path) -> None:
    """It is a program, which Pillow would hand to Ghostscript."""
    Image.new("L", (28, 28)).save(tmp_path / "program.eps")
    with pytest.raises(DataError, match="its format is not known"):
        read_grey(tmp_path / "program.eps")
