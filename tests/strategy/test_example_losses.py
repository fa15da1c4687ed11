"""What a network lost on each example, kept with its trial, and what pairs of the same examples are worth."""

import json
import math

import numpy as np
import pytest

from tuning.strategy.configuration import Configuration
from tuning.strategy.evidence import Noise
from tuning.strategy.example_losses import MOST_EXAMPLES, ExampleLosses, paired_share, sampled_places
from tuning.strategy.reaction import measure, paired_stderr
from tuning.strategy.records import TrialRecord

RNG = np.random.default_rng(0)
ZEROS = ExampleLosses("AAAAAAAAAAAAAA==")  # five of them
HARD = RNG.exponential(size=800)  # how hard each example is for every network


def losses(luck: float, seed: int = 1) -> np.ndarray:
    """The losses of a network that differs from others by some luck on each example."""
    return HARD + luck * np.random.default_rng(seed).normal(size=len(HARD))


def configuration(number: int, value: float, *runs: np.ndarray | None) -> Configuration:
    """A configuration with a run for each seed, whose standard errors are all 0.1."""
    kept = [None if each is None else ExampleLosses.of(each) for each in runs]
    return Configuration(
        tuple(
            TrialRecord(number, (float(number),), value=value, stderr=0.1, examples=each, seed_index=seed)
            for seed, each in enumerate(kept)
        )
    )


def z_of(base: np.ndarray | None, other: np.ndarray | None) -> float:
    """A fall by 0.1, a standard error of each of the two values, in paired standard errors."""
    return 0.1 / paired_stderr(configuration(0, 1.0, base), configuration(1, 0.9, other), Noise(), 1)


@pytest.mark.parametrize("losses", [HARD, HARD > 1.0, 1e9 * HARD], ids=["losses", "errors", "large"])
def test_losses_survive_a_journal(losses: np.ndarray) -> None:
    """As JSON, to the three digits of a half float."""
    kept = ExampleLosses.of(losses)
    assert kept is not None
    read = ExampleLosses.from_attr(json.loads(json.dumps(kept.as_attr())))
    assert kept == read
    assert np.allclose(losses.astype(float), kept.values, rtol=1e-3)


def test_at_most_a_thousand_examples_are_kept_the_same_ones_always() -> None:
    """2.7 kB a trial, whatever the validation set."""
    many = RNG.exponential(size=12_000)
    kept = ExampleLosses.of(many)
    assert kept is not None
    assert MOST_EXAMPLES == len(kept.values)
    assert np.allclose(many[sampled_places(12_000)], kept.values, rtol=1e-3)
    assert len(json.dumps(kept.as_attr())) < 2_750


@pytest.mark.parametrize("losses", [[0.5], [1.0, math.nan], [1.0, math.inf], [[1.0], [2.0]]])
def test_what_is_no_loss_an_example_is_not_kept(losses: list[float]) -> None:
    """A loss with one number for all, and a network that diverged."""
    assert None is ExampleLosses.of(losses)


@pytest.mark.parametrize(
    "attr",
    [
        None,
        "text",
        {},
        {"exponent": 0},
        {"half_floats": 3, "exponent": 0},
        {"half_floats": "!", "exponent": 0},
        {"half_floats": "AAAA", "exponent": 0},
        {"half_floats": "AAA=", "exponent": 0},
        {"half_floats": "AAAA" * 9999, "exponent": 0},
        {"half_floats": "AHwAfA==", "exponent": 0},
        {"half_floats": "AAAAAA==", "exponent": 10**6},
    ],
)
def test_a_strange_attribute_is_no_losses(attr: object) -> None:
    """Written by another version, by hand, or by somebody who means harm: the study goes on without."""
    read = ExampleLosses.from_attr(attr)
    assert read is None or len(read.values) < 2
    one = ExampleLosses.of(HARD)
    assert read is None or (one is not None and None is paired_share([(one, read)]) is paired_share([(read, read)]))


def test_the_share_is_that_of_the_paired_difference() -> None:
    """Luck of 0.1 on examples that are hard for both; the same network has none; another data set can tell nothing."""
    kept = [ExampleLosses.of(losses(0.1, seed)) for seed in (1, 2)]
    one, other = (each for each in kept if each is not None)
    expected = (losses(0.1, 1) - losses(0.1, 2)).var() / (losses(0.1, 1).var() + losses(0.1, 2).var())
    assert expected == pytest.approx(paired_share([(one, other)]), rel=0.01)
    assert 0.0 == paired_share([(one, one)])
    assert None is paired_share([])
    assert None is paired_share([(one, ZEROS)])
    assert None is paired_share([(ZEROS, ZEROS)])


def test_networks_that_fail_alike_need_less_to_differ() -> None:
    """The same fall is a strong gain where the examples' losses move together, and nearly none where they do not."""
    alike, apart = z_of(losses(0.1, 1), losses(0.1, 2)), z_of(losses(0.1, 1), RNG.permutation(losses(0.1, 2)))
    assert apart < 1.0 < 2.0 < alike


def test_without_losses_of_both_the_decision_is_the_one_it_always_was() -> None:
    """A study that was begun by an earlier version resumes: sqrt(0.2 (0.1^2 + 0.1^2))."""
    assert 1.581 == pytest.approx(z_of(None, losses(0.1)), abs=1e-3)
    assert z_of(None, None) == z_of(losses(0.1), None) == z_of(None, losses(0.1))
    judged = measure(configuration(0, 1.0, losses(0.1)), configuration(1, 0.9, losses(0.2)))
    assert 1.581 == pytest.approx(judged.z, abs=1e-3)


def test_more_seeds_take_out_the_luck_of_the_seeds_and_not_that_of_the_examples() -> None:
    """The standard error falls, but never below that of the examples, which both seeds share."""
    one, two = losses(0.3, 1), losses(0.3, 2)
    noise = Noise(variance=0.02, n_freedoms=100)
    once = paired_stderr(configuration(0, 1.0, one), configuration(1, 0.9, two), noise, 1)
    thrice = paired_stderr(configuration(0, 1.0, *[one] * 3), configuration(1, 0.9, *[two] * 3), noise, 3)
    share = (one - two).var() / (one.var() + two.var())
    of_examples = math.sqrt(share * 0.02)
    assert of_examples < thrice < once
    assert once**2 - of_examples**2 == pytest.approx(3 * (thrice**2 - of_examples**2), rel=0.01)
