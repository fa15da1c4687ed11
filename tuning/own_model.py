"""In a process that trains: the family behind a `ModelChoice`, a user's own model included."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from models.families import family_named
from models.family import Family
from models.inputs import InputFormat
from models.own_model import checked, gives_logits
from search_spaces import SearchSpace, Value
from search_spaces.roles import KNOWN_NAMES
from tuning.errors import ModelError
from tuning.model_choice import ModelChoice, takes_hp
from tuning.user_code import imported, told
from tuning.user_source import digest_of_module

if TYPE_CHECKING:
    from models.hypermodel import Discovered

_LEARNING_RATE = "learning_rate"  # a lever of this name, for a model that is not compiled
_DEFAULT_RATE = 1e-3  # Adam's own


def family_of(choice: ModelChoice) -> Family:
    """The networks of a choice.

    Raises:
        ModelError: If a user's own model cannot be imported.
    """
    if not choice.is_own:
        return family_named(choice.reference)
    build = _loaded(choice.reference, choice.folder, choice.pickled)
    return Family(choice.reference, choice.space, _Own(build, choice.space), _own_rate)


def hypermodel_of(choice: ModelChoice) -> Callable[..., Any] | None:
    """The function from `hp` to a network behind a choice; None for a model that is none of KerasTuner's.

    Raises:
        ModelError: If a user's own model cannot be imported.
    """
    build = _loaded(choice.reference, choice.folder, choice.pickled) if choice.is_own else None
    return _builder(build) if build is not None and _is_kerastuner(build) else None


def described(
    reference: str, folder: Path, pickled: bytes | None, space: SearchSpace | None
) -> tuple[SearchSpace, tuple[str, ...], str | None]:
    """The levers of a user's own model, what there is to note, and the digest of the module that was imported.

    Args:
        reference: `package.module:build`, or what a pickled model is called.
        folder: Where its module is looked for first.
        pickled: The model by cloudpickle, or None.
        space: Levers of `build(params)`; None for a hypermodel, which is run for them.

    Raises:
        ModelError: If it cannot be imported, or needs a space or must not have one; if every build fails.
    """
    build = _loaded(reference, folder, pickled)
    source = digest_of_module(reference.partition(":")[0], folder) if pickled is None else None
    return *_levers(build, reference, space), source


def imported_source(choice: ModelChoice) -> str | None:
    """The digest of the source of a user's own model as it is now; the model must have been imported."""
    return digest_of_module(choice.reference.partition(":")[0], choice.folder)


def _levers(build: Any, reference: str, space: SearchSpace | None) -> tuple[SearchSpace, tuple[str, ...]]:  # noqa: ANN401
    if not _is_hypermodel(build) and not callable(build):
        raise ModelError(f"`--model` must name a function, or a KerasTuner HyperModel; {reference} is {build!r}.")
    if not _is_kerastuner(build):
        if space is None:
            raise ModelError(
                f"{reference} takes a configuration, so its levers are needed: `--space FILE.toml`. (A KerasTuner "
                "model is a HyperModel, or a function whose first parameter is called hp.)"
            )
        return space, ()
    if space is not None:
        raise ModelError(f"`--space` is for build(params): {reference} is a KerasTuner model, which has its own space.")
    from models.hypermodel import discover  # KerasTuner: for its own models alone

    try:
        found = discover(_builder(build), reference)
    except ValueError as error:  # a hyperparameter that makes no lever; what a build raises is among what was found
        raise ModelError(f"{reference}: {error}") from error
    if found.space is None or found.n_failed == found.n_builds:
        raise _nothing_found(reference, found)
    return found.space, tuple(_notes(found, build))


@dataclass(frozen=True)
class _Own:
    """The user's `build`, seeded and checked."""

    build: Any
    space: SearchSpace

    def __call__(self, params: Mapping[str, Value], form: InputFormat, n_outputs: int, seed: int) -> keras.Model:
        keras.utils.set_random_seed(seed)
        if not _is_kerastuner(self.build):
            model = checked(self.build(dict(params)), form, n_outputs, must_be_compiled=False)
            if not model.compiled and not gives_logits(model):  # its own loss is that of probabilities
                model.compile(keras.optimizers.Adam(_own_rate(params)), "sparse_categorical_crossentropy")
            return model
        point = self.space.point(params)
        active = {lever.name for j, lever in enumerate(self.space.levers) if self.space.is_active(j, point)}
        from models.hypermodel import with_values

        hp = with_values({name: value for name, value in params.items() if name in active})
        return checked(_builder(self.build)(hp), form, n_outputs, must_be_compiled=True)


def _is_kerastuner(build: Any) -> bool:  # noqa: ANN401
    return _is_hypermodel(build) or takes_hp(build)


def _is_hypermodel(build: Any) -> bool:  # noqa: ANN401
    if "keras_tuner" not in sys.modules:  # where it was not imported, nothing can be one
        return False
    from models.hypermodel import is_hypermodel

    return is_hypermodel(build)


def _builder(build: Any) -> Callable[..., Any]:  # noqa: ANN401
    from models.hypermodel import builder_of

    try:
        return builder_of(build)
    except Exception as error:
        rule = "The HyperModel cannot be made without arguments: name an instance instead of the class"
        raise ModelError(f"{rule}:", told(error)) from error


def _own_rate(params: Mapping[str, Value]) -> float:
    return float(params.get(_LEARNING_RATE, _DEFAULT_RATE))


def _loaded(reference: str, folder: Path, pickled: bytes | None) -> Any:  # noqa: ANN401
    if pickled is None:
        return imported(reference, folder, "--model")
    try:
        return pickle.loads(pickled)
    except Exception as error:
        raise ModelError("The model cannot be handed to another process:", told(error)) from error


def _nothing_found(reference: str, found: Discovered) -> ModelError:
    if found.error is None:
        rule = f"{reference} asks for no hyperparameter that has more than one value: there is nothing to search."
        return ModelError(rule)
    rule = f"{reference} failed on every configuration that was tried ({found.n_builds}):"
    return ModelError(rule, told(found.error))


def _notes(found: Discovered, build: Any) -> list[str]:  # noqa: ANN401
    notes = []
    if found.constants:
        fixed = ", ".join(f"{name} = {value}" for name, value in found.constants.items())
        notes.append(f"not searched, because they have one value: {fixed}")
    if found.space is not None and any(lever.role is None for lever in found.space.levers):
        names = "; ".join(f"{role}: {names}" for role, names in KNOWN_NAMES.items())
        notes.append(
            f"without a role a lever is moved by the local model alone; --role NAME=ROLE gives it one ({names})"
        )
    if found.n_failed:
        notes.append(f"{found.n_failed} of {found.n_builds} builds failed while the levers were looked for")
    if not found.is_complete:
        notes.append(f"after {found.n_builds} builds not every combination was followed: levers may be missing")
    if _is_hypermodel(build) and _has_own_fit(build):
        notes.append("its own `fit` is not called: the engine trains it, with the loss and optimizer of its compile")
    return notes


def _has_own_fit(build: Any) -> bool:  # noqa: ANN401
    import keras_tuner

    kind: Any = build if isinstance(build, type) else type(build)
    return kind.fit is not keras_tuner.HyperModel.fit
