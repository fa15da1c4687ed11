"""The model of a study that exists: its levers and how to build it again, for commands that come later."""

from __future__ import annotations

from pathlib import Path

from optuna.study import Study

from search_spaces import SearchSpace, mlp_space
from tuning.model_choice import ModelChoice
from tuning.study_store import fingerprint_of

_MODEL = "model"  # user attribute of a study: reference and folder of its model
_PICKLED = "model.pkl"  # in the study's folder: a model that no import finds


def keep_model(study: Study, model: ModelChoice, study_dir: Path) -> None:
    """Write down how to build the networks of a study again."""
    study.set_user_attr(_MODEL, {"reference": model.reference, "folder": str(model.folder)})
    if model.pickled is not None:
        study_dir.mkdir(parents=True, exist_ok=True)
        (study_dir / _PICKLED).write_bytes(model.pickled)


def space_of(study: Study) -> SearchSpace:
    """The levers of a study, from its fingerprint; the MLP's where it names none."""
    known = fingerprint_of(study).get("space")
    return mlp_space() if known is None else SearchSpace.from_fingerprint(known)


def model_of(study: Study, study_dir: Path) -> ModelChoice:
    """The model of a study."""
    kept = study.user_attrs.get(_MODEL)
    if kept is None:  # a study from before there were others
        return ModelChoice("mlp", mlp_space())
    pickled = study_dir / _PICKLED
    data = pickled.read_bytes() if pickled.is_file() else None
    return ModelChoice(kept["reference"], space_of(study), Path(kept["folder"]), data)
