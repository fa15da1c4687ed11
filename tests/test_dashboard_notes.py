"""Notes where optuna-dashboard looks for them; that it shows them is tested with its server in test_dashboards.py."""

from typing import Any

import optuna
import pytest

from search_spaces import Lever, Role, Scale, SearchSpace
from tuning import OverfitBackoffSampler
from tuning.dashboard_notes import NoteCallback, save_study_note
from tuning.trial_attrs import DECISION

SPACE = SearchSpace("one", (Lever("units", Role.CAPACITY, 8, 512, Scale.LOG2_INTEGER, step=1.0, start=64),))


@pytest.fixture(autouse=True)
def quiet() -> None:
    """Optuna logs every trial."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def system_attrs(study: optuna.Study) -> dict[str, Any]:
    """What the dashboard reads."""
    return study._storage.get_study_system_attrs(study._study_id)


def shown(study: optuna.Study, number: int) -> str:
    """The note of a trial, as the dashboard puts it together; empty without a version."""
    attrs, prefix = system_attrs(study), f"dashboard:{study.trials[number]._trial_id}"
    pieces = [attrs[key] for key in sorted(attrs) if key.startswith(f"{prefix}:note_str:")]
    return "".join(pieces) if f"{prefix}:note_ver" in attrs else ""


def optimized(*callbacks: NoteCallback, n_trials: int = 3) -> optuna.Study:
    """A study of the sampler's whose third trial fails."""

    def objective(trial: optuna.Trial) -> float:
        if trial.number == 2:
            raise ValueError
        return abs(trial.suggest_int("units", 8, 512, log=True) - 128) / 128

    study = optuna.create_study(sampler=OverfitBackoffSampler(SPACE, monitor="val_loss"))
    study.optimize(objective, n_trials=n_trials, callbacks=list(callbacks), catch=ValueError)
    return study


def test_every_trial_gets_its_reason_as_a_note() -> None:
    """As a callback of a plain Optuna study, failed trials included."""
    study = optimized(NoteCallback("val_loss"))
    reason = study.trials[1].system_attrs[DECISION]["reason"]
    assert f"**Why it was tried:** {reason}." in shown(study, 1)
    assert "**What it showed:** val_loss 0.0000, 0.5000 better than trial 0 (0.5000)." in shown(study, 1)
    assert "no value, it failed." in shown(study, 2)


def test_a_note_of_a_persons_own_is_left_alone() -> None:
    """Whether it was written before the callback first looked or while the trial ran."""
    notes = NoteCallback()
    study = optimized(notes, n_trials=1)
    trial = study.ask(SPACE.distributions())
    for key, value in (("note_str:0", "watch this one"), ("note_ver", 1)):
        study._storage.set_study_system_attr(study._study_id, f"dashboard:{trial._trial_id}:{key}", value)
    study.tell(trial, 0.5)
    notes(study, study.trials[1])
    NoteCallback().catch_up(study)
    assert "watch this one" == shown(study, 1)


def test_what_was_missed_is_caught_up_with_and_nothing_is_written_twice() -> None:
    """Trials of a process that was killed before it wrote their notes."""
    study = optimized()
    running = study.ask(SPACE.distributions())
    NoteCallback().catch_up(study)
    before = dict(system_attrs(study))
    NoteCallback().catch_up(study)
    assert before == system_attrs(study)
    assert [True, True, True, False] == [bool(shown(study, number)) for number in range(4)]
    assert 3 == running.number


def test_the_studys_note_is_replaced_unless_a_person_wrote_there() -> None:
    """A longer note leaves nothing behind in a shorter one."""
    study = optuna.create_study()
    assert save_study_note(study, "a" * 3000 + "b" * 3000)
    assert "a" * 2045 == system_attrs(study)["dashboard:note_str:0"]
    assert save_study_note(study, "short")
    assert ["short", "", ""] == [system_attrs(study)[f"dashboard:note_str:{i}"] for i in range(3)]
    study._storage.set_study_system_attr(study._study_id, "dashboard:note_ver", 3)  # edited in the dashboard
    assert not save_study_note(study, "another")
    assert "short" == system_attrs(study)["dashboard:note_str:0"]
