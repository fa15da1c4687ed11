"""A finished study on disk without the search: real networks, trained for a few epochs, with their weights kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna

from search_spaces import mlp_space
from tuning.data import Dataset
from tuning.settings import study_dir
from tuning.study_store import DATA_ARGUMENT, FINGERPRINT, SHIPPED_TRIAL, open_storage
from tuning.trial_attrs import VALUE_STDERR

REST = {"dropout": 0.2, "l2": 0.0, "learning_rate_scale": 1.0}


@dataclass(frozen=True)
class MadeTrial:
    """A trial: its network and the value that the study is told."""

    units: int
    layers: int
    value: float

    @property
    def params(self) -> dict[str, float]:
        """Its configuration."""
        return {"units": self.units, "layers": self.layers, **REST}


def make_study(root: Path, name: str, dataset: Dataset, data_argument: str, trials: Sequence[MadeTrial]) -> None:
    """Write a study below a folder; the first trial is the shipped one."""
    storage = open_storage(None, study_dir(root, name))
    study = optuna.create_study(study_name=name, storage=storage)
    study.set_user_attr(
        FINGERPRINT, {"seed": 0, "data digest": dataset.digest, "objective": "val_loss", "data": dataset.name}
    )
    study.set_user_attr(DATA_ARGUMENT, data_argument)
    space = mlp_space()
    for trial in trials:
        study.add_trial(
            optuna.trial.create_trial(
                params=trial.params,
                distributions=space.distributions(),
                value=trial.value,
                user_attrs={VALUE_STDERR: 0.001, "best_epoch": 3, "learning_rate": 1e-3},
            )
        )
    if trials:
        study.set_user_attr(SHIPPED_TRIAL, 0)


def train_weights(root: Path, name: str, dataset: Dataset, trials: Sequence[MadeTrial], n_epochs: int) -> None:
    """Train the networks of a study and keep their weights, as its search would have."""
    from models.mlp import build_mlp
    from tuning.engine.training import Engine, TrainingPlan
    from tuning.trial_run import input_format
    from tuning.weights import WeightStore

    train, validation = dataset.train, dataset.validation
    engine = Engine(train.inputs, train.labels, validation.inputs, validation.labels)
    for number, trial in enumerate(trials):
        model = build_mlp(trial.params, input_format(dataset), dataset.n_classes, seed=0)
        engine.train(model, TrainingPlan(learning_rate=1e-3, seed=0, max_epochs=n_epochs))
        WeightStore(study_dir(root, name) / "weights").write(number, model)
