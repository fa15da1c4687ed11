"""An image on the left, bars on the right: their heights are probabilities, the predicted one is blue."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex

from tuning.pictures.confidence_picture import choose_examples, confidence_picture, prediction_picture
from tuning.pictures.scored import Scored
from tuning.pictures.style import BLUE, percent, save

IMAGES = np.arange(5 * 16, dtype=np.uint8).reshape(5, 4, 4)


@pytest.fixture
def other(scored: Scored) -> Scored:
    """A model that is right but for the third example, where it makes the same mistake."""
    right = np.eye(3)[scored.labels]
    right[2] = [1, 0, 0]
    return Scored(np.log(0.1 + 0.7 * right), scored.labels, 1.0)


def test_right_wrong_and_disagreeing_examples_are_chosen(scored: Scored, other: Scored) -> None:
    """Two that both get right, then what both get wrong, then the disagreement; the seed decides which two."""
    choices = [choose_examples(scored, other, seed).tolist() for seed in range(20)]
    assert all(len(choice) == 4 and set(choice[:2]) <= {0, 1, 4} and choice[2:] == [2, 3] for choice in choices)
    assert len({tuple(choice) for choice in choices}) > 1
    assert choices[3] == choose_examples(scored, other, 3).tolist()


def test_bars_are_probabilities_and_the_predicted_one_is_blue(scored: Scored, other: Scored) -> None:
    """For both models beside the image; the last row is the image on which they disagree."""
    figure = confidence_picture(IMAGES, {"baseline": scored, "tuned": other}, seed=0)
    image, baseline, tuned = figure.axes[-3:]
    assert "true: 0" == image.get_ylabel()
    assert ["baseline: 2, wrong", "tuned: 0, right"] == [baseline.get_title(), tuned.get_title()]
    for axes, expected in ((baseline, scored), (tuned, other)):
        heights = [bar.get_height() for bar in axes.patches]
        assert heights == pytest.approx(expected.probabilities()[3])
        colors = [to_hex(bar.get_facecolor()).upper() for bar in axes.patches]
        assert [int(np.argmax(heights))] == [i for i, color in enumerate(colors) if color == BLUE]
    assert "90.0 %" in [text.get_text() for text in baseline.texts]


def test_of_many_classes_the_ten_most_probable_are_drawn() -> None:
    """Each under its own number."""
    probabilities = np.linspace(0, 1, 30) / np.linspace(0, 1, 30).sum()
    axes = prediction_picture([("x.png", IMAGES[0])], probabilities, "").axes[-1]
    assert [str(i) for i in range(20, 30)] == [label.get_text() for label in axes.get_xticklabels()]
    assert [bar.get_height() for bar in axes.patches] == pytest.approx(probabilities[20:])


def test_a_name_with_dollar_signs_is_no_formula(tmp_path: Path) -> None:
    """Such as that of a file; matplotlib would refuse to draw it."""
    named = r"$\frac$ of [/b]"
    figure = prediction_picture([(named, IMAGES[0])], np.full(10, 0.1), named)
    assert (tmp_path / "out.svg") == save(figure, tmp_path / "out.svg")


def test_a_picture_of_one_model_is_refused(scored: Scored) -> None:
    """It compares two."""
    with pytest.raises(ValueError, match="two models, got 1"):
        confidence_picture(IMAGES, {"x": scored}, seed=0)


@pytest.mark.parametrize(
    ("share", "words"), [(1.0, "100.0 %"), (0.99999, "> 99.9 %"), (0.5, "50.0 %"), (1e-9, "< 0.1 %"), (0.0, "0.0 %")]
)
def test_no_probability_is_rounded_to_certainty(share: float, words: str) -> None:
    """A hundred per cent is written where it is a hundred per cent."""
    assert words == percent(share)
