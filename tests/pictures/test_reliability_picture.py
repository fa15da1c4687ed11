"""Reliability: what is drawn is the share of right answers in each bin, before and after the temperature."""

import numpy as np
import pytest

from tuning.pictures.reliability_picture import Bin, reliability_bins, reliability_picture
from tuning.pictures.scored import Scored


def test_bins_hold_confidence_and_right_answers(scored: Scored) -> None:
    """Each closed on the right; empty ones are left out."""
    bins = reliability_bins(np.array([[0.5, 0.5], [0.52, 0.48], [0.42, 0.58], [0.0, 1.0]]), np.array([0, 0, 0, 1]))
    assert [Bin(1, 0.5, 1), Bin(2, pytest.approx(0.55), 1), Bin(1, 1.0, 1)] == bins


def test_temperature_divides_the_logits() -> None:
    """At temperature 2 the odds are the square root of what they were."""
    cold = Scored(np.log([[0.8, 0.2]]), np.array([0]), 2.0)
    assert [[pytest.approx(2 / 3), pytest.approx(1 / 3)]] == cold.probabilities().tolist()
    assert [[pytest.approx(0.8), pytest.approx(0.2)]] == cold.probabilities(calibrated=False).tolist()


def test_every_model_has_a_panel_with_both_curves(scored: Scored) -> None:
    """The points lie at mean confidence and share that is right; the title tells both errors and the temperature."""
    figure = reliability_picture({"one": scored, "other": Scored(scored.logits, scored.labels, 2.0)})
    one, other = figure.axes[:2]
    assert one.get_title().startswith("one\nECE ")
    assert other.get_title().endswith("at T = 2")
    raw, after = (container.lines[0].get_xydata().tolist() for container in other.containers)
    assert [[0.5, 1.0], [0.6, 0.0], [0.7, 1.0], [0.8, 1.0], [0.9, 0.0]] == np.round(raw, 6).tolist()
    assert max(confidence for confidence, _ in after) < 0.9


@pytest.mark.parametrize(("labels", "temperature"), [([0], 1.0), ([0, 1, 1, 0, 0], 0.0)])
def test_scores_that_do_not_fit_are_refused(scored: Scored, labels: list[int], temperature: float) -> None:
    """Fewer labels than examples, or an impossible temperature."""
    with pytest.raises(ValueError, match="got"):
        Scored(scored.logits, np.array(labels), temperature)
