"""One lever: values and natural coordinates, the grid, Optuna's distributions, and levers that cannot be."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from search_spaces import Lever, Role, Scale

UNITS = Lever("units", Role.CAPACITY, 16, 2048, Scale.LOG2_INTEGER, step=0.5, start=256)
LAYERS = Lever("layers", Role.CAPACITY, 1, 6, Scale.INTEGER, step=1.0, start=2)
DROPOUT = Lever("dropout", Role.REGULARIZATION, 0.0, 0.8, Scale.LINEAR, step=0.1, start=0.0)
RATE = Lever("rate", Role.NUISANCE, 1e-4, 1e-1, Scale.LOG10, step=1 / 3, start=1e-3)
L2 = Lever("l2", Role.REGULARIZATION, 1e-7, 1e-1, Scale.LOG10_OR_ZERO, step=0.5, start=0.0)
# Bounds that are no grid values, and that rounding to three digits would leave.
ODD = Lever("odd", Role.NUISANCE, 1.2345e-4, 8.7654e-2, Scale.LOG10, step=0.4, start=1e-3)
LEVERS = pytest.mark.parametrize("lever", [UNITS, LAYERS, DROPOUT, RATE, L2, ODD], ids=lambda lever: lever.name)


@LEVERS
def test_every_grid_value_has_its_own_coordinate(lever: Lever) -> None:
    """Rounding to whole units or three digits must not make a grid point miss itself."""
    assert list(lever.grid()) == [lever.coordinate(lever.value(x)) for x in lever.grid()]


@LEVERS
def test_every_grid_value_lies_in_the_range_and_in_optunas_distribution(lever: Lever) -> None:
    """A value outside the distribution would be refused by Optuna and sampled at random instead."""
    distribution = lever.distribution()
    values = [lever.value(x) for x in lever.grid()]
    assert all(lever.contains(value) for value in values)
    assert all(distribution._contains(distribution.to_internal_repr(value)) for value in values)


@LEVERS
@given(share=st.floats(0, 1))
def test_snapping_gives_a_grid_value_and_a_second_time_the_same(lever: Lever, share: float) -> None:
    """Any place in the range has one nearest grid value."""
    value = lever.value(lever.bottom + share * lever.span)
    snapped = lever.snap(value)
    assert snapped in [lever.value(x) for x in lever.grid()]
    assert snapped == lever.snap(snapped)


@pytest.mark.parametrize(
    ("lever", "value", "coordinate"),
    [
        (UNITS, 256, 8.0),
        (UNITS, 23, 4.5),  # 2^4.5 = 22.6
        (LAYERS, 3, 3.0),
        (DROPOUT, 0.3, 0.3),
        (RATE, 1e-3, -3.0),
        (RATE, 0.00215, -2.666667),
        (L2, 1e-7, -7.0),
        (L2, 0.0, -7.5),  # the rung below the smallest
    ],
)
def test_natural_coordinates_are_octaves_tenths_and_decades(lever: Lever, value: float, coordinate: float) -> None:
    """Equal steps on a lever have about equal effect."""
    assert coordinate == lever.coordinate(value)
    assert value == lever.value(coordinate)


def test_integer_scales_give_integers() -> None:
    """Keras refuses 256.0 units."""
    assert {int} == {type(lever.value(x)) for lever in (UNITS, LAYERS) for x in lever.grid()}


def test_a_value_between_grid_points_keeps_its_own_coordinate() -> None:
    """300 units are not 256: only snapping says so."""
    assert 8.228819 == UNITS.coordinate(300)
    assert 8.0 == UNITS.nearest(UNITS.coordinate(300))


@pytest.mark.parametrize(("coordinate", "nearest"), [(-3.0, 4.0), (99.0, 11.0), (4.3, 4.5)])
def test_the_nearest_grid_coordinate_lies_inside_the_range(coordinate: float, nearest: float) -> None:
    """A step over the edge ends at the edge."""
    assert nearest == UNITS.nearest(coordinate)


@pytest.mark.parametrize(
    ("lever", "value", "contained"),
    [
        (UNITS, 16, True),
        (UNITS, 15, False),
        (UNITS, 100.5, False),
        (UNITS, float("nan"), False),
        (DROPOUT, 0.8, True),
        (DROPOUT, 0.81, False),
        (L2, 0.0, True),
        (L2, 1e-8, False),
    ],
)
def test_a_lever_contains_its_range_and_whole_numbers_where_it_counts(
    lever: Lever, value: float, contained: bool
) -> None:
    """The zero rung belongs to the range, the gap above it does not."""
    assert contained == lever.contains(value)


def test_distributions_are_integer_float_and_categorical() -> None:
    """A log scale with a zero has no numeric counterpart in Optuna."""
    assert IntDistribution(16, 2048, log=True) == UNITS.distribution()
    assert IntDistribution(1, 6) == LAYERS.distribution()
    assert FloatDistribution(0.0, 0.8) == DROPOUT.distribution()
    assert FloatDistribution(1e-4, 1e-1, log=True) == RATE.distribution()
    assert CategoricalDistribution([L2.value(x) for x in L2.grid()]) == L2.distribution()


def test_the_first_step_is_a_quarter_of_the_range_but_at_least_one_step() -> None:
    """A move must be long enough to be seen."""
    assert 1.75 == UNITS.first_step
    assert 1.0 == dataclasses.replace(LAYERS, high=3, first_step=0.0).first_step


def test_a_lever_is_plain_data() -> None:
    """A study's fingerprint is kept as JSON."""
    assert L2.as_dict() == json.loads(json.dumps(L2.as_dict()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"low": 4096}, "low < high"),
        ({"high": float("inf")}, "finite"),
        ({"low": float("nan")}, "finite"),
        ({"low": 0}, "`low` must be positive"),
        ({"low": 16.5}, "must be whole"),
        ({"start": 8}, "`start`"),
        ({"start": 100.5}, "`start`"),
        ({"step": 0.0}, "`step` must be positive"),
        ({"step": float("nan")}, "`step` must be positive"),
        ({"first_step": 0.25}, "first_step >= step"),
        ({"first_step": -1.0}, "first_step >= step"),
        ({"low": 1, "step": 0.25}, "two grid points one value"),
    ],
)
def test_a_lever_that_cannot_be_is_refused_by_name(changes: dict[str, float], message: str) -> None:
    """The rule, the value and the lever, at the place where it was written."""
    with pytest.raises(ValueError, match=message) as error:
        dataclasses.replace(UNITS, **changes)  # type: ignore[arg-type]
    assert "units" in str(error.value)
