"""An exported file, loaded by its own runtime, as a plain function of arrays: Keras, TensorFlow, TFLite, ONNX Runtime.

Each library is imported where its file is loaded, so that the other formats do without it.

>>> predict = load_file(ONNX, Path("exports/my-digits/model.onnx"), n_threads=2)     # doctest: +SKIP
>>> predict(images).argmax(axis=1)                                                  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuning.export.formats import KERAS, ONNX, SAVED_MODEL, TFLITE, TFLITE_8BIT, Format

Predict = Callable[[NDArray[Any]], NDArray[np.float32]]

_LITERT = "ai_edge_litert"


def load_file(format: Format, path: Path, n_threads: int | None = None) -> Predict:
    """Load a file; the function gives the model's outputs, shape (n, classes), for inputs of shape (n, ...).

    Args:
        format: Of the file.
        path: The file, or the folder of a SavedModel.
        n_threads: Threads inside an operation, >= 1; None for the runtime's own choice, as TensorFlow demands where it
            has been used before in this process.
    """
    return _LOADERS[format](path, n_threads)


def runtime_version(format: Format) -> str:
    """The runtime that reads a format here, with its version."""
    names = {KERAS: "keras", SAVED_MODEL: "tensorflow", ONNX: "onnxruntime"}
    package = names.get(format) or ("ai-edge-litert" if find_spec(_LITERT) else "tensorflow")
    return f"{format.runtime} {version(package)}"


def _keras(path: Path, n_threads: int | None) -> Predict:
    import keras

    _set_tensorflow_threads(n_threads)
    predict: Predict = keras.models.load_model(path).predict_on_batch
    return predict


def _saved_model(path: Path, n_threads: int | None) -> Predict:
    import tensorflow as tf

    _set_tensorflow_threads(n_threads)
    module = tf.saved_model.load(str(path))
    (name,) = module.signatures["serving_default"].structured_input_signature[1]

    def predict(inputs: NDArray[Any]) -> NDArray[np.float32]:
        # By way of `module`, which has to live: a signature alone does not keep its variables.
        (outputs,) = module.signatures["serving_default"](**{name: tf.constant(inputs)}).values()
        return np.asarray(outputs)

    return predict


def _set_tensorflow_threads(n_threads: int | None) -> None:
    import tensorflow as tf

    if n_threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(n_threads)
        tf.config.threading.set_inter_op_parallelism_threads(n_threads)


def _tflite(path: Path, n_threads: int | None) -> Predict:
    interpreter = _interpreter_class()(model_path=str(path), num_threads=n_threads)
    (entry,), (exit_,) = interpreter.get_input_details(), interpreter.get_output_details()
    allocated: tuple[int, ...] = ()

    def predict(inputs: NDArray[Any]) -> NDArray[np.float32]:
        nonlocal allocated
        if inputs.shape != allocated:
            interpreter.resize_tensor_input(entry["index"], inputs.shape)
            interpreter.allocate_tensors()
            allocated = inputs.shape
        interpreter.set_tensor(entry["index"], inputs)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(exit_["index"]))

    return predict


def _interpreter_class() -> Any:  # noqa: ANN401 - neither of the two has types
    """That of LiteRT, as TFLite is called now, where it is installed, else the same one inside TensorFlow."""
    if find_spec(_LITERT) is not None:
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter
    import tensorflow as tf

    return tf.lite.Interpreter


def _onnx(path: Path, n_threads: int | None) -> Predict:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads or 0
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda inputs: np.asarray(session.run(None, {name: inputs})[0])


_LOADERS: dict[Format, Callable[[Path, int | None], Predict]] = {
    KERAS: _keras,
    SAVED_MODEL: _saved_model,
    TFLITE: _tflite,
    TFLITE_8BIT: _tflite,
    ONNX: _onnx,
}
