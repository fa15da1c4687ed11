"""What was too large once is not tried with more of everything; what diverged is tried at a lower learning rate."""

from dataclasses import replace

import pytest

from search_spaces import mlp_space
from tuning.strategy.actions import Goal, Plan, Suggest
from tuning.strategy.ceiling import ceiling_of
from tuning.strategy.configuration import configurations_of
from tuning.strategy.diagnosis import FitState
from tuning.strategy.history import History
from tuning.strategy.policy import next_action
from tuning.strategy.records import Outcome, TrialRecord

SPACE = mlp_space()
TOO_LARGE = [outcome for outcome in Outcome if outcome.is_too_large]


def at(**params: float) -> tuple[float, ...]:
    """A point by its parameters, the rest as in the start."""
    return SPACE.point({**SPACE.start(), **params})


def test_three_outcomes_say_that_a_network_is_too_large() -> None:
    """Not that it diverged, failed or was killed."""
    assert [Outcome.OUT_OF_MEMORY, Outcome.INFEASIBLE, Outcome.TIMED_OUT] == TOO_LARGE


@pytest.mark.parametrize("outcome", TOO_LARGE)
def test_the_ceiling_is_what_has_as_much_of_each_capacity_lever(outcome: Outcome) -> None:
    """Whatever its regularization; with less of one lever a network may fit."""
    ceiling = ceiling_of(SPACE, configurations_of([TrialRecord(0, at(units=512, layers=3), outcome)]))
    assert at(units=512, layers=3, dropout=0.4) in ceiling
    assert at(units=1024, layers=4) in ceiling
    assert at(units=256, layers=6) not in ceiling
    assert at(units=1024, layers=2) not in ceiling


def searched(limit: float, outcome: Outcome, n_trials: int) -> list[TrialRecord]:
    """A search in which networks above a limit of units x layers end with an outcome, and wider is better."""
    trials: list[TrialRecord] = []
    for number in range(n_trials):
        action = next_action(History.of(trials), SPACE, Goal("val_loss"), Plan(n_trials=n_trials))
        if not isinstance(action, Suggest):
            break
        params = SPACE.params(action.point)
        size = params["units"] * params["layers"]
        record = TrialRecord(number, action.point, value=0.0, base=action.base, seed_index=action.seed_index)
        loss = 1.0 / size + 0.01 * params["dropout"]
        fit = {"state": FitState.OVERFIT_CONFIDENCE, "crossed_border": True, "stderr": 1e-6}
        ended = {"outcome": outcome, "value": None} if size > limit else {"value": loss, **fit}
        trials.append(replace(record, **ended))
    return trials


@pytest.mark.parametrize("outcome", TOO_LARGE)
def test_a_search_stays_below_the_ceiling(outcome: Outcome) -> None:
    """No trial has at least as much of each capacity lever as one that was too large before; the model obeys too."""
    trials = searched(1200, outcome, 30)
    capacity = [(SPACE.params(t.point)["units"], SPACE.params(t.point)["layers"]) for t in trials]
    for later, (units, layers) in enumerate(capacity):
        for earlier in range(later):
            if trials[earlier].outcome is outcome:
                assert not (units >= capacity[earlier][0] and layers >= capacity[earlier][1])
    assert 1 <= sum(trial.outcome is outcome for trial in trials) <= 6
    assert any(trial.outcome is Outcome.COMPLETE for trial in trials[-5:])


def test_a_start_that_is_too_large_is_made_smaller() -> None:
    """The first network may be more than the machine has memory for."""
    action = next_action(History.of([TrialRecord(0, at(), Outcome.INFEASIBLE)]), SPACE, Goal("val_loss"))
    assert isinstance(action, Suggest)
    assert SPACE.params(action.point)["units"] < SPACE.start()["units"]


def test_what_diverged_while_backing_off_is_tried_once_more_with_a_lower_learning_rate() -> None:
    """The same configuration but for the learning rate; if that diverges as well, the lever is blamed."""
    fit = {"state": FitState.OVERFIT_CONFIDENCE, "crossed_border": True, "stderr": 0.001}
    trials = [TrialRecord(0, at(), value=0.1, **fit), TrialRecord(1, at(dropout=0.2), Outcome.DIVERGED, base=0)]
    action = next_action(History.of(trials), SPACE, Goal("val_loss"))
    assert isinstance(action, Suggest)
    params = SPACE.params(action.point)
    assert ("lower learning rate", 0.2) == (action.move, params["dropout"])
    assert params["learning_rate_scale"] < 1
    trials.append(TrialRecord(2, action.point, Outcome.DIVERGED, base=0))
    after = next_action(History.of(trials), SPACE, Goal("val_loss"))
    assert isinstance(after, Suggest)
    assert "lower learning rate" != after.move
