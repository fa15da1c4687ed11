"""Plain values as MLflow's entities: parameters, metrics, tags and data sets."""

import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

from tuning.tracking.events import DatasetFacts, ParamValue, Run

# MLflow refuses longer dataset digests; the whole one is the parameter `data_sha256`.
_MAX_DIGEST_CHARS = 36

_PART_OF_PREFIX = {"test_": "test", "best_val_": "validation", "val_": "validation", "best_train_": "train"}


def dataset_inputs(facts: DatasetFacts, parts: Iterable[str]) -> list[DatasetInput]:
    """One input for each part, because MLflow links a data set to a run only once, and so in one context.

    Built by hand, because MLflow's own digest is that of a sample and misses a changed pixel (issue 22275).
    """
    return [DatasetInput(_dataset(facts, part), [InputTag("mlflow.data.context", part)]) for part in parts]


def run_metrics(run: Run) -> list[Metric]:
    """Everything measured, at the end of the run."""
    return [Metric(name, value, run.end_ms, step) for name, value, step in run.points()]


def model_metrics(run: Run, model_id: str, run_id: str, facts: DatasetFacts) -> list[Metric]:
    """Everything measured, linked to the logged model and to the part of the data it was measured on."""
    return [_linked(name, value, step, run, (model_id, run_id), facts) for name, value, step in run.points()]


def summary(metrics: Mapping[str, float]) -> list[Metric]:
    """Metrics of now; what is not finite is left out."""
    now_ms = time.time_ns() // 1_000_000
    return [Metric(name, value, now_ms, 0) for name, value in metrics.items() if math.isfinite(value)]


def params(values: Mapping[str, ParamValue]) -> list[Param]:
    """Parameters as text."""
    return [Param(name, text(value)) for name, value in values.items()]


def text(value: ParamValue) -> str:
    """Numbers as plain decimals, as the axes of MLflow's charts need them: 0.00001 instead of 1e-05."""
    return format(Decimal(repr(float(value))), "f") if isinstance(value, float) else str(value)


def tags(values: Mapping[str, str]) -> list[RunTag]:
    """Tags."""
    return [RunTag(name, value) for name, value in values.items()]


def _dataset(facts: DatasetFacts, part: str) -> Dataset:
    return Dataset(
        name=f"{facts.name}-{part}",
        digest=facts.digest[:_MAX_DIGEST_CHARS],
        source_type="local",
        source=json.dumps({"uri": facts.source}),
        profile=json.dumps({"num_rows": facts.n_examples(part), "sha256 of the whole data set": facts.digest}),
    )


def _linked(name: str, value: float, step: int, run: Run, ids: Sequence[str], facts: DatasetFacts) -> Metric:
    part = next((part for prefix, part in _PART_OF_PREFIX.items() if name.startswith(prefix)), None)
    dataset = None if part is None else _dataset(facts, part)
    return Metric(
        name,
        value,
        run.end_ms,
        step,
        model_id=ids[0],
        run_id=ids[1],
        dataset_name=dataset.name if dataset else None,
        dataset_digest=dataset.digest if dataset else None,
    )
