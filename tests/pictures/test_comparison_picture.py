"""The picture of a comparison, really rendered: what a reader finds in it."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from tuning.pictures.comparison_picture import Line, comparison_picture

X = np.arange(1.0, 5.0)
OURS = Line(X, np.array([np.nan, 0.05, 0.04, 0.03]), np.full(4, 0.01))
SINGLE = Line(X, np.array([0.9, 0.06, 0.06, 0.05]), np.full(4, np.nan))
PANELS = {
    (row, axis): {"ours": OURS, "tpe": SINGLE} for row in ("validation", "test") for axis in ("trials", "seconds")
}


def drawn(n_repeats: int = 3) -> Figure:
    """A figure whose layout is computed."""
    figure = comparison_picture(PANELS, "mlp on digits", n_repeats)
    figure.draw_without_rendering()
    return figure


def test_every_panel_has_every_engine() -> None:
    """What is measured names the rows, over what the columns; one legend for all."""
    figure = drawn()
    assert 4 == len(figure.axes)
    assert [["ours", "tpe"]] * 4 == [[line.get_label() for line in axes.lines] for axes in figure.axes]
    assert ["validation", "test"] == [axes.get_ylabel() for axes in figure.axes[::2]]
    assert ["trials", "seconds"] == [axes.get_xlabel() for axes in figure.axes[2:]]
    assert "95 % interval over 3 repeats" in figure.legends[0].get_title().get_text()


def test_a_bad_first_network_presses_nothing_into_a_line() -> None:
    """The axis follows the rest."""
    assert drawn().axes[0].get_ylim()[1] < 0.1


def test_without_repeats_no_interval_is_promised() -> None:
    """There is none to shade."""
    assert "interval" not in drawn(1).legends[0].get_title().get_text()


def test_nothing_cannot_be_drawn() -> None:
    """It is an error, not an empty picture."""
    with pytest.raises(ValueError, match="at least one panel"):
        comparison_picture({}, "nothing", 1)
