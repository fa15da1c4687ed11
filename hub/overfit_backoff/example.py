"""Two levers of a network, on a made-up validation loss in the place of which any objective may stand."""

from __future__ import annotations

import optuna
import optunahub

hub = optunahub.load_module(package="samplers/overfit_backoff")

# A lever's role says what moving it up means for the fit: that gives every experiment its direction.
space = hub.SearchSpace(
    "example",
    (
        hub.Lever("width", hub.Role.CAPACITY, 8, 1024, hub.Scale.LOG2_INTEGER, step=0.5, start=128),
        hub.Lever("dropout", hub.Role.REGULARIZATION, 0.0, 0.8, hub.Scale.LINEAR, step=0.1, start=0.0),
    ),
)


def objective(trial: optuna.Trial) -> float:
    """A validation loss with its bottom at a width of 300 and a dropout of 0.3, and the luck of a seed."""
    width = trial.suggest_int("width", 8, 1024, log=True)
    dropout = trial.suggest_float("dropout", 0.0, 0.8)
    luck = 0.001 * (-1) ** hub.seed_index(trial)  # a declared repeat has another seed
    return (width - 300) ** 2 / 1e5 + (dropout - 0.3) ** 2 + luck


study = optuna.create_study(sampler=hub.OverfitBackoffSampler(space, n_trials=20))
study.optimize(objective, n_trials=20)
print(study.best_params)
