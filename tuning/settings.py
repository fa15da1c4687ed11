"""The settings of a search: what the command line says, checked before anything is read or written."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tuning.engine.precision import PRECISIONS
from tuning.errors import SettingsError, StorageError
from tuning.task import Task

DEFAULT_WORKERS = 1

PICTURES = "pictures"  # folder of the pictures inside a study's folder

# More would train nothing sooner on any machine that this is made for, and a slip of the finger would fill its memory.
_MAX_WORKERS = 64

# With 400 MB a network of two small layers still trains; below 300 TensorFlow cannot start its threads.
_LEAST_MEMORY_MB = 500

# A study's name becomes a folder name and an MLflow tag.
_STUDY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


@dataclass(frozen=True)
class Objective:
    """What a study optimizes: a validation metric of the best epoch.

    Args:
        name: As on the command line and in MLflow.
        metric: The field of `EpochMetrics` that is minimised while training.
        maximize: Whether the study's value is 1 - metric, to be maximized.
        meaning: For the help text.
        tasks: Of which tasks it is an objective.
    """

    name: str
    metric: str
    maximize: bool
    meaning: str
    tasks: frozenset[Task] = frozenset(Task)

    @property
    def direction(self) -> Literal["minimize", "maximize"]:
        """Optuna's word for it."""
        return "maximize" if self.maximize else "minimize"

    def value(self, metric: float) -> float:
        """The study's value from the minimised metric."""
        return 1.0 - metric if self.maximize else metric


_WITH_VALUES = frozenset({Task.REGRESSION})
_WITH_ANSWERS = frozenset(Task) - _WITH_VALUES

OBJECTIVES: Mapping[str, Objective] = {
    objective.name: objective
    for objective in (
        Objective("val_loss", "val_loss", False, "cross-entropy on the validation set, squared error of a regression"),
        Objective(
            "val_calibrated_loss", "val_calibrated_loss", False, "cross-entropy at the best temperature", _WITH_ANSWERS
        ),
        Objective("val_error", "val_error", False, "share of wrong validation examples, of variance in a regression"),
        Objective("val_accuracy", "val_error", True, "share of right validation examples", _WITH_ANSWERS),
        Objective("val_r2", "val_error", True, "share of variance explained in a regression", _WITH_VALUES),
    )
}


def check_objective(objective: Objective, task: Task) -> None:
    """Refuse an objective that means nothing for a task.

    Raises:
        SettingsError: With the objectives that there are.
    """
    known = ", ".join(each.name for each in OBJECTIVES.values() if task in each.tasks)
    _require(task in objective.tasks, "objective", f"must be one of {known} for the task {task}", objective.name)


