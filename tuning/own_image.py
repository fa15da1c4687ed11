"""A person's own image as an image like MNIST's: any file that Pillow reads in, 28 x 28 grey pixels out.

MNIST's digits were scaled to fit a box of 20 x 20 pixels without changing their proportions, and placed in a field of
28 x 28 pixels with their centre of mass in its middle (LeCun, Bottou, Bengio and Haffner 1998, "Gradient-based learning
applied to document recognition", section III.A, and the page of the MNIST database); light ink on a dark ground. A
network that learned from them expects the same.

>>> image = as_mnist(read_grey(Path("seven.png")), "auto")                          # doctest: +SKIP
>>> image.pixels.shape                                                              # doctest: +SKIP
(28, 28)
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from tuning.errors import DataError
from tuning.paths import file_trouble

# What a decoder has to say of a damaged file is said by the error; Python's last resort would print it, too.
logging.getLogger("PIL").addHandler(logging.NullHandler())

Grey = NDArray[np.float32]  # shape (height, width), 0 (black) to 1 (white)

POLARITIES = ("auto", "dark-on-light", "light-on-dark")
SIDE, BOX_SIDE = 28, 20

_MAX_PIXELS = 50_000_000  # more than a telephone's camera gives; half a gigabyte while it is decoded
_PROGRAMS = ("EPS", "WMF")  # Pillow hands these to Ghostscript and to Windows, which run what is in them
_LEAST_CONTRAST = 0.04  # between ink and ground, of the whole range: less is a smudge or compression noise
_MIDDLE = SIDE // 2  # number of the pixel, from 0, at which MNIST's images have their centre of mass: 14.0 on average
_INK = 0.1  # of the darkest ink: what is less does not widen the box around the digit


@dataclass(frozen=True, eq=False, slots=True)
class OwnImage:
    """An image like MNIST's.

    Args:
        pixels: Shape (28, 28), uint8, light ink on a dark ground.
        polarity: What it was before: `dark-on-light` or `light-on-dark`.
    """

    pixels: NDArray[np.uint8]
    polarity: str


def find_images(paths: Sequence[Path]) -> list[Path]:
    """The files among some paths, and of each folder those whose name ends as an image's does, in alphabetical order.

    Raises:
        DataError: If there is no such file or folder, or none of its files is an image.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        known = Image.registered_extensions()
        try:
            within = sorted(each for each in path.iterdir() if each.suffix.lower() in known and each.is_file())
        except OSError as error:
            raise DataError(f"The folder {path} cannot be read ({error.strerror}): name another one.") from error
        if not within:
            raise DataError(
                f"There is no image in the folder {path}: name files, such as seven.png, or another folder."
            )
        found += within
    return found


def read_own(path: Path, polarity: str) -> tuple[Grey, OwnImage]:
    """Read an image file: as it is, and as an image like MNIST's; `polarity` as in `as_mnist`.

    Raises:
        DataError: If it cannot be read, or there is nothing to be seen on it; the message names the file.
    """
    grey = read_grey(path)
    try:
        return grey, as_mnist(grey, polarity)
    except DataError as error:
        raise DataError(f"{path.name}: {error}") from error


def read_grey(path: Path) -> Grey:
    """Read an image file as grey, upright, transparency laid on the ground that shows what is drawn.

    Raises:
        DataError: If there is no such file, it is no image, damaged, or has more than 50 million pixels.
    """
    if why := file_trouble(path):
        raise DataError(f"{path} is no image file ({why}): name one, such as seven.png.")
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=_formats()) as image:
            _check_size(path, image)
            return _grey(ImageOps.exif_transpose(image))
    except DataError:
        raise
    except (Image.DecompressionBombError, MemoryError) as error:
        raise DataError(f"{path.name} is too large ({error}): make it smaller first.") from error
    except Exception as error:  # a decoder raises whatever a damaged file brings it to
        reason = "its format is not known" if isinstance(error, UnidentifiedImageError) else f"damaged? {error}"
        raise DataError(f"{path.name} cannot be read as an image ({reason}): save it as PNG or JPEG.") from error


