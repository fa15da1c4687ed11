"""The spread over seeds, from the trials of a study."""

import optuna
import pytest
from optuna.distributions import IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from tuning.repeats import seed_spread


def trial(units: int, value: float | None) -> FrozenTrial:
    """A trial of a width; pruned without a value."""
    state = TrialState.PRUNED if value is None else TrialState.COMPLETE
    return create_trial(
        state=state, value=value, params={"units": units}, distributions={"units": IntDistribution(1, 512)}
    )


def study_of(*trials: FrozenTrial) -> list[FrozenTrial]:
    """The trials, numbered."""
    study = optuna.create_study()
    study.add_trials(list(trials))
    return study.get_trials()


def test_spread_is_that_of_the_shipped_configuration() -> None:
    """Its complete trials only, not those of another configuration and not pruned ones."""
    trials = study_of(trial(64, 0.10), trial(128, 0.30), trial(64, 0.14), trial(64, None), trial(64, 0.12))
    spread = seed_spread(trials, trials[0])
    assert spread is not None
    assert ((0, 2, 4), (0.10, 0.14, 0.12)) == (spread.trials, spread.values)
    assert (0.12, 0.02) == pytest.approx((spread.mean, spread.deviation))
    assert {"seeds_n": 3, "seeds_mean": 0.12, "seeds_deviation": 0.02} == pytest.approx(spread.as_dict())
    assert (
        "over 3 seeds the shipped configuration has val_loss 0.1200 +- 0.0200 (mean and standard deviation of "
        "0.1000, 0.1400, 0.1200); the shipped weights have 0.1000"
    ) == spread.sentence("val_loss")


def test_one_training_has_no_spread() -> None:
    """Nothing is said then."""
    trials = study_of(trial(64, 0.10), trial(128, 0.30))
    assert seed_spread(trials, trials[0]) is None
