"""Who else is told of every trial that has ended: Optuna's callbacks, which a search calls as `study.optimize` does."""

from __future__ import annotations

from typing import Protocol

from optuna.study import Study
from optuna.trial import FrozenTrial


class TrialCallback(Protocol):
    """A callback of Optuna that can also make up for trials of which it was not told: another process ran them, or the
    process was killed before. What was done for a trial is not done twice.
    """

    def __call__(self, study: Study, trial: FrozenTrial) -> None:
        """Take note of a trial that has ended."""

    def catch_up(self, study: Study) -> None:
        """Do what is missing for the trials that have ended."""
