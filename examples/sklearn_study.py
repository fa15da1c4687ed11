"""`OverfitBackoffSampler` in a plain Optuna study, with scikit-learn: `python -m examples.sklearn_study`.

Expected: 25 trials in about ten seconds on two cores; the start has a validation loss of 0.239, the best one of 0.089.
"""

from __future__ import annotations

import warnings

import optuna
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from search_spaces import Lever, Role, Scale, SearchSpace
from tuning import OverfitBackoffSampler, seed_index

SPACE = SearchSpace(
    "sklearn-mlp",
    (
        Lever("width", Role.CAPACITY, 8, 256, Scale.LOG2_INTEGER, step=1.0, start=64),
        Lever("alpha", Role.REGULARIZATION, 1e-5, 10.0, Scale.LOG10, step=0.5, start=1e-5),
        Lever("learning_rate", Role.NUISANCE, 1e-4, 1e-1, Scale.LOG10, step=0.5, start=1e-3),
    ),
)


def objective(trial: optuna.Trial, n_iterations: int = 60) -> float:
    """Validation loss of scikit-learn's MLP on digits."""
    width = trial.suggest_int("width", 8, 256, log=True)
    alpha = trial.suggest_float("alpha", 1e-5, 10.0, log=True)
    learning_rate = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
    digits = load_digits()
    x_train, x_val, y_train, y_val = train_test_split(
        digits.data / 16, digits.target, test_size=0.5, random_state=0, stratify=digits.target
    )
    model = MLPClassifier(
        (width,),
        alpha=alpha,
        learning_rate_init=learning_rate,
        max_iter=n_iterations,
        random_state=seed_index(trial),  # a repeat gets the next seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x_train, y_train)
    return float(log_loss(y_val, model.predict_proba(x_val)))


def run(n_trials: int = 25, n_iterations: int = 60) -> optuna.Study:
    """Search, and return the study."""
    study = optuna.create_study(sampler=OverfitBackoffSampler(SPACE, n_trials=n_trials))
    study.optimize(lambda trial: objective(trial, n_iterations), n_trials=n_trials)
    return study


if __name__ == "__main__":
    found = run()
    print(f"start {found.trials[0].value:.4f}, best {found.best_value:.4f} with {found.best_params}")
