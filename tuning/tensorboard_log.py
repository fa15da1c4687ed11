"""The study in TensorBoard: learning curves in SCALARS, every trial a row of HPARAMS, its note in TEXT.

    study.optimize(objective, n_trials=50, callbacks=[TensorBoardCallback("runs", "val_loss")])

One run a trial, `STUDY/trial-7`, with its hyperparameters, its value and its note. Its learning curves lie below it as
Keras' own callback writes them: `train` and `validation`, each with `epoch_loss`. All of it is read from the study when
a trial has ended, so it does not matter which process or machine trained it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from tuning.errors import SettingsError, StorageError, is_disk_full
from tuning.strategy.actions import Goal
from tuning.trial_attrs import OUTCOME, decision_of, is_maximized
from tuning.trial_notes import trial_note

if TYPE_CHECKING:
    from tuning.event_files import Session

_RUNS = {"train_": "train", "val_": "validation"}  # how a curve's name begins, and the run that shows it
_SPREAD = "_sd"  # how the name of a curve ends that says how far examples spread: nothing to look at
_REPORTED = "reported"  # the run of what was reported step by step, of a trial that says no more
_NUMBERS = ("best_epoch", "n_params", "train_secs")  # attributes that stand in HPARAMS beside the value

Steps = Mapping[int, Mapping[str, float]]
"""Scalars by step and tag."""


class TensorBoardCallback:
    """Writes every trial that has ended into a log directory of TensorBoard; one that is there is not written again.

    Args:
        folder: The log directory; it may hold other studies and other runs.
        monitor: What the objective is called.

    Raises:
        SettingsError: If tensorboard is not installed.
        StorageError: If nothing can be written there.
    """

    def __init__(self, folder: str | Path, monitor: str = "objective") -> None:
        try:
            from tuning import event_files
        except ImportError as error:
            raise SettingsError(
                f'TensorBoard is not installed ({error}): pip install "overfit-backoff[tensorboard]".'
            ) from error
        self._files = event_files
        self._folder, self._monitor = Path(folder), monitor
        self._written: set[tuple[str, int]] = set()
        _check(self._folder)

    def __call__(self, study: Study, trial: FrozenTrial) -> None:
        """Write a trial that has ended, unless it is there.

        Raises:
            StorageError: If it cannot be written.
            OSError: If the disk is full.
        """
        try:
            self._write_trial(study, trial)
        except OSError as error:
            if is_disk_full(error):
                raise
            raise StorageError(f"TensorBoard's {self._folder} cannot be written ({error}).") from error
        self._written.add((study.study_name, trial.number))

    def _write_trial(self, study: Study, trial: FrozenTrial) -> None:
        name = f"trial-{trial.number}"
        folder = self._folder / study.study_name.replace("/", "_") / name
        if self._files.event_file(folder, name).exists():
            return
        for run, steps in learning_curves(trial, self._monitor).items():
            self._write(folder / run, trial, steps)
        # The trial's own run comes last: where it is, the trial is complete.
        self._write(folder, trial, numbers(trial, self._monitor), study)

    def catch_up(self, study: Study) -> None:
        """Write the trials that have ended and are not there."""
        for trial in study.get_trials(deepcopy=False):
            if trial.state.is_finished() and (study.study_name, trial.number) not in self._written:
                self(study, trial)

    def _write(self, folder: Path, trial: FrozenTrial, steps: Steps, study: Study | None = None) -> None:
        begun, ended = ((each.timestamp() if each else 0.0) for each in (trial.datetime_start, trial.datetime_complete))
        # When each step was over is not kept: as if they had all taken the same time.
        points = [
            self._files.Point(step, begun + (ended - begun) * (i + 1) / len(steps), scalars)
            for i, (step, scalars) in enumerate(sorted(steps.items()))
        ]
        session = None if study is None else self._session(study, trial, begun, ended)
        self._files.write_run(folder, f"trial-{trial.number}", begun, points, session)

    def _session(self, study: Study, trial: FrozenTrial, begun: float, ended: float) -> Session:
        base = decision_of(trial).get("base")
        origin = None if base is None else study.get_trials(deepcopy=False)[base]
        return self._files.Session(
            name=f"{study.study_name} trial-{trial.number}",
            hparams={name: _plain(value) for name, value in trial.params.items()},
            begun_secs=begun,
            ended_secs=ended,
            succeeded=trial.state is not TrialState.FAIL,
            text=trial_note(trial, origin, Goal(self._monitor, is_maximized(study))),
        )


def learning_curves(trial: FrozenTrial, monitor: str) -> dict[str, Steps]:
    """A trial's learning curves by run: those of a search by epoch, from 1; of another trial what it has reported."""
    # A curve of somebody else's trial may be anything under that name.
    curves = trial.user_attrs.get("curves", {}) if OUTCOME in trial.user_attrs else {}
    runs: dict[str, Steps] = {}
    for prefix, run in _RUNS.items():
        shown = {name: curve for name, curve in curves.items() if name.startswith(prefix) and _SPREAD not in name}
        n_epochs = max(map(len, shown.values()), default=0)
        runs[run] = {
            epoch: {f"epoch_{name.removeprefix(prefix)}": curve[epoch - 1] for name, curve in shown.items()}
            for epoch in range(1, n_epochs + 1)
        }
    if not curves:
        runs[_REPORTED] = {step: {monitor: value} for step, value in trial.intermediate_values.items()}
    return {run: steps for run, steps in runs.items() if steps}


def numbers(trial: FrozenTrial, monitor: str) -> Steps:
    """What HPARAMS shows of a trial beside its hyperparameters, at the epoch whose weights were kept."""
    attrs = trial.user_attrs
    found = {name: float(attrs[name]) for name in _NUMBERS if isinstance(attrs.get(name), int | float)}
    if trial.state is TrialState.COMPLETE and trial.value is not None:
        found[monitor] = trial.value
    step = int(found.get("best_epoch", trial.last_step or 0))
    return {step: found} if found else {}


def _plain(value: object) -> float | int | str | bool:
    return value if isinstance(value, float | int | str | bool) else str(value)


def _check(folder: Path) -> None:
    try:
        existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
        with tempfile.TemporaryFile(dir=existing):  # asking for permissions would not tell: root has them everywhere
            pass
    except (OSError, ValueError) as error:  # a name that is too long, or that no file can have
        raise StorageError(f"`--tensorboard` must be a folder that can be written, got {folder} ({error}).") from error
