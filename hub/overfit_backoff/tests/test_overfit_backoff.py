"""Optuna's own conformance suites for samplers, and the bowl of the example; run from the registry's root."""

from __future__ import annotations

from collections.abc import Callable

import optuna
import optunahub
import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase
from optuna.testing.pytest_samplers import RelativeSamplerTestCase
from optuna.testing.pytest_samplers import SingleOnlySamplerTestCase

hub = optunahub.load_local_module(package="samplers/overfit_backoff", registry_root="package/")

SPACE = hub.SearchSpace(
    "test",
    (
        hub.Lever("size", hub.Role.CAPACITY, 1, 9, hub.Scale.INTEGER, step=1.0, start=8),
        hub.Lever("restraint", hub.Role.REGULARIZATION, 0.0, 1.0, hub.Scale.LINEAR, step=0.1, start=0.0),
    ),
)


class SamplerUnderTest:
    """The one fixture that the suites ask for."""

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        """Makes a sampler."""
        return lambda: hub.OverfitBackoffSampler(SPACE, seed=0)


class TestBasic(SamplerUnderTest, BasicSamplerTestCase):
    """Every kind of distribution and objective."""


class TestRelative(SamplerUnderTest, RelativeSamplerTestCase):
    """Values of the right type and range for any search space."""


class TestSingleOnly(SamplerUnderTest, SingleOnlySamplerTestCase):
    """More than one objective is refused."""


def test_a_bowl_is_descended() -> None:
    """Twenty trials come near the bottom, which lies at a size of 5 and a restraint of 0.4."""
    study = optuna.create_study(sampler=hub.OverfitBackoffSampler(SPACE, n_trials=20))

    def bowl(trial: optuna.Trial) -> float:
        size, restraint = trial.suggest_int("size", 1, 9), trial.suggest_float("restraint", 0.0, 1.0)
        return (size - 5) ** 2 / 9 + (restraint - 0.4) ** 2

    study.optimize(bowl, n_trials=20)
    assert study.best_value < 0.12
