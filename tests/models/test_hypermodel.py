"""KerasTuner's hypermodels: their space is found by running them. What they build does not matter here."""

from typing import Any

import keras_tuner
import pytest

from models.hypermodel import builder_of, discover, is_hypermodel, with_values
from search_spaces import Lever, Role, Scale

HP = Any  # keras_tuner.HyperParameters, which has no types


def levers(build: Any) -> dict[str, Lever]:  # noqa: ANN401
    """The discovered levers by name."""
    space = discover(build).space
    assert space is not None
    return {lever.name: lever for lever in space.levers}


def of_every_kind(hp: HP) -> None:
    """Each kind of hyperparameter."""
    hp.Int("units", 32, 512, step=32)
    hp.Int("width", 8, 128, step=2, sampling="log", default=16)
    hp.Float("dropout", 0.1, 0.5, step=0.1, default=0.3)
    hp.Float("lr", 1e-4, 1e-2, sampling="log")
    hp.Choice("filters", [64, 16, 32])
    hp.Choice("activation", ["relu", "tanh"])
    hp.Boolean("batch_norm")
    hp.Fixed("seed", 7)
    hp.Int("epochs", 3, 3)


def test_every_kind_becomes_a_lever() -> None:
    """With its steps, its role and its start; what has one value is no lever."""
    found = levers(of_every_kind)
    assert ["units", "width", "dropout", "lr", "filters", "activation", "batch_norm"] == list(found)
    assert (Role.CAPACITY, Scale.INTEGER, 32.0, 288) == summary(found["units"])
    assert (Role.CAPACITY, Scale.LOG2_INTEGER, 1.0, 16) == summary(found["width"])
    assert (Role.REGULARIZATION, Scale.LINEAR, 0.1, 0.1) == summary(found["dropout"])
    assert (Role.NUISANCE, Scale.LOG10, pytest.approx(1 / 3), 0.001) == summary(found["lr"])
    assert ((16, 32, 64), 32) == (found["filters"].choices, found["filters"].start)
    assert [None, None] == [found[name].role for name in ("activation", "batch_norm")]
    assert {"seed": 7, "epochs": 3} == discover(of_every_kind).constants


def summary(lever: Lever) -> tuple[Any, ...]:
    """What matters of a lever of numbers."""
    return lever.role, lever.scale, lever.step, lever.start


def with_scopes(hp: HP) -> None:
    """Two conditional scopes, one of them nested."""
    kind = hp.Choice("kind", ["mlp", "cnn"])
    with hp.conditional_scope("kind", ["mlp"]):
        hp.Int("units", 8, 64, step=8)
    with hp.conditional_scope("kind", ["cnn"]):
        if kind == "cnn":
            hp.Boolean("pooling")
            with hp.conditional_scope("pooling", [True]):
                hp.Int("pool_size", 2, 4)


def test_conditional_scopes_are_followed_to_their_end() -> None:
    """Also a nested one, which nothing shows before both of its choices were made."""
    found = levers(with_scopes)
    assert ["kind", "units", "pooling", "pool_size"] == list(found)
    assert (("kind", ("mlp",)),) == found["units"].active_if
    assert (("kind", ("cnn",)),) == found["pooling"].active_if
    assert (("pooling", (True,)),) == found["pool_size"].active_if


def with_a_loop(hp: HP) -> None:
    """What a loop asks for depends on a number, without any scope."""
    for i in range(hp.Int("layers", 1, 4)):
        hp.Int(f"units_{i}", 32, 256, step=32)


def test_what_stands_behind_a_python_loop_is_found() -> None:
    """And at which numbers it is asked for."""
    found = levers(with_a_loop)
    assert ["layers", "units_0", "units_1", "units_2", "units_3"] == list(found)
    assert [(), (("layers", (2, 3, 4)),), (("layers", (4,)),)] == [
        found[name].active_if for name in ("units_0", "units_1", "units_3")
    ]


def test_a_build_that_fails_on_some_configurations_is_explored_all_the_same() -> None:
    """What it asks for before it fails is known."""

    def build(hp: HP) -> None:
        if hp.Int("layers", 1, 3) > 2:
            raise ValueError("too deep")
        hp.Int("units", 8, 16)

    found = discover(build)
    assert ["layers", "units"] == [lever.name for lever in found.space.levers] if found.space else []
    assert (() == found.space.levers[1].active_if) if found.space else False
    assert "too deep" == str(found.error)
    assert 0 < found.n_failed < found.n_builds


def test_classes_and_instances_are_hypermodels() -> None:
    """As in KerasTuner."""

    class Mine(keras_tuner.HyperModel):  # type: ignore[misc]
        def build(self, hp: HP) -> int:
            return int(hp.Int("units", 1, 9))

    assert is_hypermodel(Mine) and is_hypermodel(Mine()) and not is_hypermodel(with_a_loop)
    assert [5, 5] == [builder_of(model)(with_values({"units": 5})) for model in (Mine, Mine())]
