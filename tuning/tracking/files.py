"""Finalists as models in MLflow's format, on disk: raw inputs in, probabilities or values out. Needs both libraries.

Each is one traced function saved by `tf.saved_model.save`, which answers in milliseconds; MLflow's Keras format goes
through `model.predict` and takes a hundred times as long for a single image. Whoever holds the study sends the files to
MLflow later (`models.py`), and again after an outage, without TensorFlow. They also load from the disk:

    mlflow.pyfunc.load_model("mlruns/studies/my-digits/models/tuned").predict(images)
"""

from __future__ import annotations

import shutil
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

from tuning.task import Task

_SMALLEST = np.finfo(np.float32).tiny  # probability whose logarithm is finite
_ACTIVATIONS: Mapping[Task, Callable[[Any], Any]] = {
    Task.MULTICLASS: tf.nn.softmax,
    Task.BINARY: tf.nn.sigmoid,
    Task.MULTILABEL: tf.nn.sigmoid,
    Task.REGRESSION: tf.identity,
}
_PACKAGES = ("tensorflow", "keras", "numpy")


@dataclass(frozen=True)
class Graph:
    """A model as a function of TensorFlow's tensors.

    Args:
        logits: Raw inputs, a tensor of shape (n, ...), to logits, or to the values of a regression.
        weights: What holds the variables that `logits` uses, for TensorFlow to save them.
    """

    logits: Callable[[Any], Any]
    weights: Any
    activation: Callable[[Any], Any] = tf.nn.softmax  # from logits to what whoever uses the model wants

    def at(self, temperature: float) -> Graph:
        """The same model with its logits divided by a temperature, > 0."""
        return replace(self, logits=lambda inputs: self.logits(inputs) / temperature)


def keras_graph(model: Any, task: Task = Task.MULTICLASS) -> Graph:  # noqa: ANN401 - a keras.Model
    """A Keras model as a function of raw inputs; its variables and nothing else of it are saved.

    Args:
        model: From raw inputs to logits, or to values.
        task: Whether probabilities of classes, of labels, or values are wanted.
    """
    return Graph(partial(model, training=False), [variable.value for variable in model.variables], _ACTIVATIONS[task])


def scaled_graph(
    module: tf.Module, offset: ArrayLike, divisor: ArrayLike, shape: tuple[int, ...], *, from_logits: bool
) -> Graph:
    """A module as a function of raw inputs, with their scaling inside: (input - offset) / divisor.

    Args:
        module: Its `forward` maps tensors of shape (n, *shape), float32, to (n, classes).
        offset: In the inputs' unit; a number, or one for each place of an input.
        divisor: Likewise.
        shape: Of one example.
        from_logits: Whether the module gives logits; probabilities otherwise.
    """
    subtract, divide = np.asarray(offset, np.float32), np.asarray(divisor, np.float32)

    def logits(inputs: tf.Tensor) -> tf.Tensor:
        outputs = module.forward(tf.reshape((tf.cast(inputs, tf.float32) - subtract) / divide, [-1, *shape]))
        return outputs if from_logits else tf.math.log(tf.maximum(outputs, _SMALLEST))

    return Graph(logits, module)


def save_models(graphs: Mapping[str, Graph | None], example: NDArray[Any], n_outputs: int, folder: Path) -> None:
    """Save models by their names into a folder, and delete earlier ones; what cannot be saved is left out and said.

    Args:
        graphs: The models; None for one that has no graph.
        example: A few raw inputs, shape (n, ...).
        n_outputs: Number of probabilities or values.
        folder: Where to.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for name, graph in graphs.items():
        try:
            if graph is not None:
                save_model(graph, example, n_outputs, folder / name)
        except Exception as error:  # a foreign graph raises whatever its operations raise; the comparison goes on
            print(f"   note: the {name} model cannot be saved for MLflow: {error}", file=sys.stderr)


def save_model(graph: Graph, example: NDArray[Any], n_outputs: int, folder: Path) -> Path:
    """Save a finalist with signature, input example and pinned requirements; an earlier one there is replaced.

    Args:
        graph: The model.
        example: A few raw inputs, shape (n, ...), as the data set gives them.
        n_outputs: Number of probabilities or values.
        folder: Where to.

    Returns:
        The folder.
    """
    with warnings.catch_warnings():
        # Not ours to mend: deprecations inside MLflow and what it imports.
        warnings.simplefilter("ignore")
        import mlflow.tensorflow
        from mlflow.models import ModelSignature
        from mlflow.types import Schema, TensorSpec

        inputs = Schema([TensorSpec(example.dtype, (-1, *example.shape[1:]))])
        outputs = Schema([TensorSpec(np.dtype(np.float32), (-1, n_outputs))])
        aside = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(aside, ignore_errors=True)
        aside.parent.mkdir(parents=True, exist_ok=True)
        mlflow.tensorflow.save_model(
            _servable(graph, example),
            aside,
            signature=ModelSignature(inputs, outputs),
            input_example=example,
            pip_requirements=[f"{package}=={version(package)}" for package in _PACKAGES],
        )
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)
    return folder


def _servable(graph: Graph, example: NDArray[Any]) -> tf.Module:
    """A callable module; TensorFlow finds its function and its weights by its attributes."""
    module = tf.Module()
    module.weights = graph.weights
    module.__call__ = tf.function(
        lambda inputs: graph.activation(graph.logits(inputs)),
        input_signature=[tf.TensorSpec([None, *example.shape[1:]], example.dtype, name="inputs")],
        autograph=False,
    )
    return module
