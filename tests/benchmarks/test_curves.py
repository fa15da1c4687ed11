"""Learning-curve tables: recording that can be interrupted, and what a replay reads from them."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.curve_tasks import DEVELOPMENT, REPORT, TASKS, Grid, digits, with_label_noise
from benchmarks.recorded import TABLES
from benchmarks.recorded import Table as Recorded
from benchmarks.tables import Replay, load

MAX_BYTES = 1_000_000


@pytest.mark.parametrize("name", TASKS)
def test_every_table_is_shipped_complete_and_small(name: str) -> None:
    """All trainings, finite losses, errors that are shares, less than a megabyte."""
    path = TABLES / f"{name}.npz"
    table, grid = Recorded.load(path), TASKS[name].grid
    assert grid.shape == table.shape
    assert path.stat().st_size < MAX_BYTES
    curves = dict(zip(table.arrays["columns"].tolist(), np.moveaxis(table.arrays["curves"], -1, 0), strict=True))
    assert all(np.isfinite(curve).all() for curve in curves.values())
    assert 0 <= curves["val_error"].min() < curves["val_error"].max() <= 1


def test_a_task_is_for_development_or_for_the_report() -> None:
    """Never for both."""
    assert set(TASKS) == {*DEVELOPMENT, *REPORT}
    assert not set(DEVELOPMENT) & set(REPORT)


def test_wide_networks_cross_the_border_and_narrow_ones_do_not() -> None:
    """What the replay tells the strategy is the engine's own diagnosis: 256 x 3 fits 1,000 images, 16 x 1 does not."""
    replay = Replay(load("mnist1k"), 0)
    units, layers, *_ = (lever.high for lever in replay.table.space.levers)
    assert replay.train((units, layers, 0.0, 0.0), 0).crossed_border
    narrow_and_restrained = replay.train((0.0, 0.0, 3.0, 3.0), 0)
    assert not narrow_and_restrained.crossed_border
    assert replay.train((units, layers, 0.0, 0.0), 0).secs > narrow_and_restrained.secs


def test_a_seed_has_its_own_curve_and_its_own_diagnosis() -> None:
    """Repeats are other trainings."""
    replay = Replay(load("digits"), 0)
    first, second = (replay.train(replay.table.space.start_point(), seed) for seed in (0, 1))
    assert first.value != second.value
    assert first.stderr != second.stderr


def test_a_table_that_was_interrupted_is_refused(tmp_path: Path) -> None:
    """With the command that completes it."""
    with np.load(TABLES / "digits.npz") as file:
        arrays = {name: file[name] for name in file.files}
    arrays["is_done"][0, 0, 0, 0] = False
    np.savez(tmp_path / "cut.npz", **arrays)
    with pytest.raises(ValueError, match=r"cut.npz lacks 3 trainings: run `python -m benchmarks.curves` again"):
        Recorded.load(tmp_path / "cut.npz")


def test_label_noise_touches_training_labels_only() -> None:
    """A fifth of them, each to another class."""
    clean = digits({})
    noisy = with_label_noise(clean)
    changed = noisy.train.labels != clean.train.labels
    assert round(0.2 * len(changed)) == changed.sum()
    assert noisy.validation is clean.validation
    assert noisy.test is clean.test


@pytest.mark.slow
def test_recording_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    """Two configurations of digits, in two goes; the second trains only what the first left."""
    from benchmarks.curve_tasks import N_SEEDS, CurveTask
    from benchmarks.curves import record_task

    task = CurveTask(digits, Grid(units=(16,), layers=(1,), dropout=(0.0, 0.4), l2=(0.0,), n_epochs=3))
    path, never = tmp_path / "digits.npz", float("inf")
    assert 2 * N_SEEDS - 2 == record_task(task, path, never, n_trainings=2)
    with np.load(path) as file:
        first = file["curves"]
    assert 0 == record_task(task, path, never)
    table = Recorded.load(path)
    np.testing.assert_array_equal(first[0, 0, 0, 0, :2], table.arrays["curves"][0, 0, 0, 0, :2])
    seeds = [table.at((0, 0, 0, 0), seed).curves["val_loss"] for seed in range(N_SEEDS)]
    assert all(curve[-1] < curve[0] for curve in seeds)
    assert seeds[0].tolist() != seeds[1].tolist()
    assert [path] == list(tmp_path.iterdir())
