"""The confusion matrix: rows are true classes, columns predicted ones."""

import numpy as np

from tuning.pictures.confusion_picture import confusion_matrix, confusion_picture
from tuning.pictures.scored import Scored


def test_counts_stand_at_true_row_and_predicted_column(scored: Scored) -> None:
    """A one taken for a zero, a zero taken for a two."""
    assert [[2, 0, 1], [1, 1, 0], [0, 0, 0]] == confusion_matrix(scored).tolist()


def test_every_count_is_written_and_errors_alone_are_coloured(scored: Scored) -> None:
    """The many right answers would make all errors equally pale."""
    (axes,) = confusion_picture({"tuned": scored}).axes
    written = {tuple(text.get_position()): text.get_text() for text in axes.texts}
    assert {(0, 0): "2", (2, 0): "1", (0, 1): "1", (1, 1): "1"} == written
    assert [[0, 0, 1], [1, 0, 0], [0, 0, 0]] == np.asarray(axes.images[0].get_array()).tolist()
    assert "tuned: 2 errors of 5" == axes.get_title()


def test_many_classes_are_drawn_without_numbers() -> None:
    """A hundred numbers a row cannot be read."""
    many = Scored(np.eye(30), np.arange(30), 1.0)
    assert [] == list(confusion_picture({"x": many}).axes[0].texts)
