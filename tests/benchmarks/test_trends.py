"""What the soak calls flat and linear."""

import numpy as np
import pytest

from benchmarks.trends import Growth, Quantity, flat, linear, table

AT = np.arange(200)
NOISE = np.random.default_rng(0).normal(size=200)


@pytest.mark.parametrize(
    ("values", "is_flat"),
    [
        (350 + NOISE, True),
        (350 + 0.1 * AT + NOISE, True),  # 6 % in all
        (350 + 0.3 * AT + NOISE, False),
        (20 + 0 * AT, True),
        (20 + AT // 60, False),  # a file more in every sixty trials
        (1 + 0.002 * AT + 2 * NOISE, True),  # it may as well be level
    ],
    ids=["level", "a little", "a leak", "constant", "open files", "noise"],
)
def test_flat_is_what_grows_by_less_than_a_tenth_or_by_luck(values: np.ndarray, is_flat: bool) -> None:
    """Over all that was seen."""
    assert is_flat == flat(Growth.of(AT, values))


@pytest.mark.parametrize(
    ("values", "is_linear"),
    [(1 + 0.02 * AT, True), (1 + 0.02 * AT + 1e-4 * AT**2, False), (1 + 0.02 * AT + NOISE, False)],
    ids=["line", "parabola", "no line"],
)
def test_linear_is_what_a_line_explains(values: np.ndarray, is_linear: bool) -> None:
    """A second half that is steeper is none."""
    assert is_linear == linear(Growth.of(AT, values))


def test_the_interval_holds_the_slope() -> None:
    """That of the noise around a known line."""
    growth = Growth.of(AT, 5 + 0.02 * AT + NOISE)
    assert growth.low < 0.02 * 199 < growth.high
    assert 4.5 < growth.level < 5.5


def test_a_few_points_are_no_trend() -> None:
    """Nor are many at one place."""
    for at in (range(5), [3] * 10):
        with pytest.raises(ValueError, match="6 points"):
            Growth.of(at, at)


def test_the_table_says_what_is_wrong() -> None:
    """In the units of a hundred trials."""
    rows = table([Quantity("files", AT, 20 + AT, flat), Quantity("journal", AT, 0.5 * AT, linear)]).splitlines()
    assert ["| files | 20 | +100 (+100 to +100) | 1.000 | NOT flat |"] == rows[2:3]
    assert rows[3].endswith("| +50 (+50 to +50) | 1.000 | linear |")
