"""What is shipped: the lowest expected loss, which the luckiest run rarely has."""

from dataclasses import replace

import pytest

from tuning.strategy.configuration import Configuration
from tuning.strategy.racing import Race
from tuning.strategy.records import Outcome, TrialRecord
from tuning.strategy.selection import Population, best_expected


def configuration(x: float, *values: float) -> Configuration:
    """Return a configuration with a run for each value, seed by seed."""
    return Configuration(tuple(TrialRecord(int(x), (x,), value=v, seed_index=i) for i, v in enumerate(values)))


def tried(*rows: tuple[float, ...]) -> list[Configuration]:
    """Return configurations in the order in which they were found, the start first; a row holds one's runs."""
    return [configuration(float(i), *row) for i, row in enumerate(rows)]


def shipped(found: list[Configuration]) -> tuple[float, str]:
    """Return the point that is shipped and why."""
    leader = best_expected(found, Race(2))
    assert leader is not None
    return leader.configuration.point[0], leader.why


WORSE = ((5.4,), (5.6,), (5.9,), (6.2,))


def test_the_luckiest_of_many_runs_is_not_shipped() -> None:
    """Moves lead away from a good start on the whole, and the noise explains the one that looks better."""
    point, why = shipped(tried((5.0, 5.4), *WORSE, (4.9,)))
    assert 0.0 == point
    assert "the start: the lead of the best of 5 others over it is no more than what luck explains" == why


def test_a_clear_lead_survives() -> None:
    """The same others, but the best one is better on three seeds, by more than the seeds differ."""
    point, why = shipped(tried((5.0, 5.1, 4.9), *WORSE, (4.0, 4.1, 3.9)))
    assert 5.0 == point
    assert why.startswith("the best of 6 after taking off what luck explains: 85 % of its lead over the start is left")
    assert ", beyond the noise (z = " in why


def test_where_moves_help_on_the_whole_the_best_is_shipped_without_proof() -> None:
    """The start is worse than the middle of what was tried."""
    point, why = shipped(tried((5.0, 5.2), (4.6,), (4.5,), (4.8,), (4.4, 4.6)))
    assert point > 0
    assert "% of its lead over the start is left" in why


def test_nothing_better_was_tried() -> None:
    """No luck has to be explained away."""
    assert (0.0, "the start: nothing that was tried has a better mean") == shipped(tried((5.0,), *WORSE))


def test_a_hopeless_run_does_not_make_the_others_look_certain() -> None:
    """Only the better half says how far configurations differ."""
    rows = ((5.0, 5.4), *WORSE, (4.9,))
    assert shipped(tried(*rows, (6.0,)))[0] == shipped(tried(*rows, (1e9,)))[0] == 0.0


def test_the_fewer_the_runs_the_nearer_to_the_middle() -> None:
    """And all the way where luck explains the whole spread."""
    population = Population(middle=5.0, variance=1.0, noise=2.0)
    assert [4.0, 3.5, 3.2] == [pytest.approx(population.expected(2.0, n)) for n in (1, 2, 3)]
    assert 5.0 == Population(5.0, 0.0, 2.0).expected(2.0, 1)
    assert 2.0 == Population(5.0, 1.0, 0.0).expected(2.0, 1)


def test_two_configurations_are_no_population() -> None:
    """The lower loss, and none without a value."""
    assert (1.0, "the lowest loss so far") == shipped(tried((5.0,), (4.9,)))
    assert best_expected([], Race()) is None


def test_a_start_without_a_value_is_not_shipped() -> None:
    """It diverged; the best of the others is all there is."""
    start = Configuration((TrialRecord(0, (0.0,), Outcome.DIVERGED),))
    assert 4.0 == shipped([start, *tried((5.0,), *WORSE)[1:]][:4] + [configuration(4.0, 5.1, 5.2)])[0]


def test_the_standard_error_on_few_examples_counts_as_luck() -> None:
    """The same values, from many validation examples and from few."""
    found = tried((5.0,), *WORSE, (4.5,))

    def judged(stderr: float) -> float:
        runs = [[replace(run, stderr=stderr) for run in each.runs] for each in found]
        return shipped([Configuration(tuple(each)) for each in runs])[0]

    assert (5.0, 0.0) == (judged(0.01), judged(2.0))


@pytest.mark.parametrize("scale", [1e-300, -1.0, 1e150], ids=["tiny", "negative", "huge"])
def test_any_finite_losses_can_be_compared(scale: float) -> None:
    """A loss may be anything that a float can be."""
    rows = ((5.0, 5.4), *WORSE, (4.9, 4.7))
    assert shipped(tried(*(tuple(scale * x for x in row) for row in rows)))[0] in {0.0, 4.0, 5.0}
