'''A search space from a TOML file: a table a lever, with range, scale and role.

>>> read_space("""
... [units]
... role = "capacity"
... scale = "log2_integer"
... range = [16, 512]
... start = 64
...
... [activation]
... choices = ["relu", "tanh"]
... """, "mine").start()
{'units': 64, 'activation': 'relu'}
'''

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from search_spaces.lever import Lever, Role, Scale, choice
from search_spaces.space import SearchSpace

_SCALES = {scale.name.lower(): scale for scale in Scale}
_KEYS = ("role", "scale", "range", "step", "start", "first_step", "choices")
_NO_ROLE = "none"
_STEPS = {Scale.INTEGER: 1.0, Scale.LOG2_INTEGER: 0.5, Scale.LOG10: 1 / 3, Scale.LOG10_OR_ZERO: 0.5}
_N_LINEAR_STEPS = 10
_MAX_LEVERS = 100


class SpaceFileError(ValueError):
    """A file does not describe a search space; the message gives the line, the rule and the known words."""


def read_space(text: str, name: str) -> SearchSpace:
    """The space that a TOML text describes: a table for each lever, in the order of the file.

    A lever has `range = [low, high]` with a `scale`, or `choices`. Its `role` is what raising it means for the fit; a
    lever without one is moved by the local model alone. `start` is where the search starts: by default the middle of a
    capacity or nuisance lever, the least regularization, the first choice. `step` and `first_step` are in natural
    coordinates (octaves, decades, or the value's own unit); their defaults suit the scale.

    Args:
        text: TOML.
        name: What the space is called in a study's fingerprint.

    Raises:
        SpaceFileError: The first rule that does not hold, with its line.
    """
    try:
        tables = tomllib.loads(text)
    except RecursionError as error:
        raise SpaceFileError("it must be TOML with a table for each lever, but it is nested too deeply") from error
    except ValueError as error:  # a number of thousands of digits is one, too
        raise SpaceFileError(f"it must be TOML: {error}") from error
    if not tables:
        raise SpaceFileError("it must hold a table for each lever, such as [units], but it is empty")
    if len(tables) > _MAX_LEVERS:
        raise SpaceFileError(f"it must hold at most {_MAX_LEVERS} levers, but it has {len(tables)}")
    levers = tuple(_lever(_Table(text, lever, settings)) for lever, settings in tables.items())
    return SearchSpace(name, levers)


class _Table:
    """One lever's table, and where it stands in the text."""

    def __init__(self, text: str, lever: str, settings: Any) -> None:  # noqa: ANN401 - whatever TOML holds
        self._text, self.lever = text, lever
        if not isinstance(settings, Mapping):
            raise self.error(f"a lever is a table: write [{lever}] and its settings below", lever)
        self.settings = settings
        for key in settings:
            if key not in _KEYS:
                raise self.error(f"{key!r} is no setting of a lever; known: {', '.join(_KEYS)}", key)

    def error(self, rule: str, key: str = "") -> SpaceFileError:
        """An error at the line of a key, or of the table's header."""
        lines = self._text.splitlines()
        header = next((i for i, line in enumerate(lines) if self._is_header(line)), 0)
        keys = (i for i in range(header, len(lines)) if re.match(rf"\s*[\"']?{re.escape(key)}\b", lines[i]))
        line = next(keys, header) if key else header
        return SpaceFileError(f"line {line + 1}, lever {self.lever!r}: {rule}")

    def _is_header(self, line: str) -> bool:
        return re.match(rf"\s*\[\s*[\"']?{re.escape(self.lever)}[\"']?\s*\]", line) is not None

    def word(self, key: str, known: Mapping[str, Any], default: str | None = None) -> Any:  # noqa: ANN401
        """The meaning of a word."""
        word = self.settings.get(key, default)
        if not isinstance(word, str) or word not in known:
            raise self.error(f"`{key}` must be one of {', '.join(known)}, got {word!r}", key)
        return known[word]

    def number(self, key: str, default: float) -> float:
        """A number."""
        value = self.settings.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(f"`{key}` must be a number, got {value!r}", key)
        return value


def _lever(table: _Table) -> Lever:
    role = table.word("role", {**{role.value: role for role in Role}, _NO_ROLE: None}, _NO_ROLE)
    try:
        return _of_choices(table, role) if "choices" in table.settings else _of_range(table, role)
    except SpaceFileError:
        raise
    except (ValueError, TypeError, OverflowError) as error:
        raise table.error(str(error).rstrip(".")) from error


def _of_choices(table: _Table, role: Role | None) -> Lever:
    choices = table.settings["choices"]
    if not isinstance(choices, list):
        raise table.error(f"`choices` must be a list of values, got {choices!r}", "choices")
    if odd := [each for each in choices if not _is_value(each)]:
        raise table.error(f"`choices` must be texts, finite numbers, true or false, got {odd[0]!r}", "choices")
    if wrong := [key for key in table.settings if key not in ("choices", "role", "start")]:
        raise table.error(f"a lever of choices has no {wrong[0]!r}: only choices, role and start", wrong[0])
    return choice(table.lever, choices, role, table.settings.get("start"))


def _is_value(value: object) -> bool:
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _of_range(table: _Table, role: Role | None) -> Lever:
    bounds = table.settings.get("range")
    is_pair = isinstance(bounds, list) and [type(x) in (int, float) for x in bounds] == [True, True]
    if not is_pair or bounds is None:
        raise table.error(f"`range` must be [low, high], or `choices` a list of values, got {bounds!r}", "range")
    low, high = bounds
    scale: Scale = table.word("scale", {word: each for word, each in _SCALES.items() if each is not Scale.CHOICE})
    step = table.number("step", _STEPS.get(scale, (high - low) / _N_LINEAR_STEPS))
    first_step = table.number("first_step", 0.0)
    start = table.number("start", 0.0 if scale is Scale.LOG10_OR_ZERO else low)
    lever = Lever(table.lever, role, low, high, scale, step, start, first_step)
    return lever if "start" in table.settings else started(lever)


def started(lever: Lever) -> Lever:
    """The lever with the start that its role suggests: the least regularization, otherwise the middle of its range."""
    middle = lever.bottom if lever.role is Role.REGULARIZATION else (lever.bottom + lever.top) / 2
    start = lever.value(lever.nearest(middle))
    choices = (lever.choices, lever.active_if)
    return Lever(
        lever.name, lever.role, lever.low, lever.high, lever.scale, lever.step, start, lever.first_step, *choices
    )
