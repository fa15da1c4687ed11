"""The levers of the network for tables, and why they have these ranges.

* `units` 4 to 512 in half octaves: tables of some hundred rows are fitted perfectly by 64.
* `layers` 1 to 4.
* `dropout` 0 to 0.8 in tenths, on every hidden layer.
* `l2` zero, or 1e-7 to 1e-1 in half decades: on few rows it does more than dropout.
* `learning_rate_scale` multiplies the width rule in `models/tabular.py`, in third decades.
"""

from __future__ import annotations

from search_spaces.lever import Lever, Role, Scale
from search_spaces.mlp import l2_lever, learning_rate_lever
from search_spaces.space import SearchSpace


def tabular_space() -> SearchSpace:
    """The search space of `models.tabular`: units, layers, dropout, L2 and the learning rate's scale."""
    return SearchSpace(
        "tabular",
        (
            Lever("units", Role.CAPACITY, 4, 512, Scale.LOG2_INTEGER, step=0.5, start=64, first_step=1.0),
            Lever("layers", Role.CAPACITY, 1, 4, Scale.INTEGER, step=1.0, start=2, first_step=1.0),
            Lever("dropout", Role.REGULARIZATION, 0.0, 0.8, Scale.LINEAR, step=0.1, start=0.0, first_step=0.2),
            l2_lever(),
            learning_rate_lever(),
        ),
    )
