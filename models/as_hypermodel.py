"""A space of levers as KerasTuner declares one: the other way round than `models/hypermodel.py`.

hp = keras_tuner.HyperParameters()
params = declared(mlp_space(), hp)      # {'units': 256, 'layers': 2, ...}: every lever has its start as its default
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import keras_tuner

from search_spaces import Lever, Params, Scale, SearchSpace, Value


def declared(space: SearchSpace, hp: keras_tuner.HyperParameters) -> Params:
    """Ask KerasTuner for a configuration; a lever that does nothing in it has its start.

    Ranges and scales are those of the levers. Numbers are not bound to the levers' grid: as in Optuna, any number in
    the range may come.
    """
    params: Params = {}
    for lever in space.levers:
        with contextlib.ExitStack() as scopes:
            for parent, values in lever.active_if:
                scopes.enter_context(hp.conditional_scope(parent, list(values)))
            value = _asked(lever, hp)
        params[lever.name] = lever.start if value is None else value
    return params


def completed(space: SearchSpace, values: Mapping[str, Any]) -> Params:
    """A trial's values as a configuration: a lever that was not asked for has its start; what is none is left out."""
    return {lever.name: values.get(lever.name, lever.start) for lever in space.levers}


def _asked(lever: Lever, hp: keras_tuner.HyperParameters) -> Value | None:
    """A lever's value; None where it is not active."""
    asked: Value | None
    if lever.scale in (Scale.INTEGER, Scale.LOG2_INTEGER):
        sampling = "log" if lever.scale is Scale.LOG2_INTEGER else "linear"
        asked = hp.Int(lever.name, int(lever.low), int(lever.high), sampling=sampling, default=lever.start)
    elif lever.scale in (Scale.LINEAR, Scale.LOG10):
        sampling = "log" if lever.scale is Scale.LOG10 else "linear"
        asked = hp.Float(lever.name, float(lever.low), float(lever.high), sampling=sampling, default=lever.start)
    else:
        asked = hp.Choice(lever.name, [lever.value(x) for x in lever.grid()], default=lever.start)
    return asked
