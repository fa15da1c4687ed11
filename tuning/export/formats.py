"""The file formats of an exported model: how each is called, what it is read by, and which packages it takes.

Needs none of these packages, so that a wrong `--format` is said before TensorFlow is imported.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from tuning.errors import ExportError, SettingsError


@dataclass(frozen=True)
class Format:
    """A file format.

    Args:
        name: As in `--format`, in tables and in `result.json`.
        file: Name of the file, or of the folder, inside the export.
        runtime: What reads it, for people.
        packages: Modules that writing it or reading it takes, beside TensorFlow and Keras.
        extra: Optional dependencies of this project that hold them.
        is_quantized: Whether weights are stored in 8 bits: it then need not give the very same numbers.
    """

    name: str
    file: str
    runtime: str
    packages: tuple[str, ...] = ()
    extra: str = ""
    is_quantized: bool = False


KERAS = Format("keras", "model.keras", "Keras")
SAVED_MODEL = Format("savedmodel", "saved_model", "TensorFlow")
TFLITE = Format("tflite", "model.tflite", "TFLite interpreter")
TFLITE_8BIT = Format("tflite-8bit", "model-8bit.tflite", "TFLite interpreter", is_quantized=True)
ONNX = Format("onnx", "model.onnx", "ONNX Runtime", ("onnx", "tf2onnx", "onnxruntime"), "onnx")

DEFAULT_FORMATS = (KERAS, SAVED_MODEL)
ALL_FORMATS = (KERAS, SAVED_MODEL, TFLITE, TFLITE_8BIT, ONNX)
_CHOICES = {format.name: format for format in (KERAS, SAVED_MODEL, TFLITE, ONNX)}
FORMAT_NAMES = ",".join(_CHOICES)


def formats_of(names: str, *, quantize: bool) -> tuple[Format, ...]:
    """The formats of a list such as `keras,onnx`, in the order of the list, each once.

    Args:
        names: Names from `FORMAT_NAMES`, separated by commas.
        quantize: Whether the TFLite file is also written with weights in 8 bits.

    Raises:
        SettingsError: If a name is unknown, there is none, or `quantize` has nothing to apply to.
    """
    wanted = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    unknown = [name for name in wanted if name not in _CHOICES]
    if unknown or not wanted:
        got = ", ".join(unknown) or repr(names)
        raise SettingsError(f"`--format` must be one or more of {FORMAT_NAMES}, got {got}.")
    formats = [_CHOICES[name] for name in wanted]
    if quantize and TFLITE not in formats:
        raise SettingsError(f"`--quantize` is for the tflite format, got --format {names}: add tflite to it.")
    if quantize:
        formats.insert(formats.index(TFLITE) + 1, TFLITE_8BIT)
    return tuple(formats)


def check_packages(formats: tuple[Format, ...]) -> None:
    """Refuse a format whose packages are not installed.

    Raises:
        ExportError: With the command that installs them.
    """
    for format in formats:
        if missing := [package for package in format.packages if find_spec(package) is None]:
            raise ExportError(
                f"The format {format.name} takes {', '.join(format.packages)}; {', '.join(missing)} is not installed: "
                f"`pip install -e '.[{format.extra}]'` in the project's folder installs all of them."
            )
