"""The result of a search: the models that were compared on the test set, and how they differ. Plain data and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from search_spaces import Value
from tuning.baseline_sweep import ScalingSweep
from tuning.data import Dataset
from tuning.evaluation import (
    AnyEvaluation,
    AnyOptimism,
    AnyPaired,
    AnyReport,
    Evaluation,
    Latency,
    LossReport,
    PairedTest,
    PartsReport,
)
from tuning.export.target import Exported
from tuning.repeats import SeedSpread

BASELINE, HAND_MADE, TUNED = "baseline", "hand_made", "tuned"
RESULT_FILE = "result.json"  # in a study's folder and in an export's
MODELS = "models"  # folder inside a study's folder: each of them in MLflow's format, by its kind


@dataclass(frozen=True)
class Shipped:
    """The trial whose model is compared and exported.

    Args:
        number: Of the trial.
        params: Its configuration.
        seed: Of its training.
        train_secs: How long it trained.
    """

    number: int
    params: Mapping[str, Value]
    seed: int
    train_secs: float


@dataclass(frozen=True)
class NaiveReading:
    """What somebody sees who feeds a baseline without asking how it was trained, on the same test examples.

    Args:
        scaling: How the inputs were scaled.
        evaluation: Its numbers on the test set; the temperature was fitted on validation.
        loss_report: Why its loss is what it is.
        paired: This reading against the one that the comparison uses.
    """

    scaling: str
    evaluation: Evaluation
    loss_report: LossReport
    paired: PairedTest

    def sentence(self, model: str) -> str:
        """The naive reading against the right one, without a full stop.

        Args:
            model: Name of the baseline.
        """
        numbers, paired = self.evaluation, self.paired
        loss = paired.raw_nll_difference_interval
        drop = f"{100 * paired.accuracy_difference:+.2f} points, exact McNemar p = {paired.p_value:.2g}"
        return (
            f"{model} read naively (inputs as {self.scaling}), not used in the comparison: loss {numbers.nll:.3g} nats "
            f"({loss.low:+.3g} to {loss.high:+.3g} against the reading used), accuracy {100 * numbers.accuracy:.2f} % "
            f"({drop}); {self.loss_report.sentence}"
        )


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
        fit: What a trial measures too, under its names: `best_epoch`, `best_train_loss`, `best_val_loss`, ...
        loss_report: Why its loss on the test set is what it is.
        may_have_seen: Of a pretrained model: on which images it may have been trained, a clause; else empty.
        sweep: Of a pretrained model: which scaling of the inputs it was trained for.
        naive: Of a pretrained model: what it gives to whoever does not ask.
    """

    name: str
    kind: str
    evaluation: AnyEvaluation
    validation: AnyEvaluation
    n_params: int
    latency: tuple[Latency, ...]
    train_secs: float
    note: str
    params: Mapping[str, Value]
    fit: Mapping[str, float]
    loss_report: AnyReport
    may_have_seen: str = ""
    sweep: ScalingSweep | None = None
    naive: NaiveReading | None = None

    def test_metrics(self) -> dict[str, float]:
        """Every number on the test set, flat, under names that MLflow accepts."""
        numbers = self.evaluation.as_dict() | self.loss_report.as_dict()
        if self.naive is not None:
            numbers |= {f"naive_{name}": value for name, value in self.naive.loss_report.as_dict().items()}
            numbers["naive_accuracy"] = self.naive.evaluation.accuracy
        return {f"test_{name}": value for name, value in numbers.items()}

    def loss_sentences(self) -> list[str]:
        """Why its loss is what it is; of a baseline how it is read, and what a naive reading would have given."""
        read = [] if self.sweep is None else [f"{self.name}: {self.sweep.sentence()}"]
        naive = [] if self.naive is None else [self.naive.sentence(self.name)]
        return [*read, f"{self.name}: {self.loss_report.sentence}", *naive]


@dataclass(frozen=True)
class Comparison:
    """The models on the test set, the tuned one last; how it differs from each other one; and its export.

    Beside it: what the selection flattered, whether the parts of the data look alike, and what there is to note.
    """

    models: tuple[ModelResult, ...]
    paired: Mapping[str, AnyPaired]
    exported: Exported
    optimism: AnyOptimism
    parts: PartsReport | None = None
    notes: tuple[str, ...] = ()


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
        optimism: How much better the tuned model looked on validation than on test.
        spread: The values of its configuration over seeds, where it was trained more than once.
        parts: Whether train, validation and test images look alike to the baseline.
    """

    study: str
    objective: str
    best_trial: int
    best_value: float
    stop_reason: str
    models: tuple[ModelResult, ...]
    paired: Mapping[str, AnyPaired]
    n_trials: int
    n_test_openings: int
    data: Mapping[str, Any]
    notes: tuple[str, ...]
    elapsed_secs: float
    optimism: AnyOptimism
    spread: SeedSpread | None = None
    parts: PartsReport | None = None

    @property
    def tuned(self) -> ModelResult:
        """The tuned model."""
        return self.models[-1]

    def sentences(self) -> list[str]:
        """The comparison in words: the tuned model against each other one."""
        return [paired.sentence("the tuned model", name) for name, paired in self.paired.items()]

    def loss_sentences(self) -> list[str]:
        """Why each model's loss is what it is, one sentence a model."""
        return [sentence for model in self.models for sentence in model.loss_sentences()]

    def findings(self) -> list[str]:
        """How far to believe it: the spread over seeds, selection optimism, whether validation looks like test."""
        spread = [] if self.spread is None else [self.spread.sentence(self.objective)]
        parts = [] if self.parts is None else [self.parts.sentence()]
        return [*spread, self.optimism.sentence("the tuned model"), *parts]

    def metrics(self) -> dict[str, float]:
        """The numbers behind the findings, flat, under names that MLflow accepts."""
        found = (self.optimism, self.spread, self.parts)
        return {name: value for each in found if each is not None for name, value in each.as_dict().items()}

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain data."""
        words = {"sentences": self.sentences(), "loss_sentences": self.loss_sentences(), "findings": self.findings()}
        return {**asdict(self), **words}


def data_facts(dataset: Dataset) -> dict[str, Any]:
    """Name, source and digest of a data set, and its sizes."""
    return {
        "name": dataset.name,
        "source": dataset.source,
        "sha256": dataset.digest,
        "n_train": len(dataset.train),
        "n_validation": len(dataset.validation),
        "n_test": dataset.test.n_examples,
    }


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write data aside and rename it: a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.partial")
    aside.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    aside.replace(path)
