"""Pruning what cannot win, on scripted learning curves; nothing is trained."""

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from tuning.pruner import CatchUpPruner, can_catch_up
from tuning.strategy.actions import Phase
from tuning.trial_attrs import DECISION, VALUE_STDERR

FALLING = [1.0, 0.8, 0.7, 0.65, 0.62, 0.60]
FLAT = [1.0, 0.9, 0.9, 0.9, 0.9, 0.9]


def test_a_falling_curve_may_go_on() -> None:
    """At its recent pace of 0.033 an epoch it reaches 0.5 within three of the 24 epochs left."""
    assert can_catch_up(FALLING, target=0.5, max_epochs=30)


def test_a_flat_curve_cannot_catch_up() -> None:
    """Without any pace it stays where it is."""
    assert not can_catch_up(FLAT, target=0.5, max_epochs=30)


def test_the_pace_counts_only_for_the_epochs_left() -> None:
    """The same curve with one epoch left comes too late."""
    assert not can_catch_up(FALLING, target=0.5, max_epochs=len(FALLING) + 1)


@pytest.mark.parametrize("n_epochs", [1, 4])
def test_a_young_curve_is_left_alone(n_epochs: int) -> None:
    """The first epochs say nothing of the last ones."""
    assert can_catch_up(FLAT[:n_epochs], target=0.0, max_epochs=30)


def test_the_last_epoch_is_never_pruned() -> None:
    """What has been trained to the end may as well be counted."""
    assert can_catch_up(FLAT, target=0.0, max_epochs=len(FLAT))


def pruned(phase: Phase, *, move: str = "poll", stderr: float = 0.0, direction: str = "minimize") -> bool:
    """Whether a trial with the flat curve is pruned beside a best trial of 0.5 (1 - 0.5 when maximized)."""
    study = optuna.create_study(direction=direction, pruner=CatchUpPruner(max_epochs=30))
    distribution = FloatDistribution(0, 1)
    best = create_trial(
        value=0.5, params={"x": 0.5}, distributions={"x": distribution}, user_attrs={VALUE_STDERR: stderr}
    )
    study.add_trial(best)
    decision = {DECISION: {"phase": phase.value, "move": move}}
    study.add_trial(
        create_trial(
            state=TrialState.RUNNING, params={"x": 0.1}, distributions={"x": distribution}, system_attrs=decision
        )
    )
    trial = optuna.trial.Trial(study, study.trials[-1]._trial_id)
    for epoch, value in enumerate(FLAT, start=1):
        trial.report(1 - value if direction == "maximize" else value, epoch)
    return trial.should_prune()


def test_only_the_search_is_pruned() -> None:
    """A network of phase 1 is there to overfit, not to win; a repeat is there for its value."""
    assert pruned(Phase.BACK_OFF)
    assert pruned(Phase.MODEL)
    assert not pruned(Phase.CROSS_BORDER)
    assert not pruned(Phase.BACK_OFF, move="repeat")
    assert not pruned(Phase.CONFIRM, move="repeat")


def test_a_curve_within_the_noise_of_the_best_goes_on() -> None:
    """0.9 lies within two standard errors of 0.5 if one is 0.25."""
    assert not pruned(Phase.BACK_OFF, stderr=0.25)


def test_a_maximized_objective_mirrors_a_minimized_one() -> None:
    """The same curve upside down is pruned as well."""
    assert pruned(Phase.BACK_OFF, direction="maximize")
