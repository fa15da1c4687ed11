"""A space of levers as KerasTuner declares one."""

import keras_tuner

from models.as_hypermodel import completed, declared
from models.hypermodel import discover
from search_spaces import Lever, Role, Scale, SearchSpace, choice, mlp_space

SPACE = SearchSpace(
    "conditional",
    (
        choice("kind", ("plain", "deep")),
        Lever("layers", Role.CAPACITY, 1, 4, Scale.INTEGER, 1.0, start=2, active_if=(("kind", ("deep",)),)),
        choice("residual", (False, True), start=True, active_if=(("kind", ("deep",)),)),
    ),
)


def test_the_defaults_are_the_start() -> None:
    """Every scale has its counterpart."""
    assert mlp_space().start() == declared(mlp_space(), keras_tuner.HyperParameters())


def test_ranges_survive_the_way_there_and_back() -> None:
    """What KerasTuner is told is what it tells."""
    found = discover(lambda hp: declared(mlp_space(), hp)).space
    assert found is not None
    for lever, again in zip(mlp_space().levers, found.levers, strict=True):
        assert (lever.name, lever.value(lever.bottom), lever.value(lever.top)) == (
            again.name,
            again.value(again.bottom),
            again.value(again.top),
        )


def test_a_lever_that_does_nothing_has_its_start() -> None:
    """Its scope is closed; in KerasTuner's space it stands all the same."""
    hp = keras_tuner.HyperParameters()
    assert {"kind": "plain", "layers": 2, "residual": True} == declared(SPACE, hp)
    assert ["kind", "layers", "residual"] == [each.name for each in hp.space]
    hp.values |= {"kind": "deep", "layers": 4, "residual": False}
    assert {"kind": "deep", "layers": 4, "residual": False} == declared(SPACE, hp)


def test_values_are_completed_to_a_configuration() -> None:
    """Hyperband's own entries are left out."""
    values = {"kind": "plain", "tuner/epochs": 2}
    assert {"kind": "plain", "layers": 2, "residual": True} == completed(SPACE, values)
