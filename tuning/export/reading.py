"""A model on the test set that the study's end has not scored: opened for it, counted, and compared with what was kept.

The end of a study keeps what each finalist's answers to the test examples cost, so that a model of another trial, or a
final fit, is compared with them in pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
from optuna.study import Study

from tuning.data import Dataset
from tuning.data.split import examples_digest
from tuning.evaluation import AnyEvaluation
from tuning.evaluation.outcomes import PairedOutcomes, PerExample, outcomes_of
from tuning.networks import Logits, keras_logits
from tuning.result import MODELS, TUNED
from tuning.scoring import scoring_for
from tuning.study_store import N_TEST_OPENINGS

_BOOTSTRAP_SEED = 0


@dataclass(frozen=True, eq=False)
class Reading:
    """A model on the test set.

    Args:
        evaluation: Its numbers.
        outcomes: What its answers cost, an entry an example.
        sentences: How it compares with the finalists of its study, and over seeds; a sentence each.
        n_openings: How often the test set has been opened for this study, this time included.
    """

    evaluation: AnyEvaluation
    outcomes: PerExample
    sentences: tuple[str, ...]
    n_openings: int

    def facts(self) -> dict[str, Any]:
        """As plain data."""
        return {**asdict(self.evaluation), "sentences": list(self.sentences), "n_test_openings": self.n_openings}


@dataclass(frozen=True, eq=False)
class Score:
    """A model's numbers on the test set, by name, and what its answers cost; None where that was not kept."""

    evaluation: Mapping[str, Any]
    outcomes: PerExample | None


def read_test(
    study: Study,
    dataset: Dataset,
    models: Sequence[keras.Model],
    val_logits: Logits,
    study_dir: Path,
    names: Mapping[str, str],
    *,
    is_final_fit: bool,
) -> Reading:
    """Open the test set, count that, and score the first of some models; the others show the spread over seeds.

    Args:
        study: Its count of openings goes up by one.
        dataset: The test part is opened.
        models: From raw inputs to logits.
        val_logits: What weights that have not seen the validation examples give there, for the temperature.
        study_dir: Folder of the study, with what its finalists kept.
        names: Of these finalists, by kind.
        is_final_fit: Whether the models are those of a final fit.
    """
    n_openings = int(study.user_attrs.get(N_TEST_OPENINGS, 0)) + 1
    study.set_user_attr(N_TEST_OPENINGS, n_openings)  # before it is opened: a kill must not hide an opening
    test, validation = dataset.test.open(), dataset.validation
    scoring = scoring_for(dataset)
    val = scoring.scores(val_logits, validation.labels), validation.labels
    on_test = [scoring.scores(keras_logits(model)(test.inputs), test.labels) for model in models]
    scores = [scoring.evaluate(each, test.labels, *val) for each in on_test]
    outcomes = outcomes_of(scoring, on_test[0], test.labels, scores[0].temperature, examples_digest(test))
    times = "once" if n_openings == 1 else f"{n_openings} times"
    opened = f"the test set was opened for this model ({times} for this study)"
    own = f"{opened}; the score of a final fit is its own single reading" if is_final_fit else opened
    sentences = (own, *_over_seeds(scores), *_against_finalists(outcomes, study_dir, names))
    return Reading(scores[0], outcomes, sentences, n_openings)


def _over_seeds(scores: Sequence[AnyEvaluation]) -> list[str]:
    if len(scores) == 1:
        return []
    worst, *_, best = sorted(scores, key=lambda each: each.score)
    losses = sorted(each.served_loss for each in scores)
    return [
        f"over {len(scores)} seeds, of which the first is exported whatever it scores: {best.score_name} "
        f"{worst.short()} to {best.short()}, loss as served {losses[0]:.4f} to {losses[-1]:.4f}"
    ]


def _against_finalists(outcomes: PerExample, study_dir: Path, names: Mapping[str, str]) -> list[str]:
    found = []
    for kind, name in names.items():
        kept = PerExample.load(study_dir / MODELS / kind)
        if kept is not None and kept.examples_sha256 == outcomes.examples_sha256:
            paired = PairedOutcomes.of(outcomes, kept, seed=_BOOTSTRAP_SEED)
            rival = f"the {name} model" if kind == TUNED else name
            found.append(paired.sentence("this model", rival))
    return found
