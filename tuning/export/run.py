"""What `python -m tuning.export` does once its options are checked: fit, read the test set, write, register."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tuning.argument import Step, argument
from tuning.evaluation.outcomes import PerExample
from tuning.export.model_card import MODEL_CARD
from tuning.export.reading import Reading, Score, read_test
from tuning.export.study import Chosen, Fitted, Wanted, fitted, recorded, write_export
from tuning.export.table import export_text
from tuning.result import BASELINE, HAND_MADE, MODELS, TUNED
from tuning.settings import OBJECTIVES
from tuning.strategy.actions import Goal
from tuning.study_model import space_of
from tuning.study_store import FINGERPRINT

Say = Callable[[str], object]

_NAMES = {BASELINE: "the pretrained baseline", HAND_MADE: "hand-made", TUNED: "tuned"}  # where no result has them


@dataclass(frozen=True)
class Order:
    """What the command was told to do with the trial.

    Args:
        wanted: The formats, and whether logits.
        n_seeds: Seeds of a final fit; None for none.
        register_as: Name of the registered model, empty for the default; None for not to register.
        tracking_uri: MLflow tracking URI; None for the one that the search had.
    """

    wanted: Wanted
    n_seeds: int | None
    register_as: str | None
    tracking_uri: str | None


def run_export(chosen: Chosen, target: Path, order: Order, root: Path, say: Say) -> None:
    """Export a trial, and register it if that was ordered.

    Raises:
        SearchError: If something is not there, is not as it was scored, or cannot be written.
    """
    registry = None
    if order.register_as is not None:
        from tuning.export.register import Registry  # MLflow takes seconds to import

        registry = Registry.of(chosen.study, order.register_as, order.tracking_uri, root)
    found, about = fitted(chosen, order.n_seeds, say), recorded(chosen)
    reading = _reading(chosen, found, order, about)
    trips = write_export(chosen, found, reading, _steps(chosen), target, order.wanted)
    say(export_text(trips, has_seen_them=found.final is not None))
    for sentence in () if reading is None else reading.sentences:
        say(f"{sentence[0].upper()}{sentence[1:]}.")
    files = ", ".join([*(trip.file for trip in trips), MODEL_CARD])
    fit = "" if found.final is None else ", fitted once more,"
    say(f"Exported trial {chosen.trial.number} of {chosen.study.study_name}{fit} to {os.path.relpath(target)}: {files}")
    if registry is not None:
        score = _kept_score(chosen, about) if reading is None else Score(asdict(reading.evaluation), reading.outcomes)
        say(registry.register(chosen, found, score, target / MODEL_CARD).text())


def _steps(chosen: Chosen) -> list[Step]:
    objective = OBJECTIVES[chosen.study.user_attrs[FINGERPRINT]["objective"]]
    trials, goal = chosen.study.get_trials(deepcopy=False), Goal(objective.name, objective.maximize)
    return list(argument(trials, space_of(chosen.study), goal))


def _reading(chosen: Chosen, found: Fitted, order: Order, about: Mapping[str, Any]) -> Reading | None:
    """The test set is opened for what the study's end has not scored, where its score is asked for."""
    is_asked_for = order.register_as is not None or found.final is not None
    if not is_asked_for or (found.final is None and _kept_score(chosen, about).outcomes is not None):
        return None
    names = {each["kind"]: each["name"] for each in about.get("models", ())} or _NAMES
    return read_test(
        chosen.study,
        chosen.dataset,
        found.models,
        found.val_logits,
        chosen.study_dir,
        names,
        is_final_fit=found.final is not None,
    )


def _kept_score(chosen: Chosen, about: Mapping[str, Any]) -> Score:
    """What the study's end found of its tuned model, if that is this trial."""
    if "models" not in about:
        return Score({}, None)
    return Score(about["models"][-1]["evaluation"], PerExample.load(chosen.study_dir / MODELS / TUNED))
