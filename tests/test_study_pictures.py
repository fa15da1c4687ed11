"""What the pictures of a study are drawn from: start, shipped trial, neighbours; killed trials break none of them."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from matplotlib.figure import Figure
from optuna.trial import FrozenTrial, TrialState, create_trial

from search_spaces import mlp_space
from tuning import study_pictures
from tuning.strategy.actions import REPEAT, Goal, Phase
from tuning.strategy.records import Outcome
from tuning.study_pictures import draw_study
from tuning.trial_attrs import DECISION, OUTCOME

SPACE, GOAL = mlp_space(), Goal("val_loss")
CURVES = {"train_loss": [0.2, 0.1], "val_loss": [0.3, 0.2]}


def trial(base: int | None, n_params: int = 1000, phase: Phase = Phase.BACK_OFF, **changes: float) -> FrozenTrial:
    """A complete trial; without changes it repeats the start."""
    params = {**SPACE.start(), **changes}
    move = REPEAT if base is not None and not changes else "poll"
    return create_trial(
        value=0.2,
        params=params,
        distributions=SPACE.distributions(),
        user_attrs={"curves": CURVES, "best_epoch": 2, "n_params": n_params},
        system_attrs={DECISION: {"phase": phase.value, "move": move, "base": base, "params": params}},
    )


KILLED = create_trial(
    state=TrialState.FAIL,
    user_attrs={OUTCOME: Outcome.KILLED.value},
    system_attrs={DECISION: {"phase": Phase.BACK_OFF.value, "base": 0, "params": {**SPACE.start(), "dropout": 0.2}}},
)


def drawn(trials: list[FrozenTrial], shipped: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Figure]:
    """The figures of a study by the names of their files."""
    figures: dict[str, Figure] = {}

    def keep(figure: Figure, path: Path) -> Path:
        figures[path.name] = figure
        return path

    monkeypatch.setattr(study_pictures, "save", keep)
    study = optuna.create_study()
    study.add_trials(trials)
    draw_study(folder, study.trials, SPACE, GOAL, "x", shipped)
    return figures


def test_a_trial_killed_before_its_parameters_were_stored_breaks_no_picture(tmp_path: Path) -> None:
    """Its decision was published, its parameters were not: a process can die in between."""
    study = optuna.create_study()
    study.add_trials([trial(None, phase=Phase.CROSS_BORDER), KILLED])
    draw_study(tmp_path / "new", study.trials, SPACE, GOAL, "x", shipped=0)
    expected = {"study.png", "levers.png", "learning-curves.png", "gap-over-capacity.png"}
    assert expected == {path.name for path in (tmp_path / "new").iterdir()}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in (tmp_path / "new").iterdir())


def test_start_shipped_trial_and_its_nearest_neighbours_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewest levers first, then fewest steps; repeats of a configuration are not drawn again."""
    trials = [
        trial(None, phase=Phase.CROSS_BORDER),
        trial(0, dropout=0.2),
        trial(1, dropout=0.5),
        trial(1, dropout=0.3),
        trial(1, dropout=0.2),
        trial(1, dropout=0.2, units=512, l2=1e-4),
        KILLED,
    ]
    figure = drawn(trials, shipped=1, folder=tmp_path, monkeypatch=monkeypatch)["learning-curves.png"]
    titles = [axes.get_title().split("\n")[0] for axes in figure.axes if axes.get_visible()]
    assert ["trial 0: start", "trial 1: shipped"] == titles[:2]
    assert ["trial 3: neighbour, dropout 0.2 → 0.3", "trial 2: neighbour, dropout 0.2 → 0.5"] == titles[2:4]
    assert titles[4].startswith("trial 5: neighbour, units 256 → 512, l2 0 →")
    assert 5 == len(titles)


def test_changes_and_repeats_are_named_and_the_shipped_trial_is_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the picture of the study and in that of the gap, bare and regularized trials apart."""
    trials = [trial(None, phase=Phase.CROSS_BORDER), trial(0, dropout=0.2), trial(0), trial(0, 5000, units=512)]
    figures = drawn(trials, shipped=1, folder=tmp_path, monkeypatch=monkeypatch)
    labels = [label.get_text() for label in figures["study.png"].axes[0].get_xticklabels()]
    assert ["poll", "dropout 0 → 0.2", "repeat of 0", "units 256 → 512"] == labels
    assert "1\nshipped\n0.2" in [text.get_text() for text in figures["study.png"].axes[0].texts]
    lines: dict[Any, Any] = {
        line.get_label(): line.get_xydata() for line in figures["gap-over-capacity.png"].axes[0].lines
    }
    assert [1000.0, 1000.0, 5000.0] == lines["bare: no dropout, no L2"][:, 0].tolist()
    assert [[1000.0, pytest.approx(0.1)]] == lines["regularized: dropout or L2"].tolist()
