"""Intervals and corrected tests of a comparison over tasks."""

import numpy as np
import pytest

from benchmarks.statistics import contrast, holm, mean_ranks


def test_a_clear_difference_has_an_interval_without_zero() -> None:
    """Eight tasks, ours two points better on each, luck of half a point."""
    rng = np.random.default_rng(0)
    other = [10.0 * i + rng.normal(0, 0.5, 30) for i in range(8)]
    ours = [10.0 * i - 2.0 + rng.normal(0, 0.5, 20) for i in range(8)]
    found = contrast(ours, other)
    assert found.difference == pytest.approx(-2.0, abs=0.2)
    assert found.low < found.difference < found.high < 0
    assert found.excludes_zero
    assert (8, 0, 0) == (found.wins, found.ties, found.losses)
    assert found.p_value == pytest.approx(2 / 2**8)


def test_luck_alone_gives_an_interval_with_zero() -> None:
    """The same arm twice, with other seeds."""
    rng = np.random.default_rng(1)
    found = contrast([rng.normal(5, 1, 20) for _ in range(8)], [rng.normal(5, 1, 20) for _ in range(8)])
    assert not found.excludes_zero
    assert found.ties >= 6


def test_an_arm_against_itself_is_a_tie() -> None:
    """No difference at all is no error of the test."""
    rows = [np.array([1.0, 2.0]), np.array([3.0, 4.0])]
    found = contrast(rows, rows)
    assert (0.0, 1.0, 2) == (found.difference, found.p_value, found.ties)


def test_pairs_see_what_the_luck_of_both_would_hide() -> None:
    """One point better in every pair, among runs that differ by tens; the ninth run of one arm has no partner."""
    rng = np.random.default_rng(2)
    other = [rng.normal(0, 20, 8) for _ in range(5)]
    ours = [np.append(row - 1.0, 500.0) for row in other]
    paired = contrast(ours, other, is_paired=True)
    assert paired.difference == pytest.approx(-1.0)
    assert paired.excludes_zero
    assert 5 == paired.wins
    assert not contrast([row[:-1] for row in ours], other).excludes_zero


def test_holm_multiplies_the_smallest_most_and_never_reorders() -> None:
    """Holm 1979: 0.01 x 3, 0.02 x 2, then at least as much as before, at most 1."""
    assert {5: 0.03, 10: 0.04, 20: 0.04} == holm({10: 0.02, 20: 0.03, 5: 0.01})
    assert {1: 1.0, 2: 1.0} == holm({1: 0.6, 2: 0.9})


def test_ranks_are_means_over_tasks() -> None:
    """Equal regrets share a rank."""
    assert {"a": 1.25, "b": 1.75} == mean_ranks([{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 3.0}])
