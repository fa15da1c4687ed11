"""A file that does not give what was scored is refused, and the refusal says by how much it differs."""

import numpy as np
import pytest

from tuning.errors import ExportError
from tuning.export.formats import ONNX, TFLITE, TFLITE_8BIT
from tuning.export.round_trip import check, differences

LABELS = np.arange(2000) % 4
SCORED = np.eye(4)[LABELS] * 0.7 + 0.075


def test_rounding_passes_and_more_than_that_does_not() -> None:
    """A float file may differ by 1e-5 of a probability."""
    check(ONNX, SCORED + 9e-6, SCORED, LABELS)
    spoiled = SCORED.copy()
    spoiled[1234, 2] += 2e-5
    with pytest.raises(ExportError, match=r"model.onnx, read back, differs .* by 2e-05 .* 0 of 2000 .* --format"):
        check(ONNX, spoiled, SCORED, LABELS)


def test_large_logits_have_a_tolerance_of_their_own_size() -> None:
    """Float32 has seven digits, wherever the point is."""
    check(TFLITE, 1e4 * SCORED + 0.05, 1e4 * SCORED, LABELS)


@pytest.mark.parametrize("outputs", [SCORED[:, :3], SCORED[:-1], np.where(SCORED > 0.5, np.nan, SCORED)])
def test_another_shape_or_nan_is_never_equal(outputs: np.ndarray) -> None:
    """A broken converter may give anything."""
    for format in (TFLITE, TFLITE_8BIT):
        with pytest.raises(ExportError, match="differs from the scored model by inf"):
            check(format, outputs, SCORED, LABELS)


def test_a_quantized_file_may_lose_a_tenth_of_a_point() -> None:
    """Its outputs may differ, its accuracy by no more than two of 2000 examples."""
    changed = SCORED.copy()
    changed[:2] = np.roll(SCORED[:2], 1, axis=1)
    check(TFLITE_8BIT, changed, SCORED, LABELS)
    assert (pytest.approx(0.7), 2) == differences(changed, SCORED)
    changed[2] = np.roll(SCORED[2], 1)
    with pytest.raises(ExportError, match="by 3 of 2000"):
        check(TFLITE_8BIT, changed, SCORED, LABELS)
