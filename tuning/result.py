"""The result of a search: the models that were compared on the test set, and how they differ. Plain data and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tuning.evaluation import Evaluation, Latency, PairedTest
from tuning.export_target import Exported

BASELINE, HAND_MADE, TUNED = "baseline", "hand_made", "tuned"


@dataclass(frozen=True)
class ModelResult:
    """One model on the test set.

    Args:
        name: How the model is called everywhere: `baseline-stand-in`, `hand-made`, `tuned`.
        kind: `baseline`, `hand_made` or `tuned`.
        evaluation: Its numbers on the test set; the temperature was fitted on validation.
        validation: The same numbers on the validation set.
        n_params: Number of weights; 0 where a module does not tell.
        latency: At batch 1 and at batch 256.
        train_secs: Seconds of training here; 0 for a pretrained model.
        note: What to know when reading the numbers; may be empty.
        params: The configuration, where there is one.
    """

    name: str
    kind: str
    evaluation: Evaluation
    validation: Evaluation
    n_params: int
    latency: tuple[Latency, ...]
    train_secs: float
    note: str
    params: Mapping[str, float]


@dataclass(frozen=True)
class Comparison:
    """The models on the test set, the tuned one last; how it differs from each other one; and its export."""

    models: tuple[ModelResult, ...]
    paired: Mapping[str, PairedTest]
    exported: Exported


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Args:
        study: Name of the study.
        objective: What it optimized.
        best_trial: Number of the trial whose weights were scored and exported.
        best_value: Its value.
        stop_reason: Why the search stopped, one sentence.
        models: The compared models, the tuned one last.
        paired: The tuned model against each other one, by that one's name, on the same test examples.
        n_trials: Trials that used up budget.
        n_test_openings: How often the test set has been opened for this study, this time included.
        data: Name, source and digest of the data set, and its sizes.
        notes: Warnings, a sentence each.
        elapsed_secs: Seconds this command took up to here.
    """

    study: str
    objective: str
    best_trial: int
    best_value: float
    stop_reason: str
    models: tuple[ModelResult, ...]
    paired: Mapping[str, PairedTest]
    n_trials: int
    n_test_openings: int
    data: Mapping[str, Any]
    notes: tuple[str, ...]
    elapsed_secs: float

    @property
    def tuned(self) -> ModelResult:
        """The tuned model."""
        return self.models[-1]

    def sentences(self) -> list[str]:
        """The comparison in words: the tuned model against each other one."""
        return [paired.sentence("the tuned model", name) for name, paired in self.paired.items()]

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {**asdict(self), "sentences": self.sentences()}


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write data aside and rename it: a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.partial")
    aside.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    aside.replace(path)
