"""The report of a study whose trials ended in every way, killed ones included."""

from pathlib import Path

import optuna
from optuna.trial import TrialState, create_trial

from search_spaces import mlp_space
from tuning.report import save_picture
from tuning.settings import Settings
from tuning.strategy.history import Outcome
from tuning.strategy.policy import Phase
from tuning.trial_attrs import DECISION, OUTCOME

SPACE = mlp_space()
CURVES = {"train_loss": [0.2, 0.1], "val_loss": [0.3, 0.2]}


def test_a_trial_killed_before_its_parameters_were_stored_breaks_no_picture(tmp_path: Path) -> None:
    """Its decision was published, its parameters were not: a process can die in between."""
    decided = {**SPACE.start(), "dropout": 0.2}
    start = create_trial(
        value=0.2,
        params=SPACE.start(),
        distributions=SPACE.distributions(),
        user_attrs={"curves": CURVES},
        system_attrs={DECISION: {"phase": Phase.CROSS_BORDER.value, "base": None, "params": SPACE.start()}},
    )
    killed = create_trial(
        state=TrialState.FAIL,
        user_attrs={OUTCOME: Outcome.KILLED.value},
        system_attrs={DECISION: {"phase": Phase.BACK_OFF.value, "base": 0, "params": decided}},
    )
    study = optuna.create_study()
    study.add_trials([start, killed])
    path = save_picture(tmp_path / "study.png", study.trials, Settings(tmp_path, "x"), SPACE)
    assert b"\x89PNG" == path.read_bytes()[:4]
