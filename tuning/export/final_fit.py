"""`--final-fit`: the chosen configuration trained once more, on train and validation examples together.

No example is left to choose by, so nothing is chosen: the number of epochs is the one that the trial's early stopping
found, the weights are those of the last epoch, and of several seeds the first is what is exported; the others show how
much a seed matters.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from optuna.trial import FrozenTrial

from models.family import Family
from models.own_model import logits_model, takes_one_hot
from tuning.data import Dataset, Examples, TrainingData
from tuning.engine.criterion import Criterion
from tuning.engine.plan import default_batch_size
from tuning.engine.stopping import StopRule
from tuning.engine.task_criterion import criterion_of
from tuning.engine.training import Diverged, Engine, TrainingPlan
from tuning.errors import ExportError
from tuning.trial_run import input_format, one_hot_engine
from tuning.units import in_target_units

_N_WATCHED = 1_000  # examples measured after every epoch: only whether the numbers are finite matters


@dataclass(frozen=True, eq=False)
class FinalFit:
    """What a final fit left.

    Args:
        models: From raw inputs to logits, one a seed; the first is what is exported.
        seeds: Theirs.
        n_epochs: Epochs of each.
        n_examples: Train and validation examples together.
        train_secs: Of all of them.
    """

    models: tuple[keras.Model, ...]
    seeds: tuple[int, ...]
    n_epochs: int
    n_examples: int
    train_secs: float

    def facts(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "seeds": list(self.seeds),
            "n_epochs": self.n_epochs,
            "n_examples": self.n_examples,
            "train_secs": round(self.train_secs, 3),
        }


def final_fit(
    family: Family,
    dataset: Dataset,
    trial: FrozenTrial,
    fingerprint: Mapping[str, Any],
    n_seeds: int,
    say: Callable[[str], object],
) -> FinalFit:
    """Train a trial's configuration on train and validation examples together.

    Args:
        family: What builds its networks; compiled ones train with their own optimizer and loss.
        dataset: The data of its study; the test part stays sealed.
        trial: A complete trial.
        fingerprint: Of its study: seed, batch size, precision.
        n_seeds: How many times, >= 1; seeds count up from the study's.
        say: Told a line for every seed.

    Raises:
        ExportError: If a training diverges.
    """
    begun = time.monotonic()
    data, form = _joined(dataset), input_format(dataset)
    seeds = tuple(int(fingerprint["seed"]) + i for i in range(n_seeds))
    n_epochs, n_examples = int(trial.user_attrs["best_epoch"]), len(data.train)
    models, engine = [], None
    for i, seed in enumerate(seeds):
        model = in_target_units(family.build(trial.params, form, dataset.n_outputs, seed), dataset)
        engine = engine or _engine_of(model, data, criterion_of(dataset))
        trained = _trained(engine, model, _plan(model, trial, seed, fingerprint, len(dataset.train)))
        models.append(logits_model(trained, form))
        say(f"final fit {i + 1} of {n_seeds}: seed {seed}, {n_epochs} epochs of {n_examples} examples")
    return FinalFit(tuple(models), seeds, n_epochs, n_examples, time.monotonic() - begun)


def _joined(dataset: Dataset) -> TrainingData:
    """Train and validation examples together; the validation part are some of them, which nothing is chosen by."""
    train, validation = dataset.train, dataset.validation
    inputs = np.concatenate([train.inputs, validation.inputs])
    labels = np.concatenate([train.labels, validation.labels])
    watched = Examples(validation.inputs[:_N_WATCHED], validation.labels[:_N_WATCHED])
    return replace(dataset.for_training, train=Examples(inputs, labels), validation=watched)


def _engine_of(model: keras.Model, data: TrainingData, criterion: Criterion) -> Engine:
    if takes_one_hot(model):
        return one_hot_engine(data)
    train, watched = data.train, data.validation
    return Engine(train.inputs, train.labels, watched.inputs, watched.labels, criterion)


def _plan(
    model: keras.Model, trial: FrozenTrial, seed: int, fingerprint: Mapping[str, Any], n_train: int
) -> TrainingPlan:
    """As the trial had it, but for its end; a model that is compiled has its own learning rate."""
    n_epochs = int(trial.user_attrs["best_epoch"])
    return TrainingPlan(
        None if model.compiled else trial.user_attrs["learning_rate"],
        seed,
        n_epochs,
        # A step that sees more examples would be another configuration.
        batch_size=int(trial.params.get("batch_size") or fingerprint.get("batch size") or default_batch_size(n_train)),
        stop=StopRule(patience=n_epochs, min_epochs=n_epochs),
        precision=fingerprint.get("precision") or "auto",
        restore_best_weights=False,
    )


def _trained(engine: Engine, model: keras.Model, plan: TrainingPlan) -> keras.Model:
    try:
        trained = engine.train(model, plan)
    except Diverged as error:
        raise ExportError(f"The final fit with seed {plan.seed} {error}: export without --final-fit.") from error
    if not math.isfinite(trained.epochs[-1].val_loss):
        raise ExportError(f"The final fit with seed {plan.seed} diverged: export without --final-fit.")
    return trained.model
