"""Raw inputs become numbers around 0 to 1, whatever their unit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tuning.data.scaling import InputScaling, input_scaling


@pytest.mark.parametrize(("highest", "scale"), [(255, 1 / 255), (17, 1 / 255), (16, 1 / 16), (1, 1.0), (0, 1.0)])
def test_uint8_is_scaled_by_its_levels(highest: int, scale: float) -> None:
    """Pixels of 0 to 255 are divided by 255, the 0 to 16 of scikit-learn's digits by 16."""
    inputs = np.zeros((5, 2, 2), np.uint8)
    inputs[0, 0, 0] = highest

    scaling = input_scaling(inputs)

    assert (scaling.offset, scaling.scale) == (0.0, scale)


def test_float_pictures_are_mapped_from_their_range() -> None:
    """Pictures of -1 to 3 become pictures of 0 to 1."""
    inputs = np.linspace(-1, 3, 8, dtype=np.float32).reshape(2, 2, 2)

    scaling = input_scaling(inputs)

    assert (scaling.offset, scaling.scale) == (-1.0, 0.25)


def test_features_are_standardised_one_by_one() -> None:
    """Each feature gets its own mean and deviation; a constant one is only shifted."""
    inputs = np.array([[10, 0.1, -2], [30, 0.1, 2]] * 5, np.float32)

    scaling = input_scaling(inputs)

    np.testing.assert_allclose(scaling.offset, [20, 0.1, 0], rtol=1e-6)
    np.testing.assert_allclose(scaling.scale, [0.1, 1, 0.5], rtol=1e-6)


shapes = hnp.array_shapes(min_dims=2, max_dims=4, max_side=5)
float_inputs = hnp.arrays(np.float32, shapes, elements=st.floats(-(2.0**100), 2.0**100, width=32))
pixel_inputs = hnp.arrays(np.uint8, shapes)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(inputs=float_inputs | pixel_inputs)
def test_scaled_training_inputs_are_finite_and_small(inputs: np.ndarray) -> None:
    """Any finite inputs, however large, small or constant, come out within the reach of a network."""
    scaling = input_scaling(inputs)

    scaled = (inputs.astype(np.float64) - scaling.offset) * scaling.scale

    assert np.isfinite(scaled).all()
    # One outlier among n values lies sqrt(n - 1) deviations out, twice that if float32 rounds the mean.
    assert np.abs(scaled).max() <= max(1.0, 2 * np.sqrt(len(inputs))) * 1.001


@pytest.mark.parametrize(("offset", "scale"), [(np.nan, 1.0), (0.0, np.inf), (0.0, 0.0), (0.0, -1.0)])
def test_impossible_scaling_is_refused(offset: float, scale: float) -> None:
    """A scaling that would destroy the inputs cannot be made."""
    with pytest.raises(ValueError, match="must be"):
        InputScaling(offset, scale)
