"""The levers of the convolutional network, and why they have these ranges.

* `filters` 4 to 64 in half octaves, in the first block; every block has twice as many as the one before (as in VGG,
  Simonyan and Zisserman 2015). On MNIST 16 overfit already.
* `blocks` 1 to 4: each halves height and width.
* `dropout` 0 to 0.8 in tenths, after every block.
* `l2` zero, or 1e-7 to 1e-1 in half decades, as for the fully connected network.
* `learning_rate_scale` multiplies the width rule in `models/cnn.py`, in third decades.

`python -m tuning.search --data mnist5k --model cnn --trials 10` (one study, seed 0): the validation loss falls from
0.114 at the start to 0.0541 (error 2.00 %); 98.70 % (97.79 to 99.24) on the test images.
"""

from __future__ import annotations

from search_spaces.lever import Lever, Role, Scale
from search_spaces.mlp import l2_lever, learning_rate_lever
from search_spaces.space import SearchSpace


def cnn_space() -> SearchSpace:
    """The search space of `models.cnn`: filters, blocks, dropout, L2 and the learning rate's scale."""
    return SearchSpace(
        "cnn",
        (
            Lever("filters", Role.CAPACITY, 4, 64, Scale.LOG2_INTEGER, step=0.5, start=16, first_step=1.0),
            Lever("blocks", Role.CAPACITY, 1, 4, Scale.INTEGER, step=1.0, start=2, first_step=1.0),
            Lever("dropout", Role.REGULARIZATION, 0.0, 0.8, Scale.LINEAR, step=0.1, start=0.0, first_step=0.2),
            l2_lever(),
            learning_rate_lever(),
        ),
    )