@dataclass(frozen=True)
class Settings:
    """Everything a search needs to know.

    Args:
        root: Folder that holds `mlflow.db`, `mlruns/` and `exports/`, absolute.
        study: Name of the study; an existing one is resumed.
        data: Name of a data set, path of an `.npz`, or None for the default.
        n_trials: Trials the study is to have in the end, >= 1.
        timeout_secs: No trial starts later than this after the start, > 0; None for no limit.
        max_epochs: Maximum per trial, >= 1.
        seed: Seed of split, weights, order and dropout, 0 to 2**31 - 1.
        objective: A key of `OBJECTIVES`.
        baseline: Handle or path of the pretrained baseline, `stand-in`, or None for the default.
        storage: Optuna storage URL; None for a journal file in the study's folder.
        experiment: MLflow experiment.
        tracking_uri: MLflow tracking URI; None for `mlflow.db` in `root`.
        export_dir: Folder of the exported model; None for `exports/STUDY` in `root`.
        batch_size: Examples a step, >= 1; None for about 400 steps an epoch, between 32 and 128 examples.
        precision: Of matrix products, one of `PRECISIONS`; `auto` for what is faster on this machine for the network.
        n_workers: Processes that train trials at the same time, 1 to 64.
        target: Value of the objective at which the search ends, finite; None for none.
        shrink: Share of the best value that a smaller network may lose, more than 0, at most 1; None spends no trials
            on smaller networks.
        trial_timeout_secs: A trial whose training takes longer is ended, > 0; None for no limit.
        max_params: A network with more weights is refused before it is built, >= 1; None for no limit.
        memory_limit_mb: Main memory that a worker may take beyond what it takes before its first trial, >= 500, of
            which TensorFlow's own threads and compiled code take some hundred; None for no limit.
        deterministic: Whether TensorFlow is to compute only what gives the same bits every time, on a GPU too.
        trust: Whether a baseline from a URL of the user's own may be loaded: it is code.
        quiet: Print the result only.
        task: A word of `Task`: what the labels mean; None for what they say themselves.
        model: `mlp`, `cnn`, `tabular`, `package.module:build`, or None for what suits the data.
        space: TOML file with the levers of `build(params)`; None for a model that has its own.
        roles: Corrections of levers' roles, each NAME=ROLE.
        accept_source: Whether a study goes on although the source of the user's own model has changed.
        tensorboard: Log directory of TensorBoard, which then shows every trial; None for none.

    Raises:
        SettingsError: If a value is out of its range or unknown.
    """

    root: Path
    study: str
    data: str | None = None
    n_trials: int = 20
    timeout_secs: float | None = None
    max_epochs: int = 30
    seed: int = 0
    objective: str = "val_loss"
    baseline: str | None = None
    storage: str | None = field(default=None, repr=False)  # it may hold a password
    experiment: str = "overfit-backoff"
    tracking_uri: str | None = field(default=None, repr=False)  # it may, too
    export_dir: Path | None = None
    batch_size: int | None = None
    precision: str = "auto"
    n_workers: int = DEFAULT_WORKERS
    target: float | None = None
    shrink: float | None = None
    trial_timeout_secs: float | None = None
    max_params: int | None = None
    memory_limit_mb: int | None = None
    deterministic: bool = False
    trust: bool = False
    quiet: bool = False
    task: str | None = None
    model: str | None = None
    space: Path | None = None
    roles: tuple[str, ...] = ()
    accept_source: bool = False
    tensorboard: Path | None = None

    def __post_init__(self) -> None:
        check_study_name(self.study)
        _require(self.n_trials >= 1, "trials", "must be at least 1", self.n_trials)
        _require(self.max_epochs >= 1, "epochs", "must be at least 1", self.max_epochs)
        _require(0 <= self.seed < 2**31, "seed", "must be from 0 to 2147483647", self.seed)
        _require(1 <= self.n_workers <= _MAX_WORKERS, "workers", f"must be from 1 to {_MAX_WORKERS}", self.n_workers)
        batch_size = 1 if self.batch_size is None else self.batch_size
        _require(batch_size >= 1, "batch-size", "must be at least 1", self.batch_size)
        _require(self.precision in PRECISIONS, "precision", f"must be one of {', '.join(PRECISIONS)}", self.precision)
        seconds = math.inf if self.timeout_secs is None else self.timeout_secs
        _require(seconds > 0, "timeout", "must be more than 0 seconds", self.timeout_secs)
        _require(self.target is None or math.isfinite(self.target), "target", "must be a finite number", self.target)
        shrink = 1.0 if self.shrink is None else self.shrink
        _require(0 < shrink <= 1, "shrink", "must be more than 0 and at most 1", self.shrink)
        self._check_trial_limits()
        _require(bool(self.experiment.strip()), "experiment", "must not be empty", repr(self.experiment))
        tasks = [None, *Task]
        _require(self.task in tasks, "task", f"must be one of {', '.join(Task)}", self.task)
        known = ", ".join(OBJECTIVES)
        _require(self.objective in OBJECTIVES, "objective", f"must be one of {known}", self.objective)

    def _check_trial_limits(self) -> None:
        seconds = math.inf if self.trial_timeout_secs is None else self.trial_timeout_secs
        _require(seconds > 0, "trial-timeout", "must be more than 0 seconds", self.trial_timeout_secs)
        _require(self.max_params is None or self.max_params >= 1, "max-params", "must be at least 1", self.max_params)
        limit, rule = self.memory_limit_mb, f"must be at least {_LEAST_MEMORY_MB}, which TensorFlow itself needs"
        _require(limit is None or limit >= _LEAST_MEMORY_MB, "memory-limit", rule, limit)

    @property
    def goal(self) -> Objective:
        """The objective behind its name."""
        return OBJECTIVES[self.objective]

    @property
    def study_dir(self) -> Path:
        """The study's own folder: journal, kept weights, result, pictures."""
        return study_dir(self.root, self.study)

    @property
    def export_folder(self) -> Path:
        """Where the best model goes, absolute."""
        return (self.export_dir or self.root / "exports" / self.study).absolute()


_NAME_RULE = "must be 1 to 80 letters, digits, '.', '_' or '-', beginning with a letter or digit"


def check_study_name(name: str) -> None:
    """Refuse a name that cannot be that of a folder.

    Raises:
        SettingsError: With the rule.
    """
    _require(bool(_STUDY_NAME.fullmatch(name)), "study", _NAME_RULE, repr(name))


def check_writable(root: Path) -> None:
    """Refuse a folder in which nothing can be written, and leave nothing there.

    Raises:
        StorageError: If a file cannot be created in `root`, or `mlruns` is no folder.
    """
    try:
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        raise StorageError(f"The folder {root} cannot be written ({error.strerror}): run in another one.") from error
    runs = root / "mlruns"
    if runs.exists() and not runs.is_dir():
        raise StorageError(f"{runs} must be a folder, for the runs: move the file away or run in another folder.")


def study_dir(root: Path, study: str) -> Path:
    """The folder of a study below `root`."""
    return root / "mlruns" / "studies" / study


def known_studies(root: Path) -> list[str]:
    """Names of the studies that have a folder below `root`, in alphabetical order."""
    studies = root / "mlruns" / "studies"
    return sorted(path.name for path in studies.iterdir() if path.is_dir()) if studies.is_dir() else []


def _require(condition: bool, option: str, rule: str, received: object) -> None:
    if not condition:
        raise SettingsError(f"`--{option}` {rule}, got {received}.")
