"""The loop of a search with several workers, on a small space whose trials take a moment."""

import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import optuna
import pytest
from optuna.trial import FrozenTrial

from search_spaces import Lever, Role, Scale, SearchSpace
from tuning import processes, search_loop
from tuning.callbacks import TrialCallback
from tuning.console import SearchView
from tuning.data import load_dataset
from tuning.errors import StorageError
from tuning.model_choice import ModelChoice
from tuning.opening import Search
from tuning.pool import Pool
from tuning.sampler import OverfitBackoffSampler
from tuning.search_loop import SearchLoop
from tuning.settings import Settings
from tuning.strategy.records import Outcome
from tuning.tracking.mirror import Mirror
from tuning.trial_attrs import OUTCOME_REASON, decision_of, outcome_of
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

    def catch_up(self, which: Callable[[FrozenTrial], bool]) -> None:
        """As the real one."""

    def abandon(self, status: str) -> str:
        """As the real one."""
        return ""


class Told:
    """A callback that is told of trials and cannot write."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.n_caught_up = 0

    def __call__(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """As the real ones."""
        self.numbers.append(trial.number)
        raise StorageError("read-only")

    def catch_up(self, study: optuna.Study) -> None:
        """As the real ones."""
        self.n_caught_up += 1


def searched(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    n_trials: int,
    worker: str = "run",
    timeout_secs: float | None = None,
    study: optuna.Study | None = None,
    n_workers: int = 3,
    space: SearchSpace = SPACE,
    callbacks: tuple[TrialCallback, ...] = (),
    mirror: Mirrored | None = None,
) -> tuple[str, optuna.Study, Mirrored]:
    """Run a search with light workers; returns why it stopped, the study and the mirrored trials."""
    spawn = multiprocessing.get_context("spawn")
    pool = Pool(
        lambda _: processes.start("tests.light_worker", worker, context=spawn),
        n_workers,
        trial_timeout_secs=timeout_secs,
    )
    monkeypatch.setattr(search_loop, "worker_pool", lambda _: pool)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    settings = Settings(folder, "loop", n_trials=n_trials, n_workers=n_workers)
    sampler = OverfitBackoffSampler(space, n_trials=n_trials)
    study, mirror = study or optuna.create_study(), mirror or Mirrored()
    study.sampler = sampler
    digits = load_dataset("digits", seed=0, environ={})
    weights: Any = WeightStore(folder / "weights")
    search = Search(
        settings,
        digits,
        ModelChoice("mlp", space),
        None,
        study,
        weights,
        lambda: cast("Mirror", mirror),
        sampler,
        None,
        callbacks,
    )
    with SearchView(settings.goal, n_trials, 1, quiet=True) as view:
        reason = SearchLoop(search, view, time.monotonic()).run()
    return reason, study, mirror


class Refusing(Mirrored):
    """Finds that MLflow cannot be used, at the first thing it is asked."""

    def catch_up(self, which: Callable[[FrozenTrial], bool]) -> None:
        """As the real one."""
        raise StorageError("The MLflow store cannot be used.")


def test_a_worker_with_nothing_left_to_try_waits_for_the_running_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they find may open new ways; the search ends only when nothing runs and nothing is left."""
    reason, study, mirror = searched(tmp_path, monkeypatch, n_trials=100)
    assert "nothing left to try: every neighbour of the best configuration was tried and none is better" == reason
    assert all(outcome_of(trial).counts for trial in study.trials)
    assert len(study.trials) == len({tuple(trial.params.values()) for trial in study.trials})
    assert list(range(len(study.trials))) == sorted(mirror.numbers)


def test_what_was_enqueued_is_tried_before_the_search_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever enqueues a trial wants to see it, also where the strategy has nothing left to try."""
    study = optuna.create_study()
    searched(tmp_path, monkeypatch, n_trials=100, study=study)
    n_before = len(study.trials)
    study.enqueue_trial({"units": 32, "dropout": 0.4})
    searched(tmp_path, monkeypatch, n_trials=100, study=study)
    assert {"units": 32, "dropout": 0.4} == study.trials[n_before].params
    assert Outcome.COMPLETE is outcome_of(study.trials[n_before])


def test_the_budget_is_met_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Running trials count: three workers start no fifth of four trials."""
    told = Told()
    reason, study, mirror = searched(tmp_path, monkeypatch, n_trials=4, callbacks=(told, Told()))
    assert "its budget of 4 trials is used up" == reason
    assert [0, 1, 2, 3] == [trial.number for trial in study.trials] == sorted(mirror.numbers)
    # A callback that cannot write costs nothing, and is asked once more at the end, as it was at the beginning.
    assert ([0, 1, 2, 3], 2) == (sorted(told.numbers), told.n_caught_up)
    assert [decision_of(trial)["reason"] for trial in study.trials] == [t.user_attrs["reason"] for t in study.trials]


def test_a_trial_that_takes_too_long_is_ended_and_no_larger_network_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial says so, the worker is replaced, the search goes on below."""
    _, study, _ = searched(tmp_path, monkeypatch, 5, "run_slowly", timeout_secs=0.2)
    late = [trial for trial in study.trials if outcome_of(trial) is Outcome.TIMED_OUT]
    assert {"its training took longer than 0.2 s"} == {trial.user_attrs[OUTCOME_REASON] for trial in late}
    assert 1 <= len(late) <= 3  # those that three workers began at once
    rest = [trial for trial in study.trials if trial not in late]
    assert {Outcome.COMPLETE} == {outcome_of(trial) for trial in rest}
    assert {8} == {trial.params["units"] for trial in rest}


def test_a_full_disk_ends_the_search_and_spoils_no_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says nothing of the configuration: the trial is tried again when the study is resumed."""
    study = optuna.create_study()
    with pytest.raises(StorageError, match=r"The study stopped in trial \d: No space left on device"):
        searched(tmp_path, monkeypatch, 5, "run_on_a_full_disk", study=study)
    assert {Outcome.KILLED} == {outcome_of(trial) for trial in study.trials}


@pytest.mark.slow
def test_an_mlflow_that_cannot_be_used_after_all_ends_the_search_in_its_first_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is opened while the first trials are trained; they are tried again when the study is resumed."""
    study = optuna.create_study()
    with pytest.raises(StorageError, match="The MLflow store cannot be used"):
        searched(tmp_path, monkeypatch, 5, study=study, mirror=Refusing())
    assert [Outcome.KILLED] * 3 == [outcome_of(trial) for trial in study.trials]
