"""Optuna's own plots and importances on a study of ours, with trials of every kind and a conditional lever."""

import math
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.importance import BaseImportanceEvaluator, FanovaImportanceEvaluator, PedAnovaImportanceEvaluator
from optuna.trial import TrialState

from search_spaces import Lever, Role, Scale, SearchSpace, choice
from tuning import OverfitBackoffSampler, seed_index
from tuning.trial_attrs import CROSSED_BORDER, FIT_STATE

SPACE = SearchSpace(
    "all kinds",
    (
        Lever("layers", Role.CAPACITY, 1, 2, Scale.INTEGER, step=1.0, start=1),
        Lever("units", Role.CAPACITY, 8, 512, Scale.LOG2_INTEGER, step=1.0, start=64),
        Lever("more", Role.CAPACITY, 8, 512, Scale.LOG2_INTEGER, step=1.0, start=64, active_if=(("layers", (2,)),)),
        Lever("dropout", Role.REGULARIZATION, 0.0, 0.8, Scale.LINEAR, step=0.1, start=0.0),
        Lever("l2", Role.REGULARIZATION, 1e-6, 1e-2, Scale.LOG10_OR_ZERO, step=0.5, start=0.0),
        choice("activation", ("relu", "tanh")),
    ),
)
pytestmark = pytest.mark.slow

ENDS = {3: TrialState.PRUNED, 5: TrialState.FAIL, 7: TrialState.PRUNED}

# Matplotlib on a lever that has not moved yet; both kinds are no errors for who plots.
quietly = pytest.mark.filterwarnings(
    "ignore::optuna.exceptions.ExperimentalWarning", "ignore:Attempting to set identical low and high:UserWarning"
)


def run_trial(study: optuna.Study) -> None:
    """A bowl with the luck of a seed; some trials are pruned, and one diverges."""
    trial = study.ask(SPACE.distributions())
    params = trial.params
    value = abs(math.log2(params["units"]) - 7) + (params["dropout"] - 0.3) ** 2 + 0.1 * params["layers"]
    value += 0.05 * seed_index(trial)
    state = ENDS.get(trial.number, TrialState.COMPLETE)
    for epoch in range(1, 5):
        trial.report(math.nan if state is TrialState.FAIL else value * (1 + 1 / epoch), epoch)
    trial.set_user_attr(FIT_STATE, "overfit_confidence")
    trial.set_user_attr(CROSSED_BORDER, True)
    study.tell(trial, value if state is TrialState.COMPLETE else None, state=state)


@pytest.fixture(scope="module")
def study() -> optuna.Study:
    """Of 24 trials, and one that still runs."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    made = optuna.create_study(sampler=OverfitBackoffSampler(SPACE, n_trials=24))
    for _ in range(24):
        run_trial(made)
    made.ask(SPACE.distributions())
    return made


def test_the_study_has_every_kind_of_trial(study: optuna.Study) -> None:
    """Otherwise the other tests of this file say little."""
    assert set(TrialState) - {TrialState.WAITING} == {trial.state for trial in study.trials}
    assert {0, 1} <= {seed_index(trial) for trial in study.trials}
    assert {1, 2} == {trial.params["layers"] for trial in study.trials}


# Every one for a single objective, with options; of pairs of levers a few are enough.
SOME = {"params": ["units", "more", "l2"]}
PLOTS: dict[str, dict[str, Any]] = {
    "contour": SOME,
    "edf": {},
    "intermediate_values": {},
    "optimization_history": {},
    "parallel_coordinate": {},
    "param_importances": {},
    "rank": SOME,
    "slice": {},
    "timeline": {},
}


@pytest.mark.parametrize("plot", PLOTS)
def test_plotly_draws_it(study: optuna.Study, plot: str) -> None:
    """Every plot for one objective, complete enough to be stored as a page's data."""
    from optuna import visualization  # imports plotly, which no other test needs

    figure = getattr(visualization, f"plot_{plot}")(study, **PLOTS[plot])
    assert len(figure.data) > 0
    assert len(figure.to_json()) > 500


@quietly
@pytest.mark.parametrize("plot", PLOTS)
def test_matplotlib_draws_it(study: optuna.Study, plot: str) -> None:
    """The same plots, down to the pixels."""
    import matplotlib.pyplot as plt
    from optuna.visualization import matplotlib

    drawn: Any = getattr(matplotlib, f"plot_{plot}")(study, **PLOTS[plot])
    axes = np.ravel(np.asarray(drawn, dtype=object))
    axes[0].figure.canvas.draw()
    plt.close("all")
    assert any(each.has_data() for each in axes)


@pytest.mark.parametrize("evaluator", [PedAnovaImportanceEvaluator, FanovaImportanceEvaluator])
def test_importances_sum_to_one(study: optuna.Study, evaluator: type[BaseImportanceEvaluator]) -> None:
    """Over all levers: a conditional one that does nothing is padded, so that every trial has every lever."""
    importances = optuna.importance.get_param_importances(study, evaluator=evaluator())
    assert {lever.name for lever in SPACE.levers} == importances.keys()
    assert 1.0 == pytest.approx(sum(importances.values()))
    assert all(importance >= 0 for importance in importances.values())
