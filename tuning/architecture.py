"""A Keras model as layers to be drawn and as Keras' own summary, without Graphviz or pydot.

>>> layers = layers_of(model)                                                       # doctest: +SKIP
>>> architecture_picture("tuned", layers).savefig("architecture-tuned.svg")         # doctest: +SKIP
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from tuning.pictures.architecture_picture import LayerBox

_SUMMARY_COLUMNS = 100
# Settings that tell layers of one kind apart, with the word for each; what a shape says already is left out.
_TOLD = {
    "activation": "",
    "rate": "dropout",
    "kernel_size": "kernel",
    "pool_size": "pool",
    "strides": "stride",
    "scale": "times",
    "offset": "plus",
}
_UNTOLD = {"activation": ("linear",), "strides": ("1", "1 × 1"), "offset": ("0", "-0")}  # they change nothing


def layers_of(model: keras.Model) -> tuple[LayerBox, ...]:
    """The layers of a built sequential or functional model, in topological order.

    A model inside the model is one layer.

    Raises:
        ValueError: If the model is neither, or not built: its layers are then not known before it is called.
    """
    graph = _graph(model)
    at = {id(operation): i for i, operation in enumerate(graph.operations)}
    return tuple(_box(operation, _sources(operation, at)) for operation in graph.operations)


def summary(model: keras.Model) -> str:
    """What Keras' `model.summary()` prints, at a fixed width."""
    lines: list[str] = []
    with _terminal_columns(_SUMMARY_COLUMNS):
        model.summary(line_length=_SUMMARY_COLUMNS, print_fn=lines.append)
    return "\n".join(lines).rstrip() + "\n"


@contextmanager
def _terminal_columns(n: int) -> Iterator[None]:
    """What Keras asks for the width of the terminal: in a narrower one it leaves out the number of weights."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(n)
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


def _graph(model: keras.Model) -> keras.Model:
    if isinstance(model, keras.Sequential) and model.built:
        return keras.Model(model.inputs, model.outputs)
    if not hasattr(model, "operations"):
        raise ValueError(f"Only a built sequential or functional model has known layers, got {type(model).__name__}.")
    return model


def _sources(operation: Any, at: dict[int, int]) -> tuple[int, ...]:  # noqa: ANN401 - a Keras layer or operation
    """Positions of the operations whose outputs this one takes, each once; of a shared layer those of all its calls."""
    tensors = [tensor for node in operation._inbound_nodes for tensor in node.input_tensors]
    # A node of another model that shares this layer has parents that are not in this one.
    parents = {at.get(id(tensor._keras_history.operation), len(at)) for tensor in tensors}
    return tuple(sorted(parent for parent in parents if parent < at[id(operation)]))


def _box(operation: Any, inputs: tuple[int, ...]) -> LayerBox:  # noqa: ANN401 - a Keras layer or operation
    outputs = operation._inbound_nodes[-1].output_tensors
    shape = tuple(outputs[0].shape[1:]) if len(outputs) == 1 else None
    is_layer = isinstance(operation, keras.layers.Layer)
    n_params = operation.count_params() if is_layer else 0
    notes = tuple(_notes(operation.get_config())) if is_layer else ()
    return LayerBox(operation.name, type(operation).__name__, shape, n_params, notes, inputs)


def _notes(config: dict[str, Any]) -> Iterator[str]:
    """The settings worth telling, in words."""
    for key, word in _TOLD.items():
        text = _told(config.get(key))
        if text and text not in _UNTOLD.get(key, ()):
            yield f"{word} {text}".strip()
    for key in ("kernel_regularizer", "recurrent_regularizer"):
        settings = (config.get(key) or {}).get("config") or {}
        numbers = {name: value for name, value in settings.items() if isinstance(value, int | float) and value}
        yield from (f"{name.upper()} {value:g}" for name, value in numbers.items())


def _told(value: object) -> str:
    """A setting in a few words; nothing for one that has no short form."""
    if isinstance(value, list | tuple) and all(isinstance(each, int) for each in value):
        return " × ".join(map(str, value))
    if isinstance(value, str):
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:g}" if is_number else ""
