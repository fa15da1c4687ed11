"""How models of a data set are judged: the scoring of its task, in the unit of its training targets."""

from __future__ import annotations

from tuning.data import Dataset, TrainingData
from tuning.evaluation import Scoring, scoring_of


def scoring_for(data: Dataset | TrainingData) -> Scoring:
    """The scoring of a data set's task."""
    return scoring_of(data.task, None if data.target_scaling is None else data.target_scaling.deviation)
