"""An exported model, found and loaded again: raw inputs in, calibrated probabilities out.

>>> model = ExportedModel.load(find_export(Path.cwd(), folder=None, study="my-digits"))   # doctest: +SKIP
>>> model.probabilities(images)                                                      # doctest: +SKIP
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from tuning.errors import ExportError, SettingsError
from tuning.export.target import LOGITS, MARK, OUTPUTS, PROBABILITIES, TASK, TEMPERATURE, VALUES
from tuning.likeness import Likeness
from tuning.task import Task


@dataclass(frozen=True, eq=False, slots=True)
class ExportedModel:
    """A model read from its folder.

    Args:
        folder: Where it was read from.
        model: The Keras model, from raw inputs to probabilities or to logits.
        temperature: Fitted on the validation examples of the study; 1 in an export that has none. Probabilities have it
            inside.
        gives_logits: Whether the model was exported with `--logits`.
        likeness: What its training images look like; None in an export that has no such statistics.
    """

    folder: Path
    model: Any
    temperature: float
    gives_logits: bool
    likeness: Likeness | None

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load an export; imports Keras, which takes seconds.

        Raises:
            ExportError: If a file of it is missing or damaged.
        """
        likeness = Likeness.load(folder)
        try:
            about = json.loads((folder / MARK).read_text(encoding="utf-8"))
            temperature = float(about.get(TEMPERATURE, 1.0))
            outputs = (PROBABILITIES, LOGITS, VALUES).index(about[OUTPUTS])
            task = Task(about.get(TASK, Task.MULTICLASS))
        except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
            raise ExportError(f"{folder / MARK} is damaged ({error}): export the model again.") from error
        if task is not Task.MULTICLASS:
            raise ExportError(
                f"The model must tell one of several classes, but {folder.name} was tuned for the task {task}: load "
                "its model.keras with keras.models.load_model, which takes raw inputs."
            )
        import keras

        try:
            model = keras.models.load_model(folder / "model.keras")
        except Exception as error:  # Keras raises whatever a damaged archive brings it to
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ExportError(f"{folder / 'model.keras'} cannot be loaded ({reason}): export it again.") from error
        return cls(folder, model, temperature, bool(outputs), likeness)

    def check_takes(self, side: int) -> None:
        """Refuse a model that takes something other than square grey images of 0 to 255.

        Raises:
            ExportError: If its inputs have another shape or type.
        """
        shape, dtype = tuple(self.model.input_shape[1:]), str(self.model.inputs[0].dtype)
        if shape not in ((side, side), (side, side, 1)) or dtype != "uint8":
            raise ExportError(
                f"The model must take grey images of {side} x {side} pixels, 0 to 255, but {self.folder.name} takes "
                f"{dtype} inputs of shape {shape}: name a model of MNIST-like data with --model."
            )

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Probability of each class at the temperature, shape (examples, classes).

        Args:
            images: As the model takes them, shape (examples, ...).
        """
        inputs = images.reshape(-1, *self.model.input_shape[1:])
        outputs = np.asarray(self.model(inputs, training=False), np.float64)
        if not self.gives_logits:
            return outputs
        return np.asarray(softmax(outputs / self.temperature, axis=1))


def find_export(root: Path, folder: Path | None, study: str | None) -> Path:
    """The folder of an exported model: the one named, that of a study, or the latest below `exports/`.

    Raises:
        SettingsError: If both a folder and a study are named.
        ExportError: If there is none; the known ones are listed.
    """
    if folder is not None and study is not None:
        raise SettingsError("`--model` and `--study` both name a model: give one of them.")
    found = (mark.parent for mark in (root / "exports").glob(f"*/{MARK}"))
    exports = {each.name: each for each in found if not each.name.startswith(".")}  # hidden: being written
    known = ", ".join(sorted(exports)) or "none yet; `python -m tuning.search` makes one"
    if study is not None:
        if study not in exports:
            raise ExportError(f"There is no exported model of a study {study!r} in exports/. Known models: {known}.")
        return exports[study]
    if folder is not None:
        if not (folder / MARK).is_file():
            raise ExportError(f"{folder} is not the folder of an exported model. Known in exports/: {known}.")
        return folder
    if not exports:
        raise ExportError("There is no exported model in exports/: run `python -m tuning.search`, or use --model.")
    return max(exports.values(), key=lambda each: (each / MARK).stat().st_mtime)
