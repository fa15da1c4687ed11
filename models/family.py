"""A family: networks of one kind, by what a search needs of them. Everything that builds a network goes through one.

>>> from models.families import family_named                         # doctest: +SKIP
>>> family = family_named("cnn")                                     # doctest: +SKIP
>>> model = family.build(family.space.start(), form, 10, seed=0)     # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import keras

from models.inputs import InputFormat
from search_spaces import SearchSpace, Value

Build = Callable[[Mapping[str, Value], InputFormat, int, int], keras.Model]
"""Configuration, raw inputs, number of outputs and seed in; a network with fresh weights out."""


@dataclass(frozen=True)
class Family:
    """Networks of one kind.

    Args:
        name: What it is called on the command line and in a study's fingerprint.
        space: Its levers.
        build: From a configuration, the format of the raw inputs, the number of outputs and a seed to a network with
            fresh weights, from raw inputs to logits; a compiled one brings its own optimizer, loss and outputs.
        learning_rate: Of the optimizer, for a network that is not compiled.
    """

    name: str
    space: SearchSpace
    build: Build
    learning_rate: Callable[[Mapping[str, Value]], float]
