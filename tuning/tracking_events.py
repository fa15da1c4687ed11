"""What MLflow is told of a study, as plain data: the data set, the runs, and who ran what.

run = Run(key="trial-7", name="trial 7", kind="trial", status="FINISHED", params={"units": 128},
          metrics={"best_val_loss": 0.08}, curves={"val_loss": [0.2, 0.08, 0.1]}, tags={},
          start_ms=1_700_000_000_000, end_ms=1_700_000_060_000)
list(run.points())   # [("best_val_loss", 0.08, 0), ("val_loss", 0.2, 1), ("val_loss", 0.08, 2), ...]
"""

import getpass
import math
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

STATUSES = ("FINISHED", "KILLED", "FAILED")

ParamValue = str | float | int

_SOURCE_NAME = "python -m tuning.search"
_GIT_TIMEOUT_SECS = 5.0


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """What a study learns from and is judged on.

    Args:
        name: name of the data set.
        digest: SHA-256 of all examples and their split, 64 hex digits.
        source: where it came from, for people.
        n_train: train examples.
        n_val: validation examples.
        n_test: test examples.

    Raises:
        ValueError: If the digest is not a SHA-256 in hex.
    """

    name: str
    digest: str
    source: str
    n_train: int
    n_val: int
    n_test: int

    def __post_init__(self) -> None:
        if not re.fullmatch("[0-9a-f]{64}", self.digest):
            raise ValueError(f"`digest` must be a SHA-256 of 64 hex digits, got {self.digest!r}.")


@dataclass(frozen=True, slots=True)
class Run:
    """One child run: a trial, the baseline or the hand-made model, after its end.

    Args:
        key: name that is stable and unique within the study: "trial-7", "baseline", "hand-made".
        name: name that MLflow shows.
        kind: "trial", "baseline" or "hand_made".
        status: "FINISHED", "KILLED" or "FAILED".
        params: configuration; the same names in every run, or MLflow's parallel coordinates drop the run.
        metrics: final values.
        curves: one value an epoch, from epoch 1.
        tags: whatever else describes the run.
        start_ms: start, milliseconds since 1970.
        end_ms: end, milliseconds since 1970.

    Raises:
        ValueError: If the status is unknown, the end lies before the start, or a curve has the name of a metric:
            MLflow shows the last step of a name and would hide the metric.
    """

    key: str
    name: str
    kind: str
    status: str
    params: Mapping[str, ParamValue]
    metrics: Mapping[str, float]
    curves: Mapping[str, Sequence[float]]
    tags: Mapping[str, str]
    start_ms: int
    end_ms: int

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"`status` must be one of {STATUSES}, got {self.status!r}.")
        if self.end_ms < self.start_ms:
            raise ValueError(f"`end_ms` must not lie before `start_ms`, got {self.start_ms} to {self.end_ms}.")
        if both := self.metrics.keys() & self.curves.keys():
            raise ValueError(f"Metrics and curves need different names, got {sorted(both)} in both.")

    def points(self) -> Iterator[tuple[str, float, int]]:
        """Name, value and step of everything measured: final values at step 0, curves at their epoch.

        What is not finite is left out: MLflow would draw infinity at 1.8e308.
        """
        steps = [(name, value, 0) for name, value in self.metrics.items()]
        for name, curve in self.curves.items():
            steps += [(name, value, epoch) for epoch, value in enumerate(curve, start=1)]
        return (step for step in steps if math.isfinite(step[1]))


def origin_tags() -> dict[str, str]:
    """Who ran what, in MLflow's own tags: `mlflow.start_run` writes them, `MlflowClient.create_run` does not."""
    tags = {
        "mlflow.user": _user(),
        "mlflow.source.name": _SOURCE_NAME,
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": _git_commit(),
    }
    return {name: value for name, value in tags.items() if value}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # the user of a container often has no name
        return ""


def _git_commit() -> str:
    command = ["git", "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_TIMEOUT_SECS)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
