"""Does a state predict what a lever does? Effects on the other seeds, counted and resampled."""

import numpy as np
import pytest

from benchmarks.curve_diagnosis import (
    EFFECTS,
    OVERFIT,
    Observation,
    confusion,
    counts,
    effects_of_next_rung,
    observations,
    question,
    resampled,
    row,
)
from benchmarks.recorded import TABLES, Table
from tuning.strategy.diagnosis import FitState

HELPS, NO_CHANGE, HURTS = range(len(EFFECTS))


def test_an_effect_counts_beyond_two_standard_errors_only() -> None:
    """Of four rungs one helps, one hurts by much, one does nothing; each judged by the other seeds."""
    rng = np.random.default_rng(0)
    levels = np.array([1.0, 0.5, 0.5, 1.5])[None, None, :, None, None]
    values = levels + 0.01 * rng.normal(size=(4, 3, 4, 2, 3))
    effects = effects_of_next_rung(values, axis=2)
    assert (4, 3, 3, 2, 3) == effects.shape
    assert (effects[:, :, 0] == HELPS).all()
    assert (effects[:, :, 1] == NO_CHANGE).mean() > 0.85
    assert (effects[:, :, 2] == HURTS).all()


def test_a_training_is_not_judged_by_its_own_luck() -> None:
    """A seed that was unlucky, and so gains by any change, shows no effect: the others do not gain."""
    values = np.random.default_rng(1).normal(0.0, 0.01, size=(6, 6, 2, 2, 3))
    values[0, 0, 0, 0, 1] = 1.0
    assert NO_CHANGE == effects_of_next_rung(values, axis=2)[0, 0, 0, 0, 1]


def made(state: FitState, effects: list[int], task: str = "a") -> list[Observation]:
    """An observation for each effect, on architectures of their own."""
    return [Observation(task, (i, 0), "dropout", state, effect) for i, effect in enumerate(effects)]


def test_a_confusion_counts_with_and_without_the_state() -> None:
    """Overfit: three of four helped; fit: one of four."""
    found = made(FitState.OVERFIT_CONFIDENCE, [HELPS, HELPS, HELPS, HURTS])
    found += made(FitState.FIT, [HELPS, HURTS, NO_CHANGE, NO_CHANGE])
    table = counts(found, OVERFIT, frozenset({"dropout"}))
    assert [[3, 0, 1], [1, 2, 1]] == table["a"].sum(axis=0).tolist()
    name, n, helps, hurts, helps_without, _, difference, recall = row("dropout", table)
    assert ("dropout", "4 / 4") == (name, n)
    assert (helps.split()[0], hurts.split()[0], helps_without.split()[0]) == ("75", "25", "25")
    assert difference.startswith("+50 [")
    assert recall.startswith("75 [")


def test_the_interval_resamples_tasks() -> None:
    """Two tasks that contradict each other leave the share open, however many trainings each has."""
    found = made(FitState.OVERFIT_DECISIONS, [HELPS] * 500) + made(FitState.OVERFIT_DECISIONS, [HURTS] * 500, "b")
    draws = resampled(counts(found, OVERFIT, frozenset({"dropout"})))
    shares = draws[:, 0, HELPS] / draws[:, 0].sum(axis=1)
    assert (0.0, 1.0) == (np.quantile(shares, 0.025), np.quantile(shares, 0.975))


@pytest.mark.parametrize("monitor", ["val_loss", "val_error"])
def test_a_real_table_answers_for_every_lever(monitor: str) -> None:
    """Every training that has a next rung is an observation, and overfit ones are among them."""
    table = Table.load(TABLES / "mnist1k.npz")
    found = list(observations("mnist1k", table, monitor))
    n, sizes = int(np.prod(table.shape)) * table.n_seeds, table.shape
    assert sum(n * (size - 1) // size for size in sizes) == len(found)
    assert {each.state for each in found} & OVERFIT
    assert confusion(found).count("\n") == 1 + len(FitState)
    assert "dropout or l2, mnist1k" in question(found, OVERFIT, ("dropout", "l2"))
