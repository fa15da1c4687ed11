"""How large a network would be, before it is built: number of weights, and the memory that its training takes.

>>> import keras
>>> def build():
...     return keras.Sequential([keras.Input((1000,)), keras.layers.Dense(1000)])
>>> size_of(build).n_params
1001000
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import keras

Build = Callable[[], keras.Model]

# Of each weight: itself, its gradient, Adam's two moments, its moving average, and that of the best epoch so far.
_COPIES = 6
_BYTES = 4


class TooLarge(Exception):
    """A network has more weights, or takes more memory, than it may; the message says how many, and the limit."""


@dataclass(frozen=True)
class NetworkSize:
    """How large a network would be.

    Args:
        n_params: Number of its weights.
        n_bytes: Memory that its training takes for weights and optimizer at least; outputs of layers come on top.
    """

    n_params: int

    @property
    def n_bytes(self) -> int:
        """Memory that its training takes at the least, for the weights and what the optimizer keeps of each."""
        return _COPIES * _BYTES * self.n_params


def size_of(build: Build) -> NetworkSize:
    """The size of the network that a function builds: built without its weights being made.

    In Keras' stateless scope variables have a shape and no value yet.
    """
    with keras.StatelessScope(initialize_variables=False):
        model = build()
    n_params = sum(math.prod(weight.shape) for weight in model.weights)
    keras.utils.clear_session(free_memory=False)  # forgets the variables that wait for their values
    return NetworkSize(n_params)


def check_size(build: Build, max_params: int | None, memory_limit_mb: int | None) -> None:
    """Refuse a network that is too large, before it is built; nothing is done where there is no limit.

    Raises:
        TooLarge: With its size and the limit.
    """
    if max_params is None and memory_limit_mb is None:
        return
    size = size_of(build)
    if max_params is not None and size.n_params > max_params:
        raise TooLarge(f"it would have {size.n_params:,} weights, more than --max-params {max_params:,}")
    if memory_limit_mb is not None and size.n_bytes > memory_limit_mb * 2**20:
        needed = math.ceil(size.n_bytes / 2**20)
        raise TooLarge(f"its training would take {needed:,} MB at least, more than --memory-limit {memory_limit_mb:,}")
