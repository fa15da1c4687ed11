"""Fixed costs stay small: guards with generous margins around what `python -m benchmarks.overhead` measures."""

import statistics
from pathlib import Path

import optuna
import pytest

from benchmarks import overhead
from tuning import processes

optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.mark.slow
def test_the_first_epoch_comes_soon_after_the_command(tmp_path: Path) -> None:
    """5 to 7 seconds on two idle cores; most of it is TensorFlow's import."""
    first_epoch_secs, _ = overhead.first_epoch_secs("mnist5k", tmp_path)
    assert first_epoch_secs < 20


@pytest.mark.slow
def test_optuna_and_mlflow_cost_little_and_the_same_after_2000_trials() -> None:
    """About 50 ms a trial of 30 epochs; were anything quadratic in the number of trials, it would show."""
    few, many = (overhead.per_trial(n_before, optuna.samplers.RandomSampler(seed=0), 7) for n_before in (0, 2000))
    for times_ms in (*few, *many):
        assert statistics.median(times_ms) < 150
    assert statistics.median(many[0]) < 3 * statistics.median(few[0])


@pytest.mark.slow
def test_an_export_takes_seconds(tmp_path: Path) -> None:
    """Both files written, reloaded and compared."""
    processes.warm_up()
    assert processes.call("benchmarks.overhead", "export_secs", tmp_path).result() < 12
