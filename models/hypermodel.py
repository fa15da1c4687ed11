"""KerasTuner's hypermodels: their search space found out by running them, and their networks.

`discover` builds the model again and again, as KerasTuner does before it searches, and once more for every choice, so
that it also sees what stands behind an `if` without a conditional scope (`units_2` of a third layer, say):

>>> def build(hp):
...     for i in range(hp.Int("layers", 1, 3)):
...         hp.Int(f"units_{i}", 32, 256, step=32)
>>> [lever.name for lever in discover(build).space.levers]      # doctest: +SKIP
['layers', 'units_0', 'units_1', 'units_2']
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras_tuner

from search_spaces import Lever, SearchSpace, Value
from search_spaces.from_kerastuner import is_constant, lever_of, probes, values_of

# Enough for a dozen choices; each builds a network.
_MAX_BUILDS = 80

Builder = Callable[[keras_tuner.HyperParameters], Any]


@dataclass(frozen=True)
class Discovered:
    """What running a hypermodel showed.

    Args:
        space: Its levers; None where it has none.
        constants: Hyperparameters of a single value.
        error: What the first failing build raised; None if none failed.
        n_builds: How often it was run, and how many of these runs failed.
        is_complete: Whether everything that was found was followed to its end.
    """

    space: SearchSpace | None
    constants: Mapping[str, Any]
    error: Exception | None
    n_builds: int
    n_failed: int
    is_complete: bool


def is_hypermodel(model: object) -> bool:
    """Whether this is a `HyperModel`, or a class of such."""
    kind = model if isinstance(model, type) else type(model)
    return issubclass(kind, keras_tuner.HyperModel)


def builder_of(model: Any) -> Builder:  # noqa: ANN401 - the user's
    """The function from `hp` to a network, of a `HyperModel` class, an instance, or a function.

    Raises:
        TypeError: If a class cannot be made without arguments.
    """
    if not is_hypermodel(model):
        return model  # type: ignore[no-any-return]
    build: Builder = (model() if isinstance(model, type) else model).build
    return build


def with_values(params: Mapping[str, Value]) -> keras_tuner.HyperParameters:
    """Hyperparameters that answer with a configuration; what it does not name has its default."""
    hp = keras_tuner.HyperParameters()
    hp.values = dict(params)
    return hp


def discover(build: Builder, name: str = "hypermodel") -> Discovered:
    """Run a hypermodel until all of its hyperparameters are known, and what each of them depends on."""
    exploration = _Exploration(build)
    exploration.run()
    known = exploration.known
    varying = [each for each in known.values() if not is_constant(each)]
    levers: list[Lever] = []
    for each in varying:
        parents = [lever.name for lever in levers]
        levers.append(lever_of(each, exploration.condition_of(each.name, parents)))
    constants = {each.name: next(iter(values_of(each))) for each in known.values() if is_constant(each)}
    return Discovered(
        SearchSpace(name, tuple(levers)) if levers else None,
        constants,
        exploration.error,
        exploration.n_builds,
        exploration.n_failed,
        not exploration.waiting,
    )


class _Recorder(keras_tuner.HyperParameters):  # type: ignore[misc]  # KerasTuner ships no types
    """Hyperparameters that remember which of them were asked for and had a value."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        super().__init__()
        self.values = dict(values)
        self.used: dict[str, Any] = {}

    def _retrieve(self, hp: Any) -> Any:  # noqa: ANN401 - the one way by which every kind of them is asked for
        value = super()._retrieve(hp)
        if self.is_active(hp):
            self.used.setdefault(hp.name, hp)
        return value


@dataclass(frozen=True)
class _Run:
    """One build: what was chosen for it, the values that it had in the end, and the names that it asked for."""

    chosen: Mapping[str, Value]
    values: Mapping[str, Value]
    used: frozenset[str]


@dataclass
class _Exploration:
    """The runs of a hypermodel so far, and those that are still to come."""

    build: Builder
    known: dict[str, Any] = field(default_factory=dict)
    runs: list[_Run] = field(default_factory=list)  # those that gave a network
    waiting: list[dict[str, Value]] = field(default_factory=lambda: [{}])
    error: Exception | None = None
    n_failed: int = 0
    _seen: list[dict[str, Value]] = field(default_factory=list)

    @property
    def n_builds(self) -> int:
        return len(self.runs) + self.n_failed

    def run(self) -> None:
        while self.waiting and self.n_builds < _MAX_BUILDS:
            chosen = self.waiting.pop(0)
            if chosen not in self._seen:
                self._seen.append(chosen)
                self._run(chosen)

    def condition_of(self, name: str, parents: list[str]) -> tuple[tuple[str, tuple[Value, ...]], ...]:
        """The lever that decides whether this one has a value, and at which of its own values."""
        for parent in [] if all(name in run.used for run in self.runs) else parents:
            at = [(run.values.get(parent) if parent in run.used else None, name in run.used) for run in self.runs]
            on = list(dict.fromkeys(value for value, is_used in at if is_used))
            if None not in on and not set(on) & {value for value, is_used in at if not is_used}:
                return ((parent, tuple(value for value in values_of(self.known[parent]) if value in on)),)
        return ()

    def _run(self, chosen: dict[str, Value]) -> None:
        hp = _Recorder(chosen)
        try:
            self.build(hp)
        except Exception as error:  # the user's model may fail in any way on some configuration
            self.error = self.error or error
            self.n_failed += 1  # what it would have asked for next is not known, so it tells nothing of conditions
        else:
            self.runs.append(_Run(chosen, dict(hp.values), frozenset(hp.used)))
        self._follow(hp, chosen)

    def _follow(self, hp: _Recorder, chosen: dict[str, Value]) -> None:
        for name, each in hp.used.items():
            if name not in self.known:
                self.known[name] = each
                self.waiting += [{**chosen, name: value} for value in probes(each) if value != hp.values[name]]
            elif name in chosen and self._differ(name, chosen):
                self.waiting += [{**chosen, name: value} for value in values_of(each)]
        for scope in hp.inactive_scopes:
            self.waiting.append({**chosen, **{condition.name: condition.values[0] for condition in scope}})

    def _differ(self, name: str, chosen: Mapping[str, Value]) -> bool:
        """Whether other hyperparameters were asked for at another value of this one, all else being equal."""
        rest = {other: value for other, value in chosen.items() if other != name}
        alike = (run for run in self.runs if {k: v for k, v in run.chosen.items() if k != name} == rest)
        return len({run.used for run in alike}) > 1
