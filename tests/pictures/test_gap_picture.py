"""The generalization gap over capacity: every trial named, the shipped one marked, no name on top of another."""

from tuning.pictures.gap_picture import GapPoint, gap_picture

POINTS = [
    GapPoint(0, 100_000, 0.10, is_regularized=False, is_shipped=False),
    GapPoint(1, 100_000, 0.06, is_regularized=True, is_shipped=False),
    GapPoint(2, 100_000, 0.101, is_regularized=False, is_shipped=False),
    GapPoint(3, 400_000, 0.05, is_regularized=True, is_shipped=True),
]


def test_close_points_share_a_label_and_the_shipped_one_is_ringed() -> None:
    """Repeats of a configuration lie on top of each other."""
    axes = gap_picture(POINTS, "x").axes[0]
    assert {"0, 2", "1", "3 (shipped)"} == {text.get_text() for text in axes.texts}
    (ring,) = [line for line in axes.lines if line.get_label() == "shipped"]
    assert [[400_000.0, 0.05]] == ring.get_xydata().tolist()


def test_a_study_without_values_says_so() -> None:
    """An empty plot would be taken for an error."""
    assert ["no trial has a value yet"] == [text.get_text() for text in gap_picture([], "x").axes[0].texts]
