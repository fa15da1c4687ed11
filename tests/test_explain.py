"""A study told as an argument, one trial in detail, and the picture of each lever's response."""

from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from search_spaces import mlp_space
from tuning import OverfitBackoffSampler, cli
from tuning.argument import argument, detail, text
from tuning.explain import explain
from tuning.pictures.lever_picture import LeverStep, lever_picture
from tuning.strategy.actions import Goal
from tuning.study_store import FINGERPRINT
from tuning.trial_attrs import CROSSED_BORDER, FIT_STATE, VALUE_STDERR

MLP, GOAL = mlp_space(), Goal("val_loss")


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> optuna.Study:
    """Five finished trials and a running one, in the journal where the command looks for it."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder = tmp_path / "mlruns" / "studies" / "told"
    folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    storage = JournalStorage(JournalFileBackend(str(folder / "optuna.journal")))
    sampler = OverfitBackoffSampler(MLP, monitor="val_loss")
    created = optuna.create_study(study_name="told", storage=storage, sampler=sampler)
    created.set_user_attr(FINGERPRINT, {"objective": "val_loss", "seed": 0})
    for _ in range(5):
        trial = created.ask(MLP.distributions())
        trial.set_user_attr(VALUE_STDERR, 0.01)
        trial.set_user_attr(FIT_STATE, "overfit_confidence")
        trial.set_user_attr(CROSSED_BORDER, True)
        trial.set_user_attr("diagnosis", {"sentence": "overfits in confidence", "numbers": {"best_epoch": 3}})
        trial.set_user_attr("curves", {"val_loss": [3.25]})
        created.tell(trial, 1.0 - trial.params["dropout"] + 0.2 * trial.params["dropout"] ** 2)
    created.ask(MLP.distributions())
    return created


def test_every_finished_trial_is_told(study: optuna.Study) -> None:
    """State, experiment, reason, reaction, fit, and what came next."""
    steps = list(argument(study.get_trials(deepcopy=False), MLP, GOAL))
    assert [0, 1, 2, 3, 4] == [step.trial.number for step in steps]
    paragraph = text(steps).split("\n\n")[1]
    assert paragraph.startswith(
        "trial 1 (back off)\n  state:      overfit confidence\n  experiment: poll, dropout 0 -> 0.2"
    )
    assert "reaction:   val_loss 1 -> 0.808 (z = +30.36), strong gain" in paragraph
    assert "next:       more regularization by dropout (dropout 0.2 -> 0.5)" in paragraph


def test_one_trial_in_detail_shows_all_but_its_curves(study: optuna.Study) -> None:
    """Parameters, diagnosis with its numbers, what it recorded."""
    shown = detail(list(argument(study.get_trials(deepcopy=False), MLP, GOAL))[1])
    for part in ("  dropout = 0.2", "  overfits in confidence", "  best_epoch = 3", "  value_stderr = 0.01"):
        assert part in shown
    assert "3.25" not in shown


def test_the_command_prints_the_argument_and_draws_the_levers(
    study: optuna.Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The picture lies beside the study's other files."""
    assert 0 == cli.run(explain, ["--study", "told"])
    assert "trial 4 (" in capsys.readouterr().out
    assert (tmp_path / "mlruns/studies/told/pictures/levers.png").stat().st_size > 5000
    assert 0 == cli.run(explain, ["--study", "told", "--trial", "1"])
    assert "diagnosis:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--study", "none"], "There is no study 'none'. Known studies: told."),
        (["--study", "told", "--trial", "99"], "Finished trials: 0, 1, 2, 3, 4."),
    ],
)
def test_unknown_names_list_the_known_ones(
    study: optuna.Study, args: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, exit code 2."""
    assert cli.EXIT_BAD_INPUT == cli.run(explain, args)
    assert message in capsys.readouterr().err


def test_each_lever_that_moved_alone_has_a_panel() -> None:
    """An arrow for each experiment; without any the picture says so."""
    steps = [
        LeverStep("dropout", 0.0, 0.2, 0.08, 0.06, "strong gain"),
        LeverStep("units", 256, 512, 0.06, 0.07, "loss"),
        LeverStep("dropout", 0.2, 0.6, 0.06, 0.06, "flat"),
    ]
    panels = lever_picture(steps, "val_loss", "s").axes
    assert ["dropout", "units"] == [axes.get_xlabel() for axes in panels]
    assert [2, 1] == [sum(bool(text.arrow_patch) for text in axes.texts) for axes in panels]
    assert "no lever has moved alone yet" == lever_picture([], "val_loss", "s").texts[-1].get_text()


def test_a_study_of_somebody_elses_is_refused(study: optuna.Study, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line: its trials have no reasons to tell."""
    study.set_user_attr(FINGERPRINT, None)
    assert 2 == cli.run(explain, ["--study", "told"])
    assert "The study 'told' was not run by `python -m tuning.search`: name one that was.\n" in capsys.readouterr().err
