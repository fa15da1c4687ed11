"""KerasTuner's hyperparameters as levers. Nothing of KerasTuner is imported: its objects are read.

| KerasTuner | lever |
|---|---|
| `Int`, `Float` with sampling "linear" (or "reverse_log") | the same steps; a tenth of the range where none is given |
| `Int`, `Float` with sampling "log" | octaves, decades; the same steps where they are given |
| `Choice` of numbers, `Boolean` | rungs, ascending |
| `Choice` of words | choices without an order |
| `Fixed`, or a single value | no lever |

The role follows from the name (`roles.py`). A lever starts at the default that the hypermodel names; otherwise at the
middle of its range. Regularization starts at its lowest: the first network has to overfit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from search_spaces.lever import Lever, Role, Scale, Value, choice
from search_spaces.roles import role_of

_N_STEPS = 10
_MAX_VALUES = 64  # of a number that is tried at each of its values
_DECADE_STEP = 1 / 3

Condition = tuple[tuple[str, tuple[Value, ...]], ...]


def is_constant(hp: Any) -> bool:  # noqa: ANN401 - a hyperparameter of KerasTuner
    """Whether it has a single value."""
    kind = type(hp).__name__
    if kind in ("Int", "Float"):
        return bool(hp.min_value == hp.max_value)
    return kind == "Fixed" or (kind == "Choice" and len(set(hp.values)) == 1)


def values_of(hp: Any) -> Sequence[Value]:  # noqa: ANN401
    """Its values in order, where they can be counted; of other numbers both ends."""
    kind = type(hp).__name__
    if kind == "Fixed":
        return [hp.value]
    if kind == "Boolean":
        return [False, True]
    if kind == "Choice":
        unique = list(dict.fromkeys(hp.values))
        return unique if isinstance(unique[0], str) else sorted(unique)
    if kind == "Int" and hp.step and hp.sampling == "linear":
        values = list(range(hp.min_value, hp.max_value + 1, hp.step))
        return values if len(values) <= _MAX_VALUES else [values[0], values[-1]]
    return list(dict.fromkeys((hp.min_value, hp.max_value)))


def probes(hp: Any) -> Sequence[Value]:  # noqa: ANN401
    """The values at which others may come or go: every word, and both ends of a number."""
    values = values_of(hp)
    if type(hp).__name__ == "Float":
        return []
    return values if isinstance(values[0], str | bool) else list(dict.fromkeys((values[0], values[-1])))


def lever_of(hp: Any, active_if: Condition = ()) -> Lever:  # noqa: ANN401
    """The lever of a hyperparameter that has more than one value.

    Args:
        hp: KerasTuner's `Int`, `Float`, `Choice` or `Boolean`.
        active_if: On what it depends; see `Lever`.

    Raises:
        ValueError: If it is of another kind.
    """
    kind = type(hp).__name__
    if kind in ("Choice", "Boolean"):
        return _of_choices(hp, active_if)
    if kind not in ("Int", "Float"):
        raise ValueError(f"a hyperparameter must be Int, Float, Choice, Boolean or Fixed, got {kind} ({hp.name!r})")
    scale, step = _int_scale(hp) if kind == "Int" else _float_scale(hp)
    role = role_of(hp.name)
    lever = Lever(hp.name, role, hp.min_value, hp.max_value, scale, step, hp.min_value, 0.0, (), active_if)
    default = getattr(hp, "_default", None)  # None unless the hypermodel names one
    if role is Role.REGULARIZATION:
        start: Value = hp.min_value
    else:
        start = lever.value(lever.nearest((lever.bottom + lever.top) / 2)) if default is None else default
    return Lever(hp.name, role, hp.min_value, hp.max_value, scale, step, start, 0.0, (), active_if)


def _of_choices(hp: Any, active_if: Condition) -> Lever:  # noqa: ANN401
    values = values_of(hp)
    role = None if isinstance(values[0], str) else role_of(hp.name)
    default: Value | None = getattr(hp, "_default", None)
    if role is Role.REGULARIZATION:
        start: Value = values[0]
    elif default is None and role is Role.CAPACITY:
        start = values[(len(values) - 1) // 2]
    else:
        start = hp.default
    return choice(hp.name, values, role, start, active_if)


def _int_scale(hp: Any) -> tuple[Scale, float]:  # noqa: ANN401
    if hp.sampling != "log":
        return Scale.INTEGER, float(hp.step or 1)
    if hp.step:
        return Scale.LOG2_INTEGER, math.log2(hp.step)
    # Half octaves, but for the smallest numbers: 2 ** 0.5 rounds to the same as 2 ** 0.
    return Scale.LOG2_INTEGER, 1.0 if hp.min_value < 2 else 0.5


def _float_scale(hp: Any) -> tuple[Scale, float]:  # noqa: ANN401
    if hp.sampling != "log":
        return Scale.LINEAR, float(hp.step or (hp.max_value - hp.min_value) / _N_STEPS)
    if hp.step:
        return Scale.LOG10, math.log10(hp.step)
    return Scale.LOG10, min(_DECADE_STEP, math.log10(hp.max_value / hp.min_value) / 4)
