"""The weights of the best trial so far: the very ones that were scored, kept on disk until a better trial comes."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from optuna.study import Study
from optuna.trial import TrialState

from tuning.errors import ExportError
from tuning.trial_attrs import is_maximized


@dataclass(frozen=True)
class WeightStore:
    """Weights of trials, a file each, in one folder."""

    folder: Path

    def keep_if_best(self, study: Study, number: int, value: float, model: Any) -> None:  # noqa: ANN401 - a Keras model
        """Write a trial's weights if no complete trial is better; called before the trial is told.

        The file of the former best stays until the next clean-up: a kill between here and the end of the trial must
        leave the weights of whichever trial is the best one then.
        """
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        sign = -1.0 if is_maximized(study) else 1.0
        if all(sign * value < sign * float(trial.value or 0.0) for trial in complete):
            self.folder.mkdir(parents=True, exist_ok=True)
            aside = self.folder / f".trial-{number}.{os.getpid()}.npz"
            np.savez(aside, *model.get_weights())
            aside.replace(self._path(number))

    def load(self, number: int, model: Any) -> None:  # noqa: ANN401 - a Keras model
        """Put a trial's weights into a model of its configuration.

        Raises:
            ExportError: If the weights of that trial were not kept.
        """
        try:
            with np.load(self._path(number), allow_pickle=False) as arrays:
                model.set_weights([arrays[name] for name in arrays.files])
        except FileNotFoundError as error:
            kept = ", ".join(map(str, self._kept())) or "none"
            raise ExportError(
                f"The weights of trial {number} are not in {self.folder.name}/ (kept: {kept})."
            ) from error

    def clean(self, best: int) -> None:
        """Remove the weights of all trials but the best one."""
        for number in self._kept():
            if number != best:
                self._path(number).unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self.folder / f"trial-{number}.npz"

    def _kept(self) -> list[int]:
        names = (re.fullmatch(r"trial-(\d+)\.npz", path.name) for path in self.folder.glob("trial-*.npz"))
        return sorted(int(match[1]) for match in names if match)
