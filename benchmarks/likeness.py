"""How much of what is no digit does `tuning.predict` call unlike the training data, and how many real digits?

Run `python -m benchmarks.likeness` (a minute), or with `mnist` after it for the full data; it prints the table in
RESULTS.md. The method was chosen on other typefaces and other random probes than these.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

import numpy as np
from matplotlib import font_manager
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tuning.data import load_dataset
from tuning.errors import DataError
from tuning.likeness import likeness_of
from tuning.own_image import as_mnist

LETTERS = "ABDEFGHJKLMNPQRTUVWXYabdefghkmnprtwxy"  # what no digit looks like
DIGITS = "0123456789"
TYPEFACES = ("DejaVu Sans Mono:bold", "DejaVu Serif:italic", "STIXGeneral:italic", "cmss10", "cmtt10")  # matplotlib's
_N_PROBES, _SIDE = 200, 120
_SEEDS = (0, 1, 2)

Pixels = NDArray[np.uint8]  # shape (28, 28)


def printed(letter: str, typeface: str = "DejaVu Sans") -> Pixels:
    """A letter as it is printed."""
    image = Image.new("L", (_SIDE, _SIDE), 255)
    ImageDraw.Draw(image).text((30, 20), letter, fill=0, font=ImageFont.truetype(font_manager.findfont(typeface), 60))
    return _as_mnist(image)


def scribble(rng: np.random.Generator) -> Pixels:
    """A pen line from one random point to the next."""
    image = Image.new("L", (_SIDE, _SIDE), 255)
    points = [(float(x), float(y)) for x, y in rng.uniform(10, _SIDE - 10, (rng.integers(5, 12), 2))]
    ImageDraw.Draw(image).line(points, fill=0, width=9, joint="curve")
    return _as_mnist(image)


def noise(rng: np.random.Generator) -> Pixels:
    """A photograph of nothing."""
    height, width = rng.integers(30, _SIDE, 2)
    return as_mnist(rng.random((height, width), dtype=np.float32), "auto").pixels


def shapes(rng: np.random.Generator) -> Pixels:
    """Rectangles and ellipses of all shades; drawn again where the ground covers them."""
    while True:
        image = Image.new("L", (_SIDE, _SIDE), int(rng.integers(256)))
        draw = ImageDraw.Draw(image)
        for _ in range(rng.integers(2, 7)):
            left, right = sorted(float(x) for x in rng.uniform(0, _SIDE, 2))
            top, bottom = sorted(float(y) for y in rng.uniform(0, _SIDE, 2))
            shape = draw.rectangle if rng.random() < 0.5 else draw.ellipse
            shape((left, top, right, bottom), fill=int(rng.integers(256)))
        try:
            return _as_mnist(image)
        except DataError:
            continue


def probes(digits: NDArray[np.uint8], rng: np.random.Generator) -> Mapping[str, NDArray[np.uint8]]:
    """Images by what they are, each of shape (images, 28, 28).

    Args:
        digits: Test images, shape (images, 28, 28).
        rng: Draws what is drawn at random.
    """
    drawn: dict[str, Callable[[np.random.Generator], Pixels]] = {
        "shapes": shapes,
        "scribbles": scribble,
        "noise": noise,
    }
    return {
        "test images": digits,
        "printed digits": np.stack([printed(digit, face) for face in TYPEFACES for digit in DIGITS]),
        "negatives": 255 - digits,
        "printed letters": np.stack([printed(letter, face) for face in TYPEFACES for letter in LETTERS]),
        **{name: np.stack([draw(rng) for _ in range(_N_PROBES)]) for name, draw in drawn.items()},
    }


def shares(data_name: str, seed: int) -> dict[str, float]:
    """Share of each kind of image that is called unlike the training data, for one split of the data."""
    data = load_dataset(data_name, seed=seed, environ=os.environ)
    likeness = likeness_of(data)
    if likeness is None:
        raise DataError(f"{data_name} must hold grey images of 28 x 28 pixels: name mnist or mnist5k.")
    kinds = probes(data.test.open().inputs.reshape(-1, 28, 28), np.random.default_rng(1000 + seed))
    return {name: float((likeness.distances(images) > likeness.limit).mean()) for name, images in kinds.items()}


def main(data_name: str) -> None:
    """Print the mean over the splits, and the range."""
    measured = [shares(data_name, seed) for seed in _SEEDS]
    print(f"| images | called unlike the training data: {data_name}, mean of {len(_SEEDS)} splits (range) |\n|---|---|")
    for name in measured[0]:
        values = [100 * each[name] for each in measured]
        print(f"| {name} | {np.mean(values):.1f} % ({min(values):.1f} to {max(values):.1f}) |")


def _as_mnist(image: Image.Image) -> Pixels:
    return as_mnist(np.asarray(image, np.float32) / 255, "auto").pixels


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["mnist5k"]))
