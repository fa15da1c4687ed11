"""Which model is searched: a family that ships, or a model of the user's own, and its levers. Needs no Keras.

The study's process knows a model by its `ModelChoice` alone; the processes that train make a `Family` of it
(`tuning/own_model.py`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

from search_spaces import SPACES, Lever, Role, SearchSpace, shown
from search_spaces.space_file import SpaceFileError, read_space
from tuning import processes
from tuning.errors import SettingsError
from tuning.paths import file_trouble

_NO_ROLE = "none"
_MAX_SPACE_BYTES = 1_000_000


@dataclass(frozen=True)
class ModelChoice:
    """A model by how another process finds it.

    Args:
        reference: Name of a family that ships, `package.module:build`, or what a pickled model is called.
        space: Its levers.
        folder: Where its module is looked for first.
        pickled: The model itself, by cloudpickle, where no import finds it.
        notes: What was found out about it, a sentence each.
        source: Digest of the source of a user's own model; None where there is none to be read.
    """

    reference: str
    space: SearchSpace
    folder: Path = field(default_factory=Path.cwd)
    pickled: bytes | None = None
    notes: tuple[str, ...] = ()
    source: str | None = None

    @property
    def is_own(self) -> bool:
        """Whether it is a model of the user's own."""
        return self.pickled is not None or self.reference not in SPACES

    def levers(self) -> list[str]:
        """What is searched and how, a line a lever."""
        return [_described(lever) for lever in self.space.levers]


def choose_model(
    reference: str | None,
    input_shape: tuple[int, ...],
    *,
    space_file: Path | None = None,
    roles: Mapping[str, Role | None] | None = None,
    folder: Path,
    context: BaseContext | None = None,
) -> ModelChoice:
    """The model that the command line names.

    Args:
        reference: `mlp`, `cnn`, `tabular`, `package.module:build`, or None for what suits the data.
        input_shape: Shape of one example.
        space_file: The levers of `build(params)`, as TOML.
        roles: Roles that are corrected, by lever.
        folder: Where modules are looked for first.
        context: How processes are started.

    Raises:
        SearchError: If the model is unknown or cannot be imported, or the space is not one.
    """
    reference = reference or ("tabular" if len(input_shape) == 1 else "mlp")
    if reference in SPACES:
        if space_file is not None:
            raise SettingsError(f"`--space` belongs to a model of your own: {reference} has its own space.")
        return _with_roles(ModelChoice(reference, SPACES[reference](), folder), roles or {})
    if ":" not in reference:
        known = ", ".join(SPACES)
        raise SettingsError(f"`--model` must be one of {known}, or package.module:build, got {reference!r}.")
    space = None if space_file is None else space_of_file(space_file)
    return own_model(reference, space, roles or {}, folder, context=context)


def own_model(
    reference: str,
    space: SearchSpace | None,
    roles: Mapping[str, Role | None],
    folder: Path,
    pickled: bytes | None = None,
    source: str | None = None,
    context: BaseContext | None = None,
) -> ModelChoice:
    """A model of the user's own, once another process has imported it; a hypermodel is run there for its levers.

    Args:
        reference: `package.module:build`, or what a pickled model is called.
        space: Levers of `build(params)`; None for a hypermodel.
        roles: Roles that are corrected, by lever.
        folder: Where modules are looked for first.
        pickled: The model by cloudpickle, where no import finds it.
        source: Digest of the source of a pickled model, which only the process that made it may read.
        context: How processes are started.

    Raises:
        SearchError: If it cannot be imported, or needs a space or must not have one.
    """
    found = processes.call("tuning.own_model", "described", reference, folder, pickled, space, context=context).result()
    found_space, notes, imported = found
    return _with_roles(ModelChoice(reference, found_space, folder, pickled, notes, source or imported), roles)


def space_of_file(path: Path) -> SearchSpace:
    """The search space of a TOML file.

    Raises:
        SettingsError: If there is no such file, or it describes no space: the line, the rule and the known words.
    """
    if why := file_trouble(path):
        raise SettingsError(f"`--space` must be a TOML file, but {path} cannot be read: {why}.")
    if path.stat().st_size > _MAX_SPACE_BYTES:
        raise SettingsError(f"`--space` must be a file of at most {_MAX_SPACE_BYTES:,} bytes, but {path} is larger.")
    try:
        return read_space(path.read_text(encoding="utf-8"), path.stem)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"`--space` must be a TOML file, but {path} cannot be read: {error}.") from error
    except SpaceFileError as error:
        raise SettingsError(f"{path}, {error}.") from error


def roles_of(corrections: tuple[str, ...]) -> dict[str, Role | None]:
    """The roles of `--role NAME=ROLE`, by lever.

    Raises:
        SettingsError: If one is not of this form, or the role is unknown.
    """
    known = {**{role.value: role for role in Role}, _NO_ROLE: None}
    roles: dict[str, Role | None] = {}
    for correction in corrections:
        name, equals, role = correction.partition("=")
        if not equals or role not in known:
            listed = ", ".join(known)
            raise SettingsError(f"`--role` must be NAME=ROLE with a role of {listed}, got {correction!r}.")
        roles[name] = known[role]
    return roles


def takes_hp(build: Callable[..., Any]) -> bool:
    """Whether a function is a hypermodel's: its first parameter is called `hp`."""
    try:
        parameters = list(inspect.signature(build).parameters)
    except (TypeError, ValueError):
        return False
    return parameters[:1] == ["hp"]


def _described(lever: Lever) -> str:
    """Name, role, range and start of a lever in a line."""
    if lever.choices:
        values = " or ".join(map(shown, lever.choices))
    else:
        values = f"{shown(lever.low)} to {shown(lever.high)} ({lever.scale})"
    active = "".join(f", where {name} is {' or '.join(map(shown, at))}" for name, at in lever.active_if)
    return f"{lever.name}: {lever.role or 'no role'}, {values}, from {shown(lever.start)}{active}"


def _with_roles(choice: ModelChoice, roles: Mapping[str, Role | None]) -> ModelChoice:
    try:
        return replace(choice, space=choice.space.with_roles(roles))
    except ValueError as error:
        raise SettingsError(f"`--role`: {error}.") from error
