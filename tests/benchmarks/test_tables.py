"""A recorded task: which seed is which, and the regret on the seeds that no search saw."""

import numpy as np
import pytest

from benchmarks.arms import (
    RANDOM_TWICE,
    Run,
    Variant,
    regrets_of_optuna_arm,
    regrets_of_ours,
    shuffled_signs,
    started_small,
)
from benchmarks.samplers_report import paired_table, tables
from benchmarks.tables import Replay, Table
from search_spaces import Lever, Role, Scale, SearchSpace

SPACE = SearchSpace(
    "grid",
    (
        Lever("size", Role.CAPACITY, 0, 4, Scale.INTEGER, step=1.0, start=4),
        Lever("restraint", Role.REGULARIZATION, 0, 4, Scale.INTEGER, step=1.0, start=0),
    ),
)


def bowl(luck: float) -> Table:
    """Best at (3, 1); five seeds."""
    size, restraint = np.meshgrid(np.arange(5.0), np.arange(5.0), indexing="ij")
    means = 1.0 + (size - 3) ** 2 + (restraint - 1) ** 2
    values = means[..., None] + luck * np.random.default_rng(0).normal(size=(5, 5, 5))
    return Table("bowl", SPACE, values, np.full(values.shape, 2.0))


def test_the_best_has_no_regret_and_the_median_has_all() -> None:
    """(value - best) / (median - best), in per cent."""
    replay = Replay(bowl(0.0), 0)
    assert 0.0 == replay.regret((3.0, 1.0))
    worst = replay.regret((0.0, 4.0))
    assert worst == pytest.approx(100 * 18 / 5)


def test_the_fresh_seeds_are_none_that_the_search_saw() -> None:
    """Three seeds to search on, two to be judged on; another repetition permutes them."""
    table = bowl(1.0)
    seen = set()
    for repetition in range(4):
        replay = Replay(table, repetition)
        values = [replay.train((3.0, 1.0), seed).value for seed in range(3)]
        seen.add(tuple(values))
        assert 3 == len(set(values))
        fresh = replay._order[3:]
        assert set(values).isdisjoint(table.values[3, 1][fresh])
    assert len(seen) > 1


def test_added_noise_belongs_to_the_run() -> None:
    """The same configuration with the same seed gives the same value; another repetition another one."""
    table = bowl(0.0)
    runs = [Replay(table, repetition, noise=0.1).train((3.0, 1.0), 0).value for repetition in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]


def test_ours_finds_the_bottom_and_the_ablations_differ() -> None:
    """On a bowl without noise; the ablations are other spaces over the same table."""
    assert [0.0] == regrets_of_ours(Variant(), Replay(bowl(0.0), 0), [20])
    assert {"size": 0, "restraint": 4} == started_small(SPACE).start()
    shuffled = {tuple(shuffled_signs(SPACE, i).start().values()) for i in range(8)}
    assert {(4, 0), (0, 0), (4, 4), (0, 4)} >= shuffled
    assert len(shuffled) > 1


def test_an_arm_ships_the_best_mean_of_its_finalists() -> None:
    """Of twenty trials four are repeats: the lucky first one loses against the better mean."""
    values = np.full((5, 5, 5), 3.0)
    table = Table("luck", SPACE, values, values)
    replay = Replay(table, 0)
    first, second, third = (int(x) for x in replay._order[:3])
    values[0, 0] = [1.0 if seed == first else 9.0 for seed in range(5)]
    values[1, 1] = 2.0
    runs = [Run((0.0, 0.0), 0, 1.0, 1.0), Run((1.0, 1.0), 0, 2.0, 1.0)] + [Run((2.0, 2.0), 0, 3.0, 1.0)] * 18
    (regret,) = regrets_of_optuna_arm(lambda replay, n: runs, replay, [20])
    assert regret == replay.regret((1.0, 1.0))
    assert second != third


def test_the_tables_name_every_arm() -> None:
    """Means with ranks, contrasts with intervals, and each task."""
    rng = np.random.default_rng(0)
    arms = {name: {task: rng.normal(5, 1, (4, 2)) for task in ("a", "b")} for name in ("ours", RANDOM_TWICE)}
    shown = tables(arms, ["a", "b"], [5, 10])
    assert 3 == shown.count("| arm |") + shown.count("| ours minus |") + shown.count("| task |")
    assert shown.count(RANDOM_TWICE) >= 3


def test_an_ablation_is_shown_task_by_task_in_pairs() -> None:
    """Three runs of it, so three pairs; a difference that is the same in all of them has no standard error."""
    ours = np.arange(8.0).reshape(4, 2)
    arms = {"ours": {"a": ours}, "ours, no model": {"a": ours[:3] + 2.0}}
    shown = paired_table(arms, "ours, no model", ["a"], [5, 10])
    assert "| a | 3 | -2.0 (0.0) | -2.0 (0.0) |" in shown
    assert "**-2.0** [-2.0, -2.0], 1/0/0" in shown
