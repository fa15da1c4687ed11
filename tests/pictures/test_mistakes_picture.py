"""The most confident mistakes: the right images under the right words."""

import numpy as np

from tuning.pictures.mistakes_picture import mistakes_picture, most_confident_mistakes
from tuning.pictures.scored import Scored

IMAGES = np.arange(5 * 16, dtype=np.uint8).reshape(5, 4, 4)


def test_the_surest_mistake_comes_first(scored: Scored) -> None:
    """Right answers are left out, however sure."""
    assert [3, 2] == most_confident_mistakes(scored).tolist()
    assert [3] == most_confident_mistakes(scored, n=1).tolist()


def test_each_image_stands_under_predicted_and_true_class(scored: Scored) -> None:
    """With the confidence; the title says how many there are in all."""
    images = IMAGES.copy()
    images[3, 0, 1] = 255  # a bright pixel by which the image is known
    figure = mistakes_picture("tuned", scored, images)
    first, second = figure.axes[:2]
    assert ["predicted 2: 90.0 %\ntrue 0", "predicted 0: 60.0 %\ntrue 1"] == [first.get_title(), second.get_title()]
    assert (0, 1) == np.unravel_index(np.argmax(first.images[0].get_array()), (4, 4))
    assert "tuned: the 2 most confident of 2 mistakes on 5 test images" == figure.get_suptitle()
    assert all(not axes.images for axes in figure.axes[2:])


def test_a_model_without_mistakes_says_so() -> None:
    """No empty grid without a word."""
    assert "no mistakes" in mistakes_picture("x", Scored(np.eye(5), np.arange(5), 1.0), IMAGES).get_suptitle()
