"""Runs grouped into configurations, and the noise that their repeats show."""

import math

import pytest

from tuning.strategy.configuration import Configuration, configurations_of
from tuning.strategy.evidence import noise_of
from tuning.strategy.records import Outcome, TrialRecord


def run(number: int, x: float, value: float | None, seed_index: int = 0) -> TrialRecord:
    """Return a run at a point of one lever; without a value a failed one."""
    outcome = Outcome.FAILED if value is None else Outcome.COMPLETE
    return TrialRecord(number, (x,), outcome, value, seed_index=seed_index)


def test_runs_of_one_point_are_one_configuration() -> None:
    """In the order in which the points were found; the first run gives number and fit, all runs the mean."""
    first, second = configurations_of([run(0, 1.0, 3.0), run(1, 2.0, 9.0), run(2, 1.0, 5.0, seed_index=1)])
    assert (0, 1) == (first.number, second.number)
    assert {0: 3.0, 1: 5.0} == first.losses
    assert (4.0, 9.0) == (first.loss, second.loss)


def test_two_runs_with_one_seed_count_as_one() -> None:
    """Their mean stands for the seed; otherwise a repeated lucky seed would outweigh the others."""
    (configuration,) = configurations_of([run(0, 1.0, 2.0), run(1, 1.0, 4.0), run(2, 1.0, 6.0, seed_index=1)])
    assert 4.5 == configuration.loss


def test_a_configuration_whose_runs_all_failed_has_no_loss() -> None:
    """It ended as its first run did."""
    (configuration,) = configurations_of([run(0, 1.0, None), run(1, 1.0, None, seed_index=1)])
    assert (math.inf, Outcome.FAILED, False) == (configuration.loss, configuration.outcome, configuration.has_value)
    assert {0, 1} == configuration.seeds


def test_the_first_run_that_gave_a_value_stands_for_its_configuration() -> None:
    """The run that found the configuration may have failed, and has no weights."""
    (found,) = configurations_of([run(3, 1.0, None), run(5, 1.0, 2.0, 1), run(7, 1.0, 1.0, 2)])
    assert (3, 5) == (found.number, found.first_complete)


def test_what_a_seed_does_to_all_is_no_noise() -> None:
    """Seed 1 adds 10 to every configuration: the noise is what is left, here nothing."""
    found = configurations_of(run(2 * i + s, float(i), i + 10.0 * s, s) for i in range(3) for s in range(2))
    noise = noise_of(found)
    assert 0.0 == pytest.approx(noise.variance)
    assert {0: 0.0, 1: pytest.approx(10.0)} == noise.seed_effects


def test_the_noise_is_the_variance_around_configuration_and_seed() -> None:
    """Four configurations, two seeds: differences of 1 and -1 have a variance of 4/3, half of it for each run."""
    differences = (1.0, -1.0, 1.0, -1.0)
    found = configurations_of(
        run(2 * i + s, float(i), 5.0 * i + s * differences[i], s) for i in range(4) for s in range(2)
    )
    noise = noise_of(found)
    assert (pytest.approx(4 / 3 / 2), 3) == (noise.variance, noise.n_freedoms)


def test_equal_repeats_show_a_deterministic_objective() -> None:
    """Nothing is learned from repeating it further; one equal pair may be chance (an error on few examples)."""
    equal = [run(0, 1.0, 3.0), run(1, 1.0, 3.0, seed_index=1), run(2, 1.0, 3.0, seed_index=2)]
    assert noise_of(configurations_of(equal)).is_deterministic
    assert not noise_of(configurations_of(equal[:2])).is_deterministic
    assert not noise_of(configurations_of([*equal[:2], run(2, 1.0, 3.1, seed_index=2)])).is_deterministic
    assert not noise_of([Configuration((run(0, 1.0, 3.0),))]).is_deterministic
