"""The pictures of the compared models, drawn from their scores on the test images, and their architectures.

>>> draw_models(Path("pictures"), "my-digits", test, models)                         # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from tuning.architecture import layers_of, summary
from tuning.data import Examples
from tuning.pictures.architecture_picture import LayerBox, architecture_picture
from tuning.pictures.confidence_picture import confidence_picture
from tuning.pictures.confusion_picture import confusion_picture
from tuning.pictures.mistakes_picture import mistakes_picture
from tuning.pictures.reliability_picture import reliability_picture
from tuning.pictures.scored import Scored
from tuning.pictures.style import is_image, save
from tuning.pictures.values_picture import Predicted, values_picture

_SEED = 0  # of the choice of test images


@dataclass(frozen=True, eq=False)
class DrawnModel:
    """A compared model, as far as it is drawn.

    Args:
        name: How it is called everywhere.
        scored: Its logits on the test examples, and its temperature; or its values.
        n_params: Its weights; 0 where a module does not tell.
        network: The Keras model; None for a module whose file holds no layers.
    """

    name: str
    scored: Scored | Predicted
    n_params: int
    network: keras.Model | None = None


def draw_models(folder: Path, test: Examples, models: Sequence[DrawnModel]) -> None:
    """Draw the models into a folder, with Keras' summaries as text.

    Args:
        folder: Is created where it is missing; earlier pictures there are replaced.
        test: The opened test part, on which the models were scored.
        models: The tuned one last, at least two; the first one is drawn beside it.
    """
    _draw_classes(folder, test, {m.name: m.scored for m in models if isinstance(m.scored, Scored)})
    if predicted := {m.name: m.scored for m in models if isinstance(m.scored, Predicted)}:
        save(values_picture(predicted), folder / "values.png")
    for model in models:
        _draw_architecture(folder, model, test.inputs.shape[1:])


def _draw_classes(folder: Path, test: Examples, models: Mapping[str, Scored]) -> None:
    """How sure and how right they are; on images too, where each has one class."""
    if not models:
        return
    names = list(models)
    ends = {name: models[name] for name in (names[0], names[-1])}
    save(reliability_picture(models), folder / "reliability.png")
    save(confusion_picture(ends), folder / "confusion.png")
    if is_image(test.inputs.shape[1:]) and test.labels.ndim == 1:
        _draw_images(folder, test, ends)


def _draw_images(folder: Path, test: Examples, models: Mapping[str, Scored]) -> None:
    save(confidence_picture(test.inputs, models, _SEED), folder / "confidence.png")
    for name, scored in models.items():
        save(mistakes_picture(name, scored, test.inputs), folder / f"mistakes-{name}.png")


def _draw_architecture(folder: Path, model: DrawnModel, input_shape: tuple[int, ...]) -> None:
    weights = f"{model.n_params:,} weights" if model.n_params else "number of weights not told"
    if model.network is None:
        n_outputs = model.scored.logits.shape[1] if isinstance(model.scored, Scored) else 1
        layers: tuple[LayerBox, ...] = _closed(model.n_params, input_shape, n_outputs)
        text = f"{model.name}: a SavedModel, whose file holds a graph and no layers.\n{weights}\n"
    else:
        layers, text = layers_of(model.network), summary(model.network)
    figure = architecture_picture(f"{model.name}: {weights}", layers)
    for suffix in ("svg", "png"):
        save(figure, folder / f"architecture-{model.name}.{suffix}")
    (folder / f"summary-{model.name}.txt").write_text(text, encoding="utf-8")


def _closed(n_params: int, input_shape: tuple[int, ...], n_outputs: int) -> tuple[LayerBox, ...]:
    """What is known of a module that keeps its layers to itself."""
    return (
        LayerBox("inputs", "Input", input_shape, 0),
        LayerBox("module", "SavedModel", (n_outputs,), n_params, ("holds no layers",), (0,)),
    )
