"""The loop of a search with several workers, on a small space whose trials take a moment."""

import multiprocessing
import time
from pathlib import Path
from typing import Any

import optuna
import pytest

from search_spaces import Lever, Role, Scale, SearchSpace
from tuning import processes, search_loop
from tuning.console import SearchView
from tuning.data import load_dataset
from tuning.opening import Search
from tuning.pool import Pool
from tuning.sampler import OverfitBackoffSampler
from tuning.search_loop import SearchLoop
from tuning.settings import Settings
from tuning.trial_attrs import outcome_of
from tuning.weights import WeightStore

SPACE = SearchSpace(
    "small",
    (
        Lever("units", Role.CAPACITY, 8, 32, Scale.LOG2_INTEGER, step=1.0, start=16),
        Lever("dropout", Role.REGULARIZATION, 0.0, 0.4, Scale.LINEAR, step=0.2, start=0.0),
    ),
)


class Mirrored:
    """Notes which trials are mirrored."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def trial(self, number: int) -> str:
        """As the real one."""
        self.numbers.append(number)
        return ""


def searched(folder: Path, monkeypatch: pytest.MonkeyPatch, n_trials: int) -> tuple[str, optuna.Study, Mirrored]:
    """Run a search with three light workers; returns why it stopped, the study and the mirrored trials."""
    spawn = multiprocessing.get_context("spawn")
    pool = Pool(lambda _: processes.start("tests.light_worker", "run", context=spawn), 3)
    monkeypatch.setattr(search_loop, "worker_pool", lambda _: pool)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    settings, sampler = Settings(folder, "loop", n_trials=n_trials, n_workers=3), OverfitBackoffSampler(SPACE)
    study, mirror = optuna.create_study(sampler=sampler), Mirrored()
    digits = load_dataset("digits", seed=0, environ={})
    weights: Any = WeightStore(folder / "weights")
    search = Search(settings, digits, SPACE, None, study, weights, mirror, sampler, None)  # type: ignore[arg-type]
    with SearchView(settings.goal, n_trials, 1, quiet=True) as view:
        reason = SearchLoop(search, view, time.monotonic()).run()
    return reason, study, mirror


def test_a_worker_with_nothing_left_to_try_waits_for_the_running_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they find may open new ways; the search ends only when nothing runs and nothing is left."""
    reason, study, mirror = searched(tmp_path, monkeypatch, n_trials=100)
    assert "nothing left to try: every neighbour of the best configuration was tried and none is better" == reason
    assert all(outcome_of(trial).counts for trial in study.trials)
    assert len(study.trials) == len({tuple(trial.params.values()) for trial in study.trials})
    assert list(range(len(study.trials))) == sorted(mirror.numbers)


def test_the_budget_is_met_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Running trials count: three workers start no fifth of four trials."""
    reason, study, mirror = searched(tmp_path, monkeypatch, n_trials=4)
    assert "its budget of 4 trials is used up" == reason
    assert [0, 1, 2, 3] == [trial.number for trial in study.trials] == sorted(mirror.numbers)
