"""What was shipped against the trial that the study began with."""

import pytest

from benchmarks.live_start import of_start, row, standard_errors
from tuning.compare.record import Moment, Scores, StudyRecord


def study(repeat: int, start_loss: float, shipped_loss: float) -> StudyRecord:
    """Two trials; the second one is shipped, with half of the start's error."""
    return StudyRecord(
        sampler="overfit-backoff",
        repeat=repeat,
        seed=repeat,
        stop_reason="",
        moments=(Moment(1, 2.0, 0), Moment(2, 4.0, 1)),
        shipped=1,
        params={},
        validation={},
        test={0: Scores(start_loss, 0.04), 1: Scores(shipped_loss, 0.02)},
    )


STUDIES = [study(0, 0.5, 0.4), study(1, 0.6, 0.3)]


def test_the_start_is_what_the_study_would_have_shipped_first() -> None:
    """Scored in the same opening of the test set."""
    start = of_start(STUDIES[0])
    assert (0, 0.5) == (start.shipped, start.test[start.shipped].loss)


def test_differences_are_those_of_each_study() -> None:
    """Gains of 0.1 and 0.3: 0.2 with a standard error of 0.1; the errors differ by two points in both."""
    assert 2.0 == pytest.approx(standard_errors(STUDIES))
    cells = row("live", STUDIES).split(" | ")
    assert ["| live", "2", "4.00 ± 0.00", "0.5500 ± 0.6353"] == cells[:4]
    assert cells[4].startswith("-2.00")
    assert cells[5].startswith("-0.2000")