def as_mnist(grey: Grey, polarity: str) -> OwnImage:
    """Scale and centre a digit as MNIST's are.

    Args:
        grey: One digit, any size.
        polarity: One of `POLARITIES`; `auto` takes the edge of the image for its ground.

    Raises:
        DataError: If there is nothing to be seen on the image.
    """
    if polarity == "auto":
        polarity = _polarity(grey)
    ink = _ink(grey, is_dark=polarity == "dark-on-light")
    rows, columns = (np.flatnonzero((ink > _INK).any(axis=axis)) for axis in (1, 0))
    digit = _scaled(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    return OwnImage(np.rint(255 * _centred(digit)).astype(np.uint8), polarity)


def _formats() -> list[str]:
    """What Pillow reads by itself."""
    Image.init()
    return [name for name in Image.ID if name not in _PROGRAMS]


def _check_size(path: Path, image: Image.Image) -> None:
    width, height = image.size
    if width * height > _MAX_PIXELS:
        raise DataError(
            f"An image must have at most {_MAX_PIXELS:,} pixels, but {path.name} has {width} x {height}: "
            "make it smaller first."
        )


def _grey(image: Image.Image) -> Grey:
    if image.mode.startswith(("I", "F")):  # 16 bits or floats, which Pillow would cut off at 255
        return _stretched(np.asarray(image, np.float64))
    with_alpha = np.asarray(image.convert("LA"), np.float32) / 255
    grey, opacity = with_alpha[..., 0], with_alpha[..., 1]
    if opacity.min() == 1:
        return np.ascontiguousarray(grey)
    visible = float((grey * opacity).sum() / max(float(opacity.sum()), 1e-9))
    ground = 1.0 if visible < 0.5 else 0.0  # black ink would not be seen on black
    return np.asarray(grey * opacity + ground * (1 - opacity), np.float32)


def _stretched(values: NDArray[np.float64]) -> Grey:
    """Any number range as 0 to 1, as far as 16 bits reach where whole numbers do not say it."""
    if not np.isfinite(values).all():
        raise ValueError("pixels must be finite numbers")
    low, high = min(0.0, float(values.min())), float(values.max())
    high = 65535.0 if 255 < high <= 65535 else 255.0 if 1 < high <= 255 else max(high, 1.0)
    return np.asarray((values - low) / (high - low), np.float32)


def _edge(grey: Grey) -> Grey:
    """The outermost pixels: ground, as a rule."""
    return np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])


def _polarity(grey: Grey) -> str:
    """Dark on light if the ground, which the edge shows, is lighter than the middle of what the image holds."""
    middle = (float(grey.min()) + float(grey.max())) / 2
    return "dark-on-light" if float(np.median(_edge(grey))) > middle else "light-on-dark"


def _ink(grey: Grey, *, is_dark: bool) -> Grey:
    """How far each pixel stands out from the ground: 0 (ground) to 1 (the strongest ink).

    What the ground itself varies by, on a photograph of paper say, is no ink; on an even ground nothing is taken away.
    Of an edge that varies as much as the whole image half is left: there is no telling it from ink.
    """
    edge = _edge(grey)
    ground = float(np.median(edge))
    ink = np.maximum((ground - grey) if is_dark else (grey - ground), 0.0)
    deviation = 1.4826 * float(np.median(np.abs(edge - ground)))  # the standard deviation of a normal variation
    noise = min(3 * deviation, float(ink.max()) / 2)
    strongest = float(ink.max()) - noise
    if strongest < _LEAST_CONTRAST:
        other = "dark-on-light" if not is_dark else "light-on-dark"
        raise DataError(
            f"There is nothing to be seen on the image: its ink must stand out from the ground by {_LEAST_CONTRAST} of "
            f"the range, but does so by {strongest:.3f}; draw a digit, or try --polarity {other}."
        )
    return np.asarray(np.maximum(ink - noise, 0.0) / strongest)


def _scaled(digit: Grey) -> Grey:
    """The digit with its longer side at 20 pixels, in its own proportions, its strongest ink at 1."""
    height, width = digit.shape
    scale = BOX_SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size != (width, height):
        method = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
        digit = np.asarray(Image.fromarray(digit).resize(size, method))
    return np.asarray(np.clip(digit / max(float(digit.max()), 1e-9), 0.0, 1.0))


def _centred(digit: Grey) -> Grey:
    """The digit in the field of 28 x 28 pixels, its centre of mass in the middle as far as the field reaches."""
    field = np.zeros((SIDE, SIDE), np.float32)
    starts = []
    for axis, length in enumerate(digit.shape):
        weights = digit.sum(axis=1 - axis)
        center = float(np.arange(length) @ weights / weights.sum())
        starts.append(min(max(round(_MIDDLE - center), 0), SIDE - length))
    top, left = starts
    field[top : top + digit.shape[0], left : left + digit.shape[1]] = digit
    return field
