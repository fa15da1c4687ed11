"""Levers of choices, levers without a role, and levers that do something only sometimes."""

import json

import pytest

from search_spaces import Lever, Role, Scale, SearchSpace, choice

LAYERS = Lever("layers", Role.CAPACITY, 1, 3, Scale.INTEGER, step=1.0, start=1)
SECOND = Lever("second", Role.CAPACITY, 8, 32, Scale.LOG2_INTEGER, 1.0, 16, active_if=(("layers", (2, 3)),))
SPACE = SearchSpace("conditional", (LAYERS, SECOND, choice("activation", ("relu", "tanh", "elu"))))


def test_choices_are_rungs() -> None:
    """A choice of words has a coordinate, a distribution, and comes back as it was."""
    lever = SPACE.levers[2]
    assert ("tanh", 1.0) == (lever.value(1.0), lever.coordinate("tanh"))
    assert lever.contains("elu") and not lever.contains("gelu") and not lever.contains(1)
    assert ("relu", "tanh", "elu") == lever.distribution().choices  # type: ignore[attr-defined]


@pytest.mark.parametrize("choices", [(), ("relu",), ("relu", "relu")])
def test_choices_are_two_different_ones_at_least(choices: tuple[str, ...]) -> None:
    """One value is nothing to search."""
    with pytest.raises(ValueError, match="at least two different values"):
        choice("activation", choices)


def test_points_that_train_the_same_network_are_one_point() -> None:
    """The units of a second layer do not matter to a network of one."""
    assert (1.0, 4.0, 0.0) == SPACE.snap((1.0, 5.0, 0.0))
    assert (2.0, 5.0, 0.0) == SPACE.snap((2.0, 5.0, 0.0))


def test_a_lever_that_came_along_has_not_moved() -> None:
    """With a second layer its units come too: the experiment was on the layers."""
    assert 0 == SPACE.moved((2.0, 5.0, 0.0), (1.0, 4.0, 0.0))
    assert SPACE.moved((2.0, 5.0, 0.0), (3.0, 4.0, 0.0)) is None


def test_a_space_comes_back_from_its_fingerprint() -> None:
    """Commands that come later know a study's levers by it alone."""
    assert SPACE == SearchSpace.from_fingerprint(json.loads(json.dumps(SPACE.fingerprint())))


def test_a_condition_names_an_earlier_lever() -> None:
    """Otherwise two levers could wait for each other."""
    with pytest.raises(ValueError, match="must depend on levers that stand before it"):
        SearchSpace("wrong", (SECOND, LAYERS))


def test_roles_are_corrected_by_name() -> None:
    """An unknown name is answered with the known ones."""
    assert Role.REGULARIZATION == SPACE.with_roles({"second": Role.REGULARIZATION}).levers[1].role
    with pytest.raises(ValueError, match="known: layers, second, activation"):
        SPACE.with_roles({"third": None})
