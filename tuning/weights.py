"""The weights of the best trials so far: the very ones that were scored, kept on disk until better trials come."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial

from tuning.errors import ExportError

# A trial's file, and the one that becomes it when it is whole.
_FILE_NAME = re.compile(r"\.?trial-(\d+)(?:\.\d+)?\.npz")


@dataclass(frozen=True)
class WeightStore:
    """Weights of trials, a file each, in one folder; any number of processes write and clean at the same time.

    Args:
        folder: Where they are.
        keeps_all: Whether nothing is cleaned up.
    """

    folder: Path
    keeps_all: bool = False

    def write(self, number: int, model: Any) -> None:  # noqa: ANN401 - a Keras model
        """Write a trial's weights, whole or not at all, before the trial is told.

        The files of other trials stay until the next clean-up: a kill between here and the end of the trial must
        leave the weights of whichever trial is the best one then, and whether a configuration is the best shows only
        with its repeats.
        """
        self.write_arrays(number, model.get_weights())

    def write_arrays(self, number: int, weights: Sequence[Any]) -> None:
        """Write a trial's weights, given in the order of `keras.Model.get_weights`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        aside = self.folder / f".trial-{number}.{os.getpid()}.npz"
        np.savez(aside, *weights)
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

    def has(self, number: int) -> bool:
        """Whether a trial's weights are here."""
        return self._path(number).exists()

    def clean(self, trials: Sequence[FrozenTrial], kept: Collection[int]) -> None:
        """Remove the weights of all ended trials but these.

        Those of a running trial stay: it may have written them and not yet told its value. So do those of a trial
        that is not among `trials` yet.
        """
        if self.keeps_all:
            return
        ended = {trial.number for trial in trials if trial.state.is_finished()} - set(kept)
        for path in self.folder.glob("*.npz"):
            match = _FILE_NAME.fullmatch(path.name)
            if match and int(match[1]) in ended:
                path.unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self.folder / f"trial-{number}.npz"

    def _kept(self) -> list[int]:
        names = (_FILE_NAME.fullmatch(path.name) for path in self.folder.glob("trial-*.npz"))
        return sorted(int(match[1]) for match in names if match)
