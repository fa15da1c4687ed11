"""What MLflow is told of a study, as plain data: the data set, the runs, the end, and who ran what.

run = Run(key="trial-7", name="trial 7", kind="trial", status="FINISHED", params={"units": 128},
          metrics={"best_val_loss": 0.08}, curves={"val_loss": [0.2, 0.08, 0.1]}, tags={},
          start_ms=1_700_000_000_000, end_ms=1_700_000_060_000)
list(run.points())   # [("best_val_loss", 0.08, 0), ("val_loss", 0.2, 1), ("val_loss", 0.08, 2), ...]
"""

import getpass
import hashlib
import json
import math
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

STATUSES = ("FINISHED", "KILLED", "FAILED")
PARTS = ("train", "validation", "test")

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

    def n_examples(self, part: str) -> int:
        """Examples of a part: "train", "validation" or "test"."""
        return {"train": self.n_train, "validation": self.n_val, "test": self.n_test}[part]


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
        note: description in Markdown, shown on the page of the run.
        parts: of the data set, those that the run has seen, a selection of `PARTS`.
        model: folder of a model in MLflow's format that becomes the run's logged model; empty for none. In a
            `StudyEnd` relative to the folder of the study.
        is_winner: whether that model is registered.
        register_as: name of the registered model; empty for that of the experiment and its data.

    Raises:
        ValueError: If the status or a part is unknown, the end lies before the start, or a curve has the name of a
            metric: MLflow shows the last step of a name and would hide the metric.
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
    note: str = ""
    parts: Sequence[str] = ("train", "validation")
    model: str = ""
    is_winner: bool = False
    register_as: str = ""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"`status` must be one of {STATUSES}, got {self.status!r}.")
        if unknown := set(self.parts) - set(PARTS):
            raise ValueError(f"`parts` must be a selection of {PARTS}, got {sorted(unknown)}.")
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


@dataclass(frozen=True, slots=True)
class StudyEnd:
    """How a study ended: what its parent run is told last, and the compared models beside it.

    Args:
        status: "FINISHED", "KILLED" or "FAILED".
        metrics: summary; what is not finite is left out.
        tags: summary in words.
        note: description in Markdown, shown on the page of the parent run.
        artifacts: files and folders to copy into the parent run, relative to the folder of the study.
        models: the compared models, the tuned one last.
        previews: by the path of each picture, that of its small copy for the description; both among the artifacts.
    """

    status: str
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    note: str
    artifacts: Sequence[str] = ()
    models: Sequence[Run] = ()
    previews: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain data, as JSON gives it back."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "StudyEnd":
        """Undo `as_dict`."""
        return cls(**{**data, "models": [Run(**model) for model in data["models"]]})

    def digest(self, folder: Path) -> str:
        """SHA-256, in hex, of all that is sent of it, so that the same end is not sent twice.

        Args:
            folder: The folder of the study, to which its files are relative.
        """
        found = hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode())
        for path in (folder / artifact for artifact in self.artifacts):
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if file.is_file():
                    found.update(str(file.relative_to(folder)).encode() + file.read_bytes())
        return found.hexdigest()


def origin_tags() -> dict[str, str]:
    """Who ran what, in MLflow's own tags: `mlflow.start_run` writes them, `MlflowClient.create_run` does not."""
    tags = {
        "mlflow.user": _user(),
        "mlflow.source.name": _SOURCE_NAME,
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": _git("rev-parse", "HEAD"),
        "mlflow.source.git.branch": _git("branch", "--show-current"),
    }
    return {name: value for name, value in tags.items() if value}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # the user of a container often has no name
        return ""


def _git(*args: str) -> str:
    try:
        done = subprocess.run(["git", *args], capture_output=True, text=True, timeout=_GIT_TIMEOUT_SECS)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
