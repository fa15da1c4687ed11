"""The models that a study would have shipped, on the opened test set. Runs in a process that has TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from search_spaces import Params
from tuning.compare.record import Scores
from tuning.data import Examples, TrainingData
from tuning.model_choice import ModelChoice
from tuning.networks import kept_model, keras_logits
from tuning.own_model import family_of
from tuning.scoring import scoring_for
from tuning.weights import WeightStore


def scored(
    choice: ModelChoice, data: TrainingData, test: Examples, weights: Path, trials: Mapping[int, Params]
) -> dict[int, Scores]:
    """Loss and error of each trial's model on the test set.

    Args:
        choice: The model.
        data: Train and validation part.
        test: The opened test part.
        weights: Folder of the kept weights.
        trials: Configurations by number.

    Raises:
        ExportError: If a trial's weights are not there.
    """
    family, scoring, store = family_of(choice), scoring_for(data), WeightStore(weights)
    found = {}
    for number, params in trials.items():
        model = kept_model(family, data, params, store, number)
        scores = scoring.scores(keras_logits(model.logits)(test.inputs), test.labels)
        losses, errors = scoring.losses(scores, test.labels), scoring.errors(scores, test.labels)
        found[number] = Scores(float(losses.mean()), float(errors.mean()))
    return found
