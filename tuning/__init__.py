"""Hyperparameter tuning for Keras: overfit on purpose, then back off, as an Optuna study compared in MLflow.

`python -m tuning.search` runs a study; `OverfitBackoffSampler` is the strategy for any Optuna study.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuning.sampler import OverfitBackoffSampler

__all__ = ["OverfitBackoffSampler"]


def __getattr__(name: str) -> object:
    """Import the sampler (and Optuna with it) only when it is asked for."""
    if name == "OverfitBackoffSampler":
        from tuning.sampler import OverfitBackoffSampler

        return OverfitBackoffSampler
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
