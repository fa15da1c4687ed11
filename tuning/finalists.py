"""The models that are compared: each from raw inputs to logits or values, and in the form in which it is saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from models.baseline_scaling import PixelScaling
from models.hand_made import BATCH_SIZE, LEARNING_RATE, N_EPOCHS, PARAMS, build_hand_made
from models.own_model import logits_model
from models.pretrained import IMAGE_SHAPE, PretrainedBaseline
from models.train_stand_in import build as build_stand_in
from search_spaces import Value
from tuning.baseline_reading import BaselineReading, read_baseline
from tuning.data import TrainingData
from tuning.engine.metrics import EpochMetrics
from tuning.engine.stopping import StopRule
from tuning.engine.training import Engine, TrainingPlan
from tuning.networks import KeptModel, Logits, keras_logits
from tuning.result import BASELINE, HAND_MADE, TUNED
from tuning.task import Task
from tuning.tracking.files import Graph, keras_graph, scaled_graph
from tuning.trial_run import TrialRunner, input_format
from tuning.units import in_target_units

# On full MNIST the hand-made model's validation loss falls by a few per cent in its last epoch; where it falls by more,
# the examples are so few that five epochs are not a training.
_STILL_FALLS = 0.1


@dataclass(frozen=True)
class Finalist:
    """A model ready to be scored on any raw inputs of the data set.

    `outputs` gives logits of classes or labels, or the values of a regression, shape (n, outputs).
    """

    name: str
    kind: str
    outputs: Callable[[NDArray[Any]], Logits]
    n_params: int
    train_secs: float = 0.0
    note: str = ""
    params: Mapping[str, Value] | None = None
    network: keras.Model | None = None  # None for a module whose file holds no layers
    graph: Graph | None = None  # None where the model cannot be saved
    best_epoch: int = 0
    may_have_seen: str = ""
    reading: BaselineReading | None = None  # of a pretrained model


def tuned_finalist(
    model: KeptModel, params: Mapping[str, Value], train_secs: float, task: Task = Task.MULTICLASS
) -> Finalist:
    """The best trial's model, with the weights that were scored."""
    return keras_finalist("tuned", TUNED, model, train_secs, params=params, task=task)


def start_finalist(runner: TrialRunner) -> Finalist:
    """A user's own model at its start, trained as every trial: what the search is measured against."""
    params, seed = runner.family.space.start(), runner.settings.seed
    trained = runner.train(params, seed)
    model = KeptModel(trained.model, logits_model(trained.model, input_format(runner.data)))
    note = "the configuration from which the search started, trained once more"
    finalist = keras_finalist("start", HAND_MADE, model, trained.train_secs, note, params, runner.data.task)
    return replace(finalist, best_epoch=trained.best_epoch)


def hand_made_finalist(engine: Engine, dataset: TrainingData, seed: int) -> Finalist:
    """Train the hand-made model as a practitioner would: Adam's defaults, batch 32, five epochs, no tuning."""
    model = in_target_units(build_hand_made(input_format(dataset), dataset.n_outputs, seed), dataset)
    all_epochs = StopRule(patience=N_EPOCHS, min_epochs=N_EPOCHS)
    plan = TrainingPlan(LEARNING_RATE, seed, N_EPOCHS, batch_size=BATCH_SIZE, ema_momentum=0.0, stop=all_epochs)
    trained = engine.train(model, plan)
    note = f"best of {N_EPOCHS} epochs by validation loss{_unfinished(trained.epochs)}"
    params = {**PARAMS, "learning_rate": LEARNING_RATE, "seed": seed}
    kept = KeptModel(model, model)
    finalist = keras_finalist("hand-made", HAND_MADE, kept, trained.train_secs, note, params, dataset.task)
    return replace(finalist, best_epoch=trained.best_epoch)


def _unfinished(epochs: Sequence[EpochMetrics]) -> str:
    """What is to be said where the last epoch shows that few examples make five epochs too few."""
    fall = 1.0 - epochs[-1].val_loss / epochs[-2].val_loss
    if not fall > _STILL_FALLS:
        return ""
    return f", which still fell by {100 * fall:.0f} % in the last one: trained for longer it would be better"


def keras_finalist(
    name: str,
    kind: str,
    model: KeptModel,
    train_secs: float,
    note: str = "",
    params: Mapping[str, Value] | None = None,
    task: Task = Task.MULTICLASS,
) -> Finalist:
    """A trained Keras model."""
    outputs, graph, network = keras_logits(model.logits), keras_graph(model.logits, task), model.network
    return Finalist(name, kind, outputs, network.count_params(), train_secs, note, params, network, graph)


def baseline_finalist(baseline: PretrainedBaseline, data: TrainingData, seed: int = 0) -> Finalist:
    """The pretrained baseline, read as it was trained; its name and its note say where it stands in for TF-GAN's."""
    reading = read_baseline(baseline, data, seed)
    stand_in = f"stand-in for TF-GAN's classifier: {baseline.note}; " if baseline.is_stand_in else ""
    return Finalist(
        baseline.name,
        BASELINE,
        reading.logits,
        baseline.n_params,
        note=f"{stand_in}{baseline.may_have_seen}; {reading.sweep.sentence()}",
        # Its layers alone: the weights that are scored are saved.
        network=build_stand_in() if baseline.is_stand_in else None,
        graph=baseline_graph(baseline, reading, data),
        may_have_seen=baseline.may_have_seen,
        reading=reading,
    )


def baseline_graph(baseline: PretrainedBaseline, reading: BaselineReading, data: TrainingData) -> Graph | None:
    """The baseline as it is read, from raw inputs; None where the module cannot be saved."""
    if baseline.graph is None:
        return None
    offset, divisor = _scaling_of_raw(reading.scaling, data)
    from_logits = reading.sweep.outputs == "logits"
    return scaled_graph(baseline.graph, offset, divisor, IMAGE_SHAPE, from_logits=from_logits)


def _scaling_of_raw(scaling: PixelScaling, data: TrainingData) -> tuple[Any, Any]:
    """Offset and divisor for raw inputs, which are pixels where they are bytes."""
    if data.train.inputs.dtype == np.uint8:
        return scaling.offset, scaling.divisor
    pixels_each = 255 * np.asarray(data.scaling.scale, np.float32)
    return data.scaling.offset + scaling.offset / pixels_each, scaling.divisor / pixels_each
