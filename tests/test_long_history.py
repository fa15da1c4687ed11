"""What a suggestion costs after many trials, counted in function calls of this project: no clock, no machine."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import numpy as np
import optuna
import pytest

from search_spaces import mlp_space
from tuning import OverfitBackoffSampler

MLP = mlp_space()
ROOT = str(Path(__file__).parents[1])
FEW, MANY = 150, 150 + 6 * 64  # as many trials more as are grouped for good at once, some times over


def n_calls(run: Callable[[], object]) -> int:
    """How many functions of this project are called, or gone on with, for each time a generator is asked for more."""
    n = 0

    def watch(frame: FrameType, event: str, arg: object) -> None:
        nonlocal n
        n += event == "call" and frame.f_code.co_filename.startswith(ROOT)

    sys.setprofile(watch)
    try:
        run()
    finally:
        sys.setprofile(None)
    return n


def study_of(n_trials: int, *, use_model: bool) -> optuna.Study:
    """A study of random trials."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=OverfitBackoffSampler(MLP, seed=3, use_model=use_model, n_seeds=1))
    rng, distributions = np.random.default_rng(0), MLP.distributions()
    for value in rng.normal(size=n_trials):
        params = MLP.params(tuple(float(rng.choice(lever.grid())) for lever in MLP.levers))
        study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=float(value)))
    return study


def tell_next(study: optuna.Study) -> None:
    """One trial."""
    study.tell(study.ask(MLP.distributions()), 0.5)


@pytest.mark.parametrize("use_model", [False, True], ids=["direction", "model"])
def test_a_suggestion_costs_the_same_after_any_number_of_trials(use_model: bool) -> None:
    """The first one reads all trials, once; every later one those that are new.

    Nothing is repeated here: a repeat changes the noise, and with it every reaction.
    """
    first, later = {}, {}
    for n in (FEW, MANY):
        study = study_of(n, use_model=use_model)
        first[n] = n_calls(lambda study=study: tell_next(study))  # type: ignore[misc]
        tell_next(study)
        later[n] = n_calls(lambda study=study: tell_next(study))  # type: ignore[misc]
    assert first[MANY] < 2 * MANY / FEW * first[FEW]
    assert later[MANY] < later[FEW] + (MANY - FEW)
