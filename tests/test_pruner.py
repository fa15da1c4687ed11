"""Pruning what cannot win, in Optuna studies with scripted learning curves; nothing is trained."""

import time

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from search_spaces import mlp_space
from tuning.pruner import CatchUpPruner
from tuning.strategy.actions import Phase
from tuning.strategy.records import Outcome
from tuning.trial_attrs import DECISION, EXPECTED_VALUE, VALUE_STDERR, history_of

FLAT = [1.0, 0.9, 0.9, 0.9, 0.9, 0.9]
DISTRIBUTIONS = {"x": FloatDistribution(0, 1)}


def best_trial(value: float = 0.5, stderr: float = 0.0) -> FrozenTrial:
    """A complete trial."""
    return create_trial(value=value, params={"x": 0.5}, distributions=DISTRIBUTIONS, user_attrs={VALUE_STDERR: stderr})


def pruned(phase: Phase | None, *, move: str = "poll", stderr: float = 0.0, direction: str = "minimize") -> bool:
    """Whether a trial with the flat curve is pruned beside a best trial of 0.5 (1 - 0.5 when maximized)."""
    study = optuna.create_study(direction=direction, pruner=CatchUpPruner(max_epochs=30))
    study.add_trial(best_trial(stderr=stderr))
    decision = {DECISION: {"phase": phase.value, "move": move}} if phase else {}
    study.add_trial(
        create_trial(state=TrialState.RUNNING, params={"x": 0.1}, distributions=DISTRIBUTIONS, system_attrs=decision)
    )
    trial = optuna.trial.Trial(study, study.trials[-1]._trial_id)
    for epoch, value in enumerate(FLAT, start=1):
        trial.report(1 - value if direction == "maximize" else value, epoch)
    return trial.should_prune()


def test_only_phase_1_and_repeats_are_spared() -> None:
    """A network of phase 1 is there to overfit, not to win, a repeat for its value; without phases all are pruned."""
    assert pruned(Phase.MODEL)
    assert not pruned(Phase.BACK_OFF, move="repeat")
    assert not pruned(Phase.CONFIRM, move="repeat")
    assert pruned(Phase.BACK_OFF)
    assert pruned(None)
    assert not pruned(Phase.CROSS_BORDER)


def test_a_curve_within_the_noise_of_the_best_goes_on() -> None:
    """0.9 is no strong loss against 0.5 if a standard error is 0.35."""
    assert not pruned(Phase.BACK_OFF, stderr=0.35)


@pytest.mark.parametrize("stderr", [float("nan"), float("inf"), -1.0])
def test_a_useless_standard_error_counts_for_none(stderr: float) -> None:
    """A trial that diverged after its best epoch has one that is not a number."""
    assert pruned(Phase.BACK_OFF, stderr=stderr)


def test_a_maximized_objective_mirrors_a_minimized_one() -> None:
    """The same curve upside down is pruned as well."""
    assert pruned(Phase.BACK_OFF, direction="maximize")


def test_nothing_is_pruned_before_a_trial_is_complete() -> None:
    """There is nothing to catch up with."""
    study = optuna.create_study(pruner=CatchUpPruner(max_epochs=30))
    trial = study.ask(DISTRIBUTIONS)
    for epoch, value in enumerate(FLAT):
        trial.report(value, epoch)
    assert not trial.should_prune()


def test_a_trial_is_judged_by_the_best_trial_when_it_is_first_judged() -> None:
    """Another worker's trial that ends meanwhile has no say, so the verdict follows from the history alone."""
    study = optuna.create_study(pruner=CatchUpPruner(max_epochs=30))
    study.add_trial(best_trial(0.9))
    early = study.ask(DISTRIBUTIONS)
    for epoch, value in enumerate(FLAT, start=1):
        early.report(value, epoch)
    assert not early.should_prune()
    study.add_trial(best_trial(0.5))
    late = study.ask(DISTRIBUTIONS)
    for epoch, value in enumerate(FLAT, start=1):
        late.report(value, epoch)
    assert (False, True) == (early.should_prune(), late.should_prune())


def test_it_prunes_in_a_plain_optuna_study() -> None:
    """As any pruner of Optuna: report, should_prune, TrialPruned; steps may count from zero."""
    curves = iter([[0.9, 0.6, 0.5, 0.45, 0.42, 0.4, 0.39, 0.38], [0.9, 0.89, 0.88, 0.88, 0.88, 0.88, 0.88, 0.88]])

    def objective(trial: optuna.Trial) -> float:
        trial.suggest_float("x", 0, 1)
        for epoch, value in enumerate(next(curves)):
            trial.report(value, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    study = optuna.create_study(pruner=CatchUpPruner(max_epochs=8))
    study.optimize(objective, n_trials=2)
    assert [TrialState.COMPLETE, TrialState.PRUNED] == [trial.state for trial in study.trials]
    assert 4 == study.trials[1].last_step


@pytest.mark.parametrize("max_epochs", [0, -1])
def test_a_trial_has_epochs(max_epochs: int) -> None:
    """A pruner for trials without any is a mistake."""
    with pytest.raises(ValueError, match="max_epochs"):
        CatchUpPruner(max_epochs)


@pytest.mark.parametrize(("recorded", "loss"), [({EXPECTED_VALUE: 0.3}, 0.3), ({}, float("inf"))])
def test_a_pruned_trial_steers_by_what_it_was_expected_to_reach(recorded: dict[str, float], loss: float) -> None:
    """But it is not the best, however low that is."""
    space = mlp_space()
    trial = create_trial(
        state=TrialState.PRUNED,
        params=space.start(),
        distributions=space.distributions(),
        user_attrs=recorded,
        intermediate_values={1: 0.4},
    )
    history = history_of([trial], space, maximize=False)
    assert [(Outcome.PRUNED, loss)] == [(record.outcome, record.loss) for record in history.trials]
    assert history.best is None


@pytest.mark.slow
def test_a_verdict_takes_milliseconds_after_ten_thousand_trials() -> None:
    """It is asked after every epoch."""
    study = optuna.create_study(pruner=CatchUpPruner(max_epochs=30))
    study.add_trials([best_trial(0.5 + i / 10_000) for i in range(10_000)])
    trial = study.ask(DISTRIBUTIONS)
    for epoch, value in enumerate(FLAT):
        trial.report(value, epoch)
    started = time.perf_counter()
    verdicts = [trial.should_prune() for _ in range(20)]
    assert all(verdicts)
    assert (time.perf_counter() - started) / 20 < 0.02
