"""Learning curves: every trial's overfit point, and the shipped trial beside the others."""

import pytest

from tuning.pictures.curves_picture import TrialCurves, curves_picture

START = TrialCurves("trial 0: start", [0.5, 0.1, 0.01], [0.6, 0.3, 0.4], best_epoch=2)
SHIPPED = TrialCurves("trial 4: shipped", [0.6, 0.3, 0.2, 0.1], [0.7, 0.3, 0.22, 0.2], best_epoch=4)


def test_the_best_epoch_is_marked_on_the_validation_loss() -> None:
    """A line at the epoch, a point on the curve, both numbers in the title."""
    axes = curves_picture([START, SHIPPED], "x", shipped=1).axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    assert [2, 2] == list(lines["overfit point: the best epoch, whose weights were kept"].get_xdata())
    assert [[2.0, 0.3]] in [line.get_xydata().tolist() for line in axes.lines if line.get_marker() == "o"]
    assert "trial 0: start\n0.3 at epoch 2 of 3" == axes.get_title()
    assert START.train_loss == list(lines["training loss"].get_ydata())


def test_the_others_show_the_shipped_trial_too() -> None:
    """What is compared stands in one panel."""
    figure = curves_picture([START, SHIPPED], "x", shipped=1)
    label = "validation loss of the shipped trial"
    shown = [[list(line.get_ydata()) for line in axes.lines if line.get_label() == label] for axes in figure.axes]
    assert [[SHIPPED.val_loss], []] == shown


def test_long_changes_are_shortened() -> None:
    """A title stays inside its panel."""
    change = TrialCurves("trial 5: neighbour, " + "units 256 → 512, " * 5, [0.1], [0.2], best_epoch=1)
    title = curves_picture([SHIPPED, change], "x", shipped=0).axes[1].get_title()
    assert max(map(len, title.split("\n"))) <= 55


@pytest.mark.parametrize(("train_loss", "best_epoch"), [([0.1], 1), ([0.1, 0.2], 0), ([0.1, 0.2], 3)])
def test_curves_that_do_not_fit_together_are_refused(train_loss: list[float], best_epoch: int) -> None:
    """Of different lengths, or a best epoch that never was."""
    with pytest.raises(ValueError, match="got"):
        TrialCurves("x", train_loss, [0.3, 0.2], best_epoch)
