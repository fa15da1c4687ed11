"""The levers of the fully connected network, and why they have these ranges.

* `units` 16 to 2048 in half octaves: on MNIST an unregularised network of 2048 units is still no worse than a smaller
  one, and 16 is clearly too small. All hidden layers have the same width (Bengio 2012, arXiv:1206.5533: equal widths do
  about as well as pyramids).
* `layers` 1 to 6.
* `dropout` 0 to 0.8 in tenths, on every hidden layer (Srivastava et al. 2014 use 0.5 for hidden layers).
* `l2` zero, or 1e-7 to 1e-1 in half decades; the first move from zero is to 1e-4, the first value that does anything on
  MNIST.
* `learning_rate_scale` multiplies the width rule below, in third decades: what is left to tune once the width is
  accounted for.
"""

from __future__ import annotations

import math

from search_spaces.lever import Lever, Role, Scale
from search_spaces.space import SearchSpace


def mlp_space() -> SearchSpace:
    """The search space of `models.mlp`: units, layers, dropout, L2 and the learning rate's scale."""
    return SearchSpace(
        "mlp",
        (
            Lever("units", Role.CAPACITY, 16, 2048, Scale.LOG2_INTEGER, step=0.5, start=256, first_step=1.0),
            Lever("layers", Role.CAPACITY, 1, 6, Scale.INTEGER, step=1.0, start=2, first_step=1.0),
            Lever("dropout", Role.REGULARIZATION, 0.0, 0.8, Scale.LINEAR, step=0.1, start=0.0, first_step=0.2),
            l2_lever(),
            learning_rate_lever(),
        ),
    )


def learning_rate(units: float, scale: float = 1.0) -> float:
    """Adam's learning rate for a width: 1e-3 * sqrt(256 / units) * scale.

    The best learning rate of a fully connected network falls about as width^-0.5 in the standard parametrisation, so
    a fixed one would confound "too wide" with "learning rate too high".
    """
    return 1e-3 * math.sqrt(256.0 / units) * scale


def l2_lever() -> Lever:
    """L2 on every kernel: the first move from zero is to 1e-4."""
    return Lever("l2", Role.REGULARIZATION, 1e-7, 1e-1, Scale.LOG10_OR_ZERO, step=0.5, start=0.0, first_step=3.5)


def learning_rate_lever() -> Lever:
    """What multiplies the width rule of the learning rate."""
    return Lever("learning_rate_scale", Role.NUISANCE, 0.1, 10.0, Scale.LOG10, step=1 / 3, start=1.0, first_step=2 / 3)
