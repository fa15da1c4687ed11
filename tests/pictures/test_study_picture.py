"""The picture of a study, really rendered: what a reader finds in it."""

import io
import math
import struct
from dataclasses import replace

import pytest
from matplotlib.figure import Figure

from tuning.pictures.study_picture import study_picture
from tuning.pictures.trials_panel import TrialPoint

START = TrialPoint(0, 0.24, 0.24, "cross the border", "start", "overfit_confidence")
CURVES = {
    "start (trial 0)": {"train_loss": [0.5, 0.2, 0.05, 0.01], "val_loss": [0.6, 0.26, 0.24, 0.29]},
    "best (trial 4)": {"train_loss": [0.6, 0.3, 0.2, 0.15], "val_loss": [0.7, 0.3, 0.22, 0.19]},
}


def study(n_trials: int = 5, sign: float = 1.0) -> list[TrialPoint]:
    """A search that gets better by 0.01 a trial."""
    later = [
        TrialPoint(i, sign * (0.24 - 0.01 * i), sign * (0.24 - 0.01 * i), "back off", f"dropout 0 → 0.{i}", "fit")
        for i in range(1, n_trials)
    ]
    return [TrialPoint(0, sign * 0.24, sign * 0.24, START.phase, START.label, START.fit_state), *later]


