"""Write the best model as `.keras` and SavedModel, raw inputs in, probabilities out; check it before saying so.

Preprocessing is the model's first layer and softmax its last, all of them standard layers, so the files load without
this project. The folder is written aside and renamed: half an export is never taken for a whole one.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tuning.errors import ExportError
from tuning.export_target import MARK, Exported, check_target
from tuning.likeness import Likeness
from tuning.result import write_json

TOLERANCE = 1e-5  # of a probability: float32 rounding differs between two graphs of the same arithmetic


def export_model(
    model: keras.Model, folder: Path, inputs: NDArray[Any], about: dict[str, Any], likeness: Likeness | None = None
) -> Exported:
    """Export a logits model with softmax inside, reload both files and compare them with the model.

    Args:
        model: From raw inputs to logits.
        folder: Target; an earlier export there is replaced.
        inputs: Raw inputs for the comparison, shape (n, ...).
        about: Written beside the files as JSON (study, trial, parameters, temperature).
        likeness: What the training images look like, written beside them too; None for data without images.

    Raises:
        ExportError: If a reloaded model differs by more than `TOLERANCE`, or the folder cannot be written.
    """
    check_target(folder)
    aside = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(parents=True)
        serving = keras.Model(model.input, keras.layers.Softmax(name="probabilities")(model.output), name="classifier")
        serving.save(aside / "model.keras")
        serving.export(aside / "saved_model", verbose=False)
        difference = _largest_difference(serving, aside, inputs)
        if likeness is not None:
            likeness.save(aside)
        write_json(aside / MARK, {**about, "max_difference": difference, "n_checked": len(inputs)})
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)
    except OSError as error:
        raise ExportError(
            f"The model cannot be written to {folder} ({error.strerror}): choose another --export-dir."
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return Exported(folder, ("model.keras", "saved_model"), difference, len(inputs))


def _largest_difference(serving: keras.Model, folder: Path, inputs: NDArray[Any]) -> float:
    expected = np.asarray(serving(inputs, training=False))
    saved_model = tf.saved_model.load(str(folder / "saved_model"))  # its variables live as long as this name
    reloaded = {
        "model.keras": keras.models.load_model(folder / "model.keras")(inputs, training=False),
        "saved_model": saved_model.serve(inputs),
    }
    differences = {name: float(np.abs(np.asarray(got) - expected).max()) for name, got in reloaded.items()}
    for name, difference in differences.items():
        if not difference <= TOLERANCE:
            raise ExportError(f"The reloaded {name} differs from the scored model by {difference:.2g} (> {TOLERANCE}).")
    return max(differences.values())
