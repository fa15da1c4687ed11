"""The families that ship: every corner of their spaces is a network for their data."""

import numpy as np
import pytest

from models.families import family_named
from models.inputs import InputFormat
from search_spaces import SPACES, Role

FORMS = {
    "mlp": InputFormat((5, 4), "uint8", 0.0, 1 / 255),
    "cnn": InputFormat((5, 4), "uint8", 0.0, 1 / 255),
    "tabular": InputFormat((3,), "float32", np.ones(3, np.float32), np.ones(3, np.float32)),
}


@pytest.mark.parametrize("name", SPACES)
def test_a_family_builds_seeded_networks_of_logits(name: str) -> None:
    """The same seed gives the same weights, and every lever acts."""
    family = family_named(name)
    model, again = (family.build(family.space.start(), FORMS[name], 3, 1) for _ in range(2))
    assert (None, 3) == model.output_shape
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), again.get_weights(), strict=True))
    assert 0 < family.learning_rate(family.space.start()) < 0.1
    assert {Role.CAPACITY, Role.REGULARIZATION, Role.NUISANCE} == {lever.role for lever in family.space.levers}


@pytest.mark.parametrize("name", SPACES)
def test_more_capacity_is_more_weights(name: str) -> None:
    """Each capacity lever raises their number by itself."""
    family = family_named(name)
    start = family.space.start()
    n_params = family.build(start, FORMS[name], 3, 0).count_params()
    for j in family.space.indices(Role.CAPACITY):
        lever = family.space.levers[j]
        more = {**start, lever.name: lever.value(lever.coordinate(start[lever.name]) + lever.first_step)}
        assert n_params < family.build(more, FORMS[name], 3, 0).count_params()


def test_the_cnn_takes_colours_and_refuses_features() -> None:
    """Height, width and perhaps channels."""
    family = family_named("cnn")
    assert (None, 3) == family.build(family.space.start(), InputFormat((6, 6, 3), "uint8", 0.0, 1.0), 3, 0).output_shape
    with pytest.raises(ValueError, match="needs images"):
        family.build(family.space.start(), FORMS["tabular"], 3, 0)