def png(figure: Figure) -> bytes:
    """The file that `savefig` writes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def notes(figure: Figure, panel: int) -> list[str]:
    """What is written inside a panel."""
    return [text.get_text() for text in figure.axes[panel].texts]


def test_twenty_trials_are_a_small_png_of_1600_by_700() -> None:
    """Small enough for a repository and an MLflow artifact."""
    picture = png(study_picture(study(20), CURVES, "val_loss", "mnist5k"))
    assert (1600, 700) == struct.unpack(">II", picture[16:24])
    assert len(picture) < 200_000


def test_picture_names_objective_study_and_changes() -> None:
    """Title, axis, and under every trial what it changed."""
    figure = study_picture(study(3), CURVES, "val_loss", "mnist5k, 3 trials")
    trials = figure.axes[0]
    assert "mnist5k, 3 trials" == figure.get_suptitle()
    assert "val_loss (nats)" == trials.get_ylabel()
    assert ["start", "dropout 0 → 0.1", "dropout 0 → 0.2"] == [label.get_text() for label in trials.get_xticklabels()]


def test_legends_explain_states_phases_and_curves() -> None:
    """Only the fit states that occur, in plain words."""
    figure = study_picture(study(3), CURVES, "val_loss", "")
    legend = figure.subfigs[1].legends[0]
    phases = ["phase: cross the border", "phase: back off"]
    expected = [*phases, "best so far", "overfit confidence", "fit"]
    assert expected == [text.get_text() for text in legend.get_texts()]
    names = [f"{name}: {part}" for name in CURVES for part in ("training", "validation")]
    assert names == [text.get_text() for text in figure.axes[1].get_legend().get_texts()]


def test_labels_do_not_overlap_with_twenty_trials() -> None:
    """Neighbouring changes stand at least their own height apart, and none leaves the picture."""
    figure = study_picture(study(20), CURVES, "val_loss", "")
    png(figure)
    labels = figure.axes[0].get_xticklabels()
    assert all(figure.bbox.contains(*label.get_window_extent().min) for label in labels)
    anchors = [label.get_transform().transform(label.get_position())[0] for label in labels]
    height = labels[0].get_fontsize() * figure.dpi / 72
    distances = [right - left for left, right in zip(anchors, anchors[1:], strict=False)]
    assert min(distances) * math.sin(math.radians(labels[0].get_rotation())) > height


def test_long_change_is_shortened() -> None:
    """A change of many levers must not take the room of the plot."""
    change = TrialPoint(1, 0.2, 0.2, "back off", "units 256 → 512, dropout 0 → 0.2, l2 0 → 1e-4", "fit")
    label = study_picture([START, change], CURVES, "val_loss", "").axes[0].get_xticklabels()[1].get_text()
    assert len(label) <= 30
    assert label.endswith("…")


def test_every_phase_has_its_own_stretch() -> None:
    """Also one that comes back; it stands in the legend once."""
    phases = ["cross the border", "back off", "back off", "local model", "back off"]
    trials = [TrialPoint(i, 0.2, 0.2, phase, "", "fit") for i, phase in enumerate(phases)]
    spans = study_picture(trials, {}, "val_loss", "").axes[0].patches
    assert [(-0.5, 0.5), (0.5, 2.5), (2.5, 3.5), (3.5, 4.5)] == [(s.get_x(), s.get_x() + s.get_width()) for s in spans]
    named = [span.get_label() for span in spans if span.get_label()]
    assert ["phase: cross the border", "phase: back off", "phase: local model"] == named


@pytest.mark.parametrize(("sign", "value"), [(1.0, "0.21"), (-1.0, "-0.21")])
def test_shipped_trial_is_ringed_and_shows_its_value(sign: float, value: str) -> None:
    """Though another run had more luck; the other trials show their numbers alone."""
    figure = study_picture(study(5, sign), CURVES, "objective", "", shipped=3)
    assert ["0", "1", "2", f"3\nshipped\n{value}", "4"] == notes(figure, panel=0)
    (ring,) = [line for line in figure.axes[0].lines if line.get_label() == "trial 3, shipped"]
    assert [[3.0, sign * 0.21]] == ring.get_xydata().tolist()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_trials_off_the_scale_stand_at_its_worst_end_with_their_value(sign: float) -> None:
    """One network that learned nothing must not press all others into a line."""
    lost = TrialPoint(5, sign * 2.3, sign * 0.2, "back off", "layers 2 → 6", "underfit")
    figure = study_picture([*study(5, sign), lost], CURVES, "objective", "")
    low, high = figure.axes[0].get_ylim()
    assert high - low < 0.2
    assert f"5\n{sign * 2.3:.3g}" == notes(figure, panel=0)[-1]
    (place, height) = figure.axes[0].texts[-1].xy
    assert 5 == place
    assert low < height < high


def test_trials_without_value_are_shown() -> None:
    """Diverged, pruned or failed trials are part of the story."""
    failed = TrialPoint(5, None, 0.2, "back off", "learning_rate_scale 1 → 10", "diverged")
    figure = study_picture([*study(5), failed], CURVES, "val_loss", "")
    assert "5\nno value" == notes(figure, panel=0)[-1]
    assert "diverged" in [text.get_text() for text in figure.subfigs[1].legends[0].get_texts()]
    assert png(figure)


def test_validation_error_stands_below_the_objective_in_percent() -> None:
    """Of the trials that have one, each at its own height; one that is far off is an arrow with its number."""
    errors = [0.021, 0.018, None, 0.9, 0.019, 0.017]
    trials = [replace(point, error=error) for point, error in zip(study(6), errors, strict=True)]
    axes = study_picture(trials, CURVES, "val_loss", "", shipped=1).axes[1]
    points = [point for line in axes.lines if line.get_linestyle() == "None" for point in line.get_xydata().tolist()]
    drawn = {place: height for place, height in points if math.isfinite(height)}
    assert {0: 2.1, 1: 1.8, 4: 1.9, 5: 1.7} == pytest.approx(drawn)
    assert ["↑\n90"] == notes(axes.figure.figure, panel=1)
    assert "error (%)" == axes.get_ylabel()


def test_study_without_any_value_is_drawn() -> None:
    """Nothing has worked yet."""
    failed = TrialPoint(0, None, math.inf, "cross the border", "start", "failed")
    assert png(study_picture([failed], {}, "val_loss", ""))


def test_one_trial_is_drawn() -> None:
    """A study of which only the start is done."""
    assert png(study_picture([START], {"start": CURVES["start (trial 0)"]}, "val_loss", ""))


def test_curves_mark_the_lowest_validation_loss() -> None:
    """Also of a training that diverged afterwards."""
    curves = {"start": {"train_loss": [0.5, 0.2, math.nan], "val_loss": [0.6, 0.26, math.nan]}}
    figure = study_picture([START], curves, "val_loss", "")
    marks = [line.get_xydata().tolist() for line in figure.axes[1].lines if line.get_marker() == "o"]
    assert [[[2.0, 0.26]]] == marks
    assert ["0.26"] == notes(figure, panel=1)
    assert png(figure)


def test_study_without_trials_is_refused() -> None:
    """There is nothing to draw."""
    with pytest.raises(ValueError, match="at least one trial"):
        study_picture([], CURVES, "val_loss", "")


@pytest.mark.parametrize(("number", "value"), [(-1, 0.1), (0, math.nan), (0, math.inf)])
def test_impossible_point_is_refused(number: int, value: float) -> None:
    """A diverged trial has no value instead of NaN."""
    with pytest.raises(ValueError, match="got"):
        TrialPoint(number, value, 0.1, "back off", "start", "fit")
