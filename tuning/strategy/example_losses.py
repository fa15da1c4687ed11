"""What a network lost on each validation example, small enough to travel with its trial.

Two networks that are judged on the same examples find the same ones hard, so the difference of their losses is far less
uncertain than the two losses: pairs of the same examples show by how much. Half floats of at most 1,000 examples are
enough for that and take 2.7 kB as text. All networks of a study are sampled at the same places.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

MOST_EXAMPLES = 1_000
_LARGEST = 6e4  # of a half float, about
_MOST_EXPONENT = 1_000
_MOST_TEXT = math.ceil(2 * MOST_EXAMPLES / 3) * 4  # base64 has four letters for three bytes


@dataclass(frozen=True)
class ExampleLosses:
    """Losses, or errors, on the study's sample of the validation examples.

    They stay text until somebody asks: of thousands of trials few are compared example by example.

    Args:
        text: Little-endian float16, one an example, in base64.
        exponent: The losses are these numbers times 2 to that power.
    """

    text: str
    exponent: int = 0

    @classmethod
    def of(cls, losses: ArrayLike) -> ExampleLosses | None:
        """Keep the sample of all validation examples' losses; None where there is no finite loss an example."""
        values = np.asarray(losses, np.float64)
        if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
            return None
        sample = values[sampled_places(len(values))]
        exponent = max(0, math.ceil(math.log2(max(float(np.abs(sample).max()), 1.0) / _LARGEST)))
        return cls(base64.b64encode((sample / 2.0**exponent).astype("<f2").tobytes()).decode(), exponent)

    @property
    def values(self) -> NDArray[np.float64]:
        """The losses, shape (examples,); empty where the text is something else: written by hand, or to do harm."""
        try:
            half_floats = np.frombuffer(base64.b64decode(self.text, validate=True), "<f2")
        except (ValueError, binascii.Error):
            return np.empty(0)
        return half_floats.astype(np.float64) * 2.0**self.exponent if np.isfinite(half_floats).all() else np.empty(0)

    def as_attr(self) -> dict[str, str | int]:
        """As plain data."""
        return {"half_floats": self.text, "exponent": self.exponent}

    @classmethod
    def from_attr(cls, attr: object) -> ExampleLosses | None:
        """The losses behind plain data; None where it is something else, as in a study of another version."""
        if not isinstance(attr, Mapping):
            return None
        text, exponent = attr.get("half_floats"), attr.get("exponent")
        if not isinstance(text, str) or not isinstance(exponent, int) or not 0 <= exponent < _MOST_EXPONENT:
            return None
        return cls(text, exponent) if len(text) <= _MOST_TEXT else None


def sampled_places(n: int) -> NDArray[np.intp]:
    """Which of `n` validation examples are kept, the same for every network of a study."""
    return np.sort(np.random.default_rng(0).permutation(n)[:MOST_EXAMPLES])


def paired_share(pairs: Sequence[tuple[ExampleLosses, ExampleLosses]]) -> float | None:
    """Variance of the difference of two networks' losses on the same examples, as a share of the unpaired one's.

    Args:
        pairs: The two networks' losses for every seed that both were trained with; the differences are averaged over
            the seeds, example by example.

    Returns:
        From 0 (the same network) over 1 (nothing in common) to 2; None where no example can tell.
    """
    losses = [(one.values, other.values) for one, other in pairs]
    sizes = {len(each) for pair in losses for each in pair}
    if len(sizes) != 1 or min(sizes) < 2:
        return None
    unpaired = float(np.mean([one.var() + other.var() for one, other in losses]))
    if not 0.0 < unpaired < math.inf:
        return None
    return float(np.mean([one - other for one, other in losses], axis=0).var()) / unpaired
