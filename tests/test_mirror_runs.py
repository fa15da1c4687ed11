"""Trials as MLflow runs, ended in every way: the same keys, and a page that says why and what came out."""

from datetime import timedelta
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from search_spaces import mlp_space
from tuning.settings import OBJECTIVES
from tuning.tracking.mirror_runs import trial_run
from tuning.trial_attrs import DECISION, OUTCOME, OUTCOME_REASON, TRAIN_SECS, VALUE_STDERR, record_of

SPACE, GOAL = mlp_space(), OBJECTIVES["val_loss"]
NAMES = ("train_loss", "train_error", "val_loss", "val_error", "val_calibrated_loss", "val_loss_sd")
FINDINGS = {
    "curves": {name: [0.4, 0.2, 0.3] for name in NAMES},
    "best_epoch": 2,
    VALUE_STDERR: 0.01,
    "fit_state": "overfit_confidence",
    "diagnosis": {"sentence": "overfits in confidence", "numbers": {}},
    "learning_rate": 0.001,
    "seed": 0,
    "n_params": 1000,
}


def a_trial(number: int, value: float | None, decision: dict[str, Any], **changes: Any) -> FrozenTrial:  # noqa: ANN401
    """A trial that has ended, by default complete."""
    facts: dict[str, Any] = {"value": value, "user_attrs": FINDINGS, "params": SPACE.start()}
    trial = create_trial(**{**facts, **changes}, distributions=SPACE.distributions(), system_attrs={DECISION: decision})
    trial.number = number
    return trial


BASE = a_trial(4, 0.25, {"phase": "cross the border", "move": "start", "reason": "big enough to overfit"})
POLL = {"phase": "back off", "move": "poll", "base": 4, "reason": "it overfits: more regularization by dropout"}


def test_a_trials_page_says_why_it_was_tried_and_what_it_showed() -> None:
    """Reason, change against its base, value with its error, and the fit."""
    trial = a_trial(7, 0.2, POLL, params={**SPACE.start(), "dropout": 0.2})
    assert [
        "### Trial 7",
        "**Experiment:** back off: poll from trial 4.",
        "**Why it was tried:** it overfits: more regularization by dropout.",
        "**What it changed:** dropout 0 -> 0.2.",
        "**What it showed:** val_loss 0.2000 (standard error 0.01), 0.0500 better than trial 4 (0.2500).",
        "**Its fit:** overfits in confidence.",
    ] == trial_run(trial, GOAL, BASE).note.split("\n\n")


def test_a_maximized_objective_is_better_when_it_rises() -> None:
    """The sentence knows the direction."""
    accuracy = OBJECTIVES["val_accuracy"]
    assert "0.0500 worse than trial 4" in trial_run(a_trial(7, 0.2, POLL), accuracy, BASE).note


def test_a_repeat_changes_nothing_but_the_seed() -> None:
    """What a declared repeat is, in words."""
    assert "**What it changed:** nothing but the seed." in trial_run(a_trial(7, 0.2, POLL), GOAL, BASE).note


def test_a_pruned_trial_shows_the_epochs_that_it_had() -> None:
    """Its curve and its best so far stand in the same columns; its page says that it was pruned, and why."""
    attrs = {OUTCOME_REASON: "it cannot catch up"}
    state, reported = TrialState.PRUNED, {1: 0.5, 2: 0.4, 3: 0.45}
    pruned = a_trial(7, None, POLL, state=state, user_attrs=attrs, intermediate_values=reported)
    run = trial_run(pruned, GOAL, BASE)
    assert ("KILLED", {"val_loss": [0.5, 0.4, 0.45]}) == (run.status, run.curves)
    assert (2, 0.4) == (run.metrics["best_epoch"], run.metrics["best_val_loss"])
    assert "**What it showed:** no value, it was pruned: it cannot catch up." in run.note


def test_a_pruned_trial_has_the_same_keys_as_a_complete_one() -> None:
    """What its worker saw until then is enough for every column."""
    seen = {name: value for name, value in FINDINGS.items() if name not in ("best_epoch", "fit_state", "diagnosis")}
    reported = {1: 0.4, 2: 0.2, 3: 0.3}
    pruned = a_trial(7, None, POLL, state=TrialState.PRUNED, user_attrs=seen, intermediate_values=reported)
    run, complete = trial_run(pruned, GOAL, BASE), trial_run(BASE, GOAL)
    assert complete.metrics.keys() == run.metrics.keys()
    assert complete.curves == run.curves
    assert (2, 0.2) == (run.metrics["best_epoch"], run.metrics["best_val_loss"])
    assert "" == run.tags["padded"]


@pytest.mark.parametrize(("outcome", "status"), [("failed", "FAILED"), ("killed", "KILLED"), ("diverged", "FAILED")])
def test_every_end_has_its_status_and_the_same_keys(outcome: str, status: str) -> None:
    """Parameters and tags are those of a complete trial."""
    attrs = {OUTCOME: outcome, OUTCOME_REASON: "its worker process ended"}
    run = trial_run(a_trial(7, None, POLL, state=TrialState.FAIL, user_attrs=attrs), GOAL, BASE)
    complete = trial_run(BASE, GOAL)
    assert status == run.status
    assert (complete.params.keys(), complete.tags.keys()) == (run.params.keys(), run.tags.keys())
    said = "was killed" if outcome == "killed" else outcome
    assert f"no value, it {said}: its worker process ended" in run.note


def test_a_clock_that_was_put_back_makes_no_trial_impossible() -> None:
    """By the wall clock it ended before it began: MLflow shows no duration, the strategy takes the training's own."""
    trial = a_trial(5, 0.2, POLL, user_attrs={**FINDINGS, TRAIN_SECS: 3.5})
    assert trial.datetime_start is not None
    trial.datetime_complete = trial.datetime_start - timedelta(hours=3)
    run, record = trial_run(trial, GOAL), record_of(trial, SPACE, maximize=False)
    assert run.start_ms == run.end_ms
    assert record is not None
    assert 3.5 == record.secs
    killed = a_trial(6, None, POLL, user_attrs={OUTCOME: "killed"}, state=TrialState.FAIL)
    killed.datetime_start, killed.datetime_complete = trial.datetime_start, trial.datetime_complete
    assert 0.0 == trial_run(killed, GOAL).metrics["train_secs"]
