"""Hyperparameter tuning for Keras: overfit on purpose, then back off, as an Optuna study compared in MLflow.

`python -m tuning.search` runs a study; `OverfitBackoffSampler` is the strategy for any Optuna study, and
`seed_index(trial)` says which seed of its list a trial is to be trained with. `tuning.api.search` is the command as a
function; `diagnose_history` reads the fit off a Keras `History`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuning.history_fit import diagnose_history
    from tuning.sampler import OverfitBackoffSampler
    from tuning.trial_attrs import seed_index

__all__ = ["OverfitBackoffSampler", "diagnose_history", "seed_index"]


def __getattr__(name: str) -> object:
    """Import what needs Optuna only when it is asked for."""
    if name == "OverfitBackoffSampler":
        from tuning.sampler import OverfitBackoffSampler

        return OverfitBackoffSampler
    if name == "seed_index":
        from tuning.trial_attrs import seed_index

        return seed_index
    if name == "diagnose_history":
        from tuning.history_fit import diagnose_history

        return diagnose_history
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
