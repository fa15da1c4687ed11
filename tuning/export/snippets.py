"""How to load each exported file without this project, in three lines: for the model card, and run from it by tests."""

from __future__ import annotations

from dataclasses import dataclass

from tuning.export.formats import KERAS, ONNX, SAVED_MODEL, TFLITE, TFLITE_8BIT, Format


@dataclass(frozen=True)
class Snippet:
    """Python that loads a file and runs it.

    Args:
        packages: What it takes from a package index, beside numpy.
        lines: From an array `inputs` to an array named as the outputs are, three lines.
    """

    packages: str
    lines: tuple[str, str, str]


def snippet(format: Format, outputs: str) -> Snippet:
    """The snippet of a format, to be run in the folder of the export.

    Args:
        format: Of the file.
        outputs: What the file gives, such as `probabilities`.
    """
    file = format.file
    return {
        KERAS: Snippet(
            "keras tensorflow",
            ("import keras", f'model = keras.models.load_model("{file}")', f"{outputs} = model.predict(inputs)"),
        ),
        SAVED_MODEL: Snippet(
            "tensorflow",
            (
                "import tensorflow as tf",
                f'model = tf.saved_model.load("{file}")',
                f"{outputs} = model.serve(inputs).numpy()",
            ),
        ),
        TFLITE: _tflite(file, outputs),
        TFLITE_8BIT: _tflite(file, outputs),
        ONNX: Snippet(
            "onnxruntime",
            (
                "import onnxruntime",
                f'session = onnxruntime.InferenceSession("{file}")',
                f'({outputs},) = session.run(None, {{"inputs": inputs}})',
            ),
        ),
    }[format]


def _tflite(file: str, outputs: str) -> Snippet:
    return Snippet(
        "ai-edge-litert",
        (
            "from ai_edge_litert.interpreter import Interpreter",
            f'run = Interpreter("{file}").get_signature_runner()',
            f"({outputs},) = run(inputs=inputs).values()",
        ),
    )
