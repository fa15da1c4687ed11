"""The same study as people write it today, Optuna and `fit` and an MLflow run a trial, beside this project's search.

    TUNING_MNIST=mnist.npz python -m benchmarks.loop MLRUNS_FOLDER STUDY

Reads a finished study, and trains its trials again, in turn: the same configurations for the same number of epochs at
the same batch size and learning rate, with `fit`, a pruning callback that reports every epoch to Optuna, and one MLflow
run with a logged metric an epoch. With `--average` the loop also keeps the average of the weights that the search's
trials are scored with, as Keras offers it (`use_ema`, `SwapEMAWeights`): without it the loop's trials are worse ones.
Prints the seconds of both; the study's are those between its first trial's start and its last trial's end, whatever
happened in between.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import keras
import mlflow
import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from models.mlp import build_mlp
from tuning.data import Dataset, load_dataset
from tuning.engine.plan import default_batch_size, default_ema_momentum
from tuning.study_store import load_study
from tuning.trial_run import input_format


class Report(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """What Optuna's and MLflow's own Keras callbacks do: an epoch's metrics to both."""

    def __init__(self, trial: optuna.Trial) -> None:
        super().__init__()
        self._trial = trial

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Report and log."""
        self._trial.report(logs["val_loss"], epoch)
        mlflow.log_metrics({name: float(value) for name, value in logs.items()}, step=epoch)


def train(trial: optuna.Trial, known: FrozenTrial, dataset: Dataset, *, is_averaged: bool) -> float:
    """One trial of the ordinary loop: its best validation loss."""
    n_epochs = (
        len(known.user_attrs["curves"]["val_loss"]) if "curves" in known.user_attrs else len(known.intermediate_values)
    )
    batch_size = default_batch_size(len(dataset.train.labels))
    averaging: dict[str, Any] = {}
    if is_averaged:
        momentum = default_ema_momentum(len(dataset.train.labels) / batch_size)
        averaging = {"use_ema": True, "ema_momentum": momentum, "ema_overwrite_frequency": None}
    with mlflow.start_run():
        mlflow.log_params(known.params)
        model = build_mlp(known.params, input_format(dataset), dataset.n_classes, seed=0)
        optimizer = keras.optimizers.Adam(known.user_attrs.get("learning_rate", 1e-3), **averaging)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer, loss, metrics=["accuracy"])
        swap = [keras.callbacks.SwapEMAWeights()] if is_averaged else []
        history = model.fit(
            dataset.train.inputs,
            dataset.train.labels,
            batch_size=batch_size,
            epochs=max(n_epochs, 1),
            validation_data=(dataset.validation.inputs, dataset.validation.labels),
            callbacks=[*swap, Report(trial)],
            verbose=0,
        )
    return float(np.min(history.history["val_loss"]))


@click.command()
@click.argument("root", type=click.Path(path_type=Path, exists=True))
@click.argument("study")
@click.option("--data", default="mnist", show_default=True)
@click.option("--trials", "n_trials", default=1_000, help="So many of the study's trials only.")
@click.option("--skip", "n_skipped", default=0, show_default=True, help="Leave out the study's first so many trials.")
@click.option("--average", "is_averaged", is_flag=True, help="The loop keeps an average of the weights, too.")
def main(root: Path, study: str, data: str, n_trials: int, n_skipped: int, is_averaged: bool) -> None:
    """Measure and print."""
    ended = (TrialState.COMPLETE, TrialState.PRUNED)
    trials = load_study(root, study, None).get_trials(deepcopy=False, states=ended)[n_skipped:][:n_trials]
    begun, finished = trials[0].datetime_start, max(t.datetime_complete for t in trials if t.datetime_complete)
    ours = (finished - begun).total_seconds() if begun else 0.0
    dataset = load_dataset(data, seed=0, environ=os.environ)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        mlflow.set_experiment("loop")
        loop = optuna.create_study()
        started = time.perf_counter()
        values = []
        for known in trials:
            trial = loop.ask()
            values.append(train(trial, known, dataset, is_averaged=is_averaged))
            loop.tell(trial, values[-1])
            print(f"trial {known.number}: {time.perf_counter() - started:.0f} s", flush=True)
        theirs = time.perf_counter() - started
    best = min(float(t.value) for t in trials if t.state is TrialState.COMPLETE and t.value is not None)
    print(f"{len(trials)} trials: this search {ours:.0f} s (best {best:.4f}), ", end="")
    print(f"Optuna + fit + MLflow {theirs:.0f} s (best {min(values):.4f}): {theirs / ours:.1f} times as long")


if __name__ == "__main__":
    sys.exit(main())
