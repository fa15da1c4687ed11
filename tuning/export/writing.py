"""Write a model's files, raw inputs in, calibrated probabilities or values out; check them before saying so.

Preprocessing is the model's first layer and softmax its last, all of them standard layers, so the files load without
this project. The folder is written aside and renamed: half an export is never taken for a whole one.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tuning.errors import ExportError
from tuning.export.formats import DEFAULT_FORMATS, KERAS, ONNX, SAVED_MODEL, Format
from tuning.export.round_trip import check, decision_of, differences
from tuning.export.runtimes import load_file
from tuning.export.target import (
    MARK,
    OUTPUTS,
    PROBABILITIES,
    TASK,
    TEMPERATURE,
    VALUES,
    Exported,
    check_target,
    written_aside,
)
from tuning.likeness import Likeness
from tuning.result import write_json
from tuning.task import Task


def export_model(
    model: keras.Model,
    folder: Path,
    inputs: NDArray[Any],
    about: dict[str, Any],
    likeness: Likeness | None = None,
    task: Task = Task.MULTICLASS,
) -> Exported:
    """Export a model as `.keras` and SavedModel, reload both in this process and compare them with the model.

    Args:
        model: From raw inputs to logits, or to values.
        folder: Target; an earlier export there is replaced.
        inputs: Raw inputs for the comparison, shape (n, ...).
        about: Written beside the files as JSON; its temperature divides the logits, 1 without one.
        likeness: What the training images look like, written beside them too; None for data without images.
        task: What the model learned.

    Raises:
        ExportError: If a reloaded model differs by more than the tolerance, or the folder cannot be written.
    """
    check_target(folder)
    serving = serving_model(model, float(about.get(TEMPERATURE, 1.0)), task)
    expected, decide = np.asarray(serving(inputs, training=False)), decision_of(task)
    with written_aside(folder) as aside:
        write_files(serving, DEFAULT_FORMATS, aside)
        found = {each: load_file(each, aside / each.file)(inputs) for each in DEFAULT_FORMATS}
        for each, outputs in found.items():
            check(each, outputs, expected, decide(expected), decide)
        difference = max(differences(outputs, expected)[0] for outputs in found.values())
        if likeness is not None:
            likeness.save(aside)
        gives = VALUES if task is Task.REGRESSION else PROBABILITIES
        facts = {OUTPUTS: gives, TASK: task, "max_difference": difference, "n_checked": len(inputs)}
        write_json(aside / MARK, {**about, **facts})
    return Exported(folder, tuple(each.file for each in DEFAULT_FORMATS), difference, len(inputs))


def serving_model(model: keras.Model, temperature: float | None, task: Task = Task.MULTICLASS) -> keras.Model:
    """A model as it is used: from raw inputs, named `inputs`, to what its task asks for.

    That is `probabilities` of the classes, which sum to 1; of class 1 for a binary task; of each label; or `values` in
    the unit of the targets.

    Args:
        model: From raw inputs to logits, or to values.
        temperature: Divides the logits, > 0; None for the outputs as they are.
        task: What the model learned.
    """
    inputs = keras.Input(model.input_shape[1:], dtype=model.inputs[0].dtype, name="inputs")
    outputs = model(inputs, training=False)
    if task is Task.REGRESSION:
        return keras.Model(inputs, keras.layers.Identity(name="values")(outputs), name="regressor")
    if temperature is not None:
        calibrated = keras.layers.Rescaling(1.0 / temperature, name="temperature")(outputs)
        outputs = _probabilities(task)(calibrated)
    return keras.Model(inputs, outputs, name="classifier")


def _probabilities(task: Task) -> keras.layers.Layer:
    if task is Task.MULTICLASS:
        return keras.layers.Softmax(name="probabilities")
    return keras.layers.Activation("sigmoid", name="probabilities")


def write_files(serving: keras.Model, formats: Sequence[Format], folder: Path) -> None:
    """Write a model into a folder, in every format.

    Raises:
        ExportError: If a converter refuses the model, or TensorFlow cannot write.
    """
    for each in formats:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what converters have to say of numpy and of themselves is not ours
                _write(serving, each, folder)
        except OSError:
            raise
        except Exception as error:  # converters raise whatever an operation brings them to
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ExportError(
                f"{each.file} cannot be written ({reason}): leave {each.name} out of --format."
            ) from error


def _write(serving: keras.Model, format: Format, folder: Path) -> None:
    path = folder / format.file
    if format == KERAS:
        serving.save(path)
    elif format == SAVED_MODEL:
        serving.export(path, verbose=False)
    elif format == ONNX:
        _make_constants(serving)
        serving(np.zeros((1, *serving.input_shape[1:]), serving.inputs[0].dtype))  # else Keras says: never called
        serving.export(path, format="onnx", verbose=False)
    else:
        path.write_bytes(_tflite(serving, is_quantized=format.is_quantized))


def _make_constants(model: keras.Model) -> None:
    """Keep the numbers of normalizing layers as arrays: tf2onnx would take a tensor there for another input."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _make_constants(layer)
        elif isinstance(layer, keras.layers.Normalization):
            layer.mean, layer.variance = np.asarray(layer.mean), np.asarray(layer.variance)


def _tflite(serving: keras.Model, *, is_quantized: bool) -> bytes:
    """The model for the TFLite interpreter; quantized: weights in 8 bits, activations quantized as they come."""
    with tempfile.TemporaryDirectory() as folder:
        serving.export(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if is_quantized:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        return bytes(converter.convert())
