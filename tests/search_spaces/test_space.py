"""A whole search space: points and parameters, the space of the fully connected network, and its fingerprint."""

import copy
import itertools
import json
import pickle
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces import Lever, Role, Scale, SearchSpace, learning_rate, mlp_space

MLP = mlp_space()
GRID_POINTS = st.tuples(*(st.sampled_from(lever.grid()) for lever in MLP.levers))
WIDTH = Lever("width", Role.CAPACITY, 1, 4, Scale.INTEGER, step=1.0, start=2)
NOISE = Lever("noise", Role.REGULARIZATION, 0.0, 1.0, Scale.LINEAR, step=0.5, start=0.0)
SMALL = SearchSpace("small", (WIDTH, NOISE))


@given(GRID_POINTS)
def test_a_grid_point_survives_the_way_to_parameters_and_back(point: tuple[float, ...]) -> None:
    """What was decided and what is read back from a storage are the same point."""
    assert point == MLP.point(MLP.params(point))
    assert point == MLP.snap(point)


def test_the_mlp_space_has_the_documented_levers() -> None:
    """Names, order and roles are what the commands, the models and the strategy rely on."""
    assert {
        "units": ("capacity", 16, 2048),
        "layers": ("capacity", 1, 6),
        "dropout": ("regularization", 0.0, 0.8),
        "l2": ("regularization", 1e-7, 1e-1),
        "learning_rate_scale": ("nuisance", 0.1, 10.0),
    } == {lever.name: (lever.role, lever.low, lever.high) for lever in MLP.levers}


def test_the_mlp_search_starts_unregularized() -> None:
    """Overfit first: nothing restrains the first network."""
    start = {"units": 256, "layers": 2, "dropout": 0.0, "l2": 0.0, "learning_rate_scale": 1.0}
    assert start == MLP.start()


def test_a_start_between_grid_points_becomes_the_nearest_one() -> None:
    """Every point that the strategy handles lies on the grid, the first one too."""
    units = Lever("units", Role.CAPACITY, 16, 2048, Scale.LOG2_INTEGER, step=1.0, start=300)
    assert {"units": 256} == SearchSpace("one", (units,)).start()


def test_levers_are_found_by_role() -> None:
    """Roles are all that the strategy knows of a lever's meaning."""
    assert (0, 1) == MLP.indices(Role.CAPACITY)
    assert (2, 3) == MLP.indices(Role.REGULARIZATION)
    assert () == SMALL.indices(Role.NUISANCE)


def test_levers_that_differ_by_a_number_are_one_group() -> None:
    """Blocks of one network grow together; their number, on which they depend, comes after all of them."""
    blocks = Lever("blocks", Role.CAPACITY, 1, 2, Scale.INTEGER, step=1.0, start=1)
    filters = replace(WIDTH, name="conv0_filters")
    second = replace(filters, name="conv1_filters", active_if=(("blocks", (2,)),))
    space = SearchSpace("net", (blocks, filters, WIDTH, second, NOISE))
    assert ((1, 3), (2,), (0,)) == space.groups(Role.CAPACITY)
    assert ((0,), (1,)) == MLP.groups(Role.CAPACITY)
    assert () == space.groups(Role.NUISANCE)


def test_a_missing_lever_is_named() -> None:
    """The message says which, and what there was."""
    with pytest.raises(ValueError, match=r"'noise' is missing, got only \['width'\]"):
        SMALL.point({"width": 2})


def test_a_value_outside_the_range_is_named_with_the_range() -> None:
    """The message says rule and value."""
    with pytest.raises(ValueError, match=r"`width` must be in \[1, 4\], got 5"):
        SMALL.point({"width": 5, "noise": 0.0})


@given(st.fixed_dictionaries({lever.name: st.floats(lever.low, lever.high) for lever in SMALL.levers}))
def test_the_nearest_point_is_that_of_the_snapped_coordinates(params: dict[str, float]) -> None:
    """Between grid points as on them; what no point is near to is refused as `point` refuses it."""
    params = {**params, "width": round(params["width"])}
    assert SMALL.nearest_point(params) == SMALL.snap(SMALL.point(params))
    for wrong, message in (({"width": 5}, r"`width` must be in \[1, 4\]"), ({"width": "2"}, "`width` must be in")):
        with pytest.raises(ValueError, match=message):
            SMALL.nearest_point({**params, **wrong})
    with pytest.raises(ValueError, match="'noise' is missing"):
        SMALL.nearest_point({"width": 2})


def test_a_space_travels_to_other_processes_and_is_copied() -> None:
    """What it has cached stays behind."""
    SMALL.nearest_point({"width": 2, "noise": 0.4})
    for other in (pickle.loads(pickle.dumps(SMALL)), copy.deepcopy(SMALL)):
        assert other == SMALL
        assert SMALL.nearest_point({"width": 2, "noise": 0.4}) == other.nearest_point({"width": 2, "noise": 0.4})


def test_parameters_of_other_objectives_are_ignored() -> None:
    """An objective may have parameters outside the space."""
    assert (2.0, 0.5) == SMALL.point({"width": 2, "noise": 0.5, "batch_size": 32})


def test_configurations_are_counted() -> None:
    """Four widths times three noises."""
    assert 12 == SMALL.n_configurations
    assert 12 == len(set(itertools.product(*(lever.grid() for lever in SMALL.levers))))


def test_every_lever_has_a_distribution() -> None:
    """`study.ask(space.distributions())` suggests them all."""
    assert [lever.name for lever in MLP.levers] == list(MLP.distributions())


def test_fingerprints_tell_spaces_apart_and_survive_json() -> None:
    """Two studies share a space if and only if the fingerprints are equal."""
    other = SearchSpace("small", (WIDTH, Lever("noise", Role.REGULARIZATION, 0.0, 2.0, Scale.LINEAR, 0.5, 0.0)))
    assert SMALL.fingerprint() == json.loads(json.dumps(SMALL.fingerprint()))
    assert SMALL.fingerprint() != other.fingerprint()


def test_a_space_without_levers_is_refused() -> None:
    """There would be nothing to search."""
    with pytest.raises(ValueError, match="at least one lever"):
        SearchSpace("empty", ())


def test_two_levers_of_one_name_are_refused() -> None:
    """Optuna knows parameters by name alone."""
    with pytest.raises(ValueError, match="unique"):
        SearchSpace("twins", (WIDTH, WIDTH))


@pytest.mark.parametrize(("units", "scale", "rate"), [(256, 1.0, 1e-3), (1024, 1.0, 5e-4), (256, 3.0, 3e-3)])
def test_the_learning_rate_falls_as_one_over_the_root_of_the_width(units: int, scale: float, rate: float) -> None:
    """1e-3 at 256 units, half of it at four times the width."""
    assert rate == pytest.approx(learning_rate(units, scale))
