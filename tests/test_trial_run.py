"""How a trial ends: each way without a value is an outcome of its own, with its reason, and none ends the study."""

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import tensorflow as tf
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from search_spaces import mlp_space
from tuning.data import Dataset, load_dataset
from tuning.engine.metrics import EpochMetrics
from tuning.engine.training import Diverged, Engine, TrainedModel
from tuning.network_size import TooLarge
from tuning.pruner import CatchUpPruner
from tuning.result import Shipped
from tuning.sampler import OverfitBackoffSampler
from tuning.settings import Settings
from tuning.strategy.diagnosis import FitState
from tuning.strategy.example_losses import ExampleLosses
from tuning.strategy.records import Outcome
from tuning.study_store import n_counted
from tuning.tracking.mirror_runs import trial_run
from tuning.trial_attrs import EXAMPLE_LOSSES, EXPECTED_VALUE, FIT_STATE, OUTCOME_REASON, VALUE_STDERR, outcome_of
from tuning.trial_job import EpochReport, TrialEnd, TrialJob
from tuning.trial_run import Pruned, TrialRunner
from tuning.trials import RunningTrials
from tuning.weights import WeightStore
from tuning.workers import Worker


@dataclass
class FaultyEngine:
    """A real engine whose first trainings end with the given exceptions."""

    engine: Engine
    faults: list[Exception] = field(default_factory=list)

    def train(self, *args: Any, **kwargs: Any) -> TrainedModel:  # noqa: ANN401 - passed on as they are
        """Raise the next fault, or train."""
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault
        return self.engine.train(*args, **kwargs)

    @property
    def n_train_sample(self) -> int:
        """As the real one."""
        return self.engine.n_train_sample

    @property
    def n_val(self) -> int:
        """As the real one."""
        return self.engine.n_val


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """scikit-learn's digits."""
    return load_dataset("digits", seed=0, environ={})


@pytest.fixture
def tried(digits: Dataset, tmp_path: Path) -> Callable[..., list[FrozenTrial]]:
    """Runs a trial for each fault, and one more that is in order; None is a worker process that dies."""

    def run(*faults: Exception | None) -> list[FrozenTrial]:
        settings, space, data = Settings(tmp_path, "outcomes", max_epochs=2), mlp_space(), digits.for_training
        study = optuna.create_study(sampler=OverfitBackoffSampler(space), pruner=CatchUpPruner(2))
        train, validation = digits.train, digits.validation
        sound = Engine(train.inputs, train.labels, validation.inputs, validation.labels)
        engine: Any = FaultyEngine(sound, [fault for fault in faults if fault is not None])
        runner = TrialRunner(data, engine, settings, WeightStore(tmp_path / "w"))
        trials = RunningTrials(study, space, settings.goal, Worker.this(), len(validation.labels))
        for dies in (*(fault is None for fault in faults), False):
            job = trials.ask()
            if dies:
                trials.tell_died(job.number, "was ended by SIGKILL")
            else:
                trials.tell(runner.run(job, trials.report))
        return study.trials

    return run


FAULTS: list[tuple[Exception | None, Outcome, TrialState, str, str]] = [
    (Diverged(0.1), Outcome.DIVERGED, TrialState.FAIL, "0.1", "FAILED"),
    (MemoryError(), Outcome.OUT_OF_MEMORY, TrialState.FAIL, "not enough memory", "FAILED"),
    (
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"),
        Outcome.OUT_OF_MEMORY,
        TrialState.FAIL,
        "not enough memory",
        "FAILED",
    ),
    (RuntimeError("my layer is broken"), Outcome.FAILED, TrialState.FAIL, "RuntimeError: my layer is broken", "FAILED"),
    (TooLarge("it would have 7 weights"), Outcome.INFEASIBLE, TrialState.FAIL, "it would have 7 weights", "FAILED"),
    (OSError(errno.ENOSPC, "No space left on device"), Outcome.KILLED, TrialState.FAIL, "No space left", "KILLED"),
    (Pruned("too slow"), Outcome.PRUNED, TrialState.PRUNED, "too slow", "KILLED"),
    (None, Outcome.KILLED, TrialState.FAIL, "its worker process was ended by SIGKILL", "KILLED"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "outcome", "state", "reason", "status"), FAULTS)
def test_each_fault_is_its_own_outcome_and_the_study_goes_on(
    fault: Exception | None,
    outcome: Outcome,
    state: TrialState,
    reason: str,
    status: str,
    tried: Callable[..., list[FrozenTrial]],
) -> None:
    """The trial carries the outcome and its reason, MLflow gets the status, the next trial is complete."""
    faulty, sound = tried(fault)
    assert (outcome, state) == (outcome_of(faulty), faulty.state)
    assert reason in faulty.user_attrs[OUTCOME_REASON]
    assert status == trial_run(faulty, Settings(Path("/"), "x").goal).status
    assert Outcome.COMPLETE is outcome_of(sound)


def test_a_complete_trial_carries_what_the_next_decision_and_a_reader_need(
    tried: Callable[..., list[FrozenTrial]],
) -> None:
    """Fit state, curves, seed and the value of the best epoch."""
    (trial,) = tried()
    attrs = trial.user_attrs
    assert attrs[FIT_STATE] in list(FitState)
    assert 2 == len(attrs["curves"]["val_loss"])
    assert trial.value == pytest.approx(min(attrs["curves"]["val_loss"]), rel=1e-5)
    assert {1, 2} == set(trial.intermediate_values)
    assert 0 < attrs["value_stderr"] < trial.value
    examples = ExampleLosses.from_attr(attrs[EXAMPLE_LOSSES])
    assert examples is not None
    assert trial.value == pytest.approx(examples.values.mean(), rel=1e-2)


def test_a_pruned_trial_says_why_in_numbers_and_what_it_was_expected_to_reach() -> None:
    """Its best, the incumbent's until then, what it could reach and what it needs."""
    space = mlp_space()
    study = optuna.create_study(sampler=RandomSampler(seed=0), pruner=CatchUpPruner(30))
    best = {"value": 0.2, "params": space.start(), "distributions": space.distributions()}
    study.add_trial(create_trial(**best, intermediate_values={1: 0.5, 2: 0.2}, user_attrs={VALUE_STDERR: 0.0}))
    trials = RunningTrials(study, space, Settings(Path("/"), "x").goal, Worker.this(), n_val=100)
    number, flat = trials.ask().number, EpochMetrics(0.1, 0.1, 0.9, 0.2, 0.9, val_loss_sd=1.0)
    answers = [trials.report(EpochReport(number, epoch, flat)) for epoch in range(1, 6)]
    assert answers == ["", "", "", ""] + [
        "cannot catch up: at epoch 5 of 30 its best is 0.9, the incumbent's until then 0.2; "
        "it could reach 0.9 at best and needs 0.2"
    ]
    trials.tell(TrialEnd(number, Outcome.PRUNED, answers[-1]))
    assert Outcome.PRUNED is outcome_of(study.trials[-1])
    assert 0.9 == pytest.approx(study.trials[-1].user_attrs[EXPECTED_VALUE])
    assert 0.1 == pytest.approx(study.trials[-1].user_attrs[VALUE_STDERR])


@pytest.mark.slow
def test_a_killed_trial_uses_up_no_budget(tried: Callable[..., list[FrozenTrial]]) -> None:
    """Its configuration is tried again, with the same seed."""
    killed, again = tried(None)
    assert killed.params == again.params
    study = optuna.create_study()
    study.add_trials([killed, again])
    assert 1 == n_counted(study)


@pytest.mark.slow
def test_a_configuration_that_kills_its_worker_again_and_again_has_failed(
    tried: Callable[..., list[FrozenTrial]],
) -> None:
    """The third time it uses up budget, and another configuration follows: the study cannot hang on it."""
    *killed, failed, after = tried(None, None, None)
    assert [Outcome.KILLED] * 2 == [outcome_of(trial) for trial in killed]
    # The system kills what takes too much memory.
    assert (Outcome.OUT_OF_MEMORY, killed[0].params) == (outcome_of(failed), failed.params)
    assert "SIGKILL, 3 times" in failed.user_attrs[OUTCOME_REASON]
    assert failed.params != after.params


@pytest.mark.parametrize(
    ("how", "limit_mb", "outcome"),
    [
        ("was ended by SIGABRT", None, Outcome.KILLED),
        ("was ended by SIGABRT", 100, Outcome.OUT_OF_MEMORY),
        ("was ended by SIGKILL", 100, Outcome.KILLED),
        ("ended with exit code 1", 100, Outcome.KILLED),
    ],
)
def test_a_worker_that_aborts_under_a_memory_limit_is_out_of_memory(
    how: str, limit_mb: int | None, outcome: Outcome
) -> None:
    """Native code aborts when it is refused memory; without a limit an abort is a bug, and is tried again."""
    study, space = optuna.create_study(sampler=OverfitBackoffSampler(mlp_space())), mlp_space()
    goal = Settings(Path("/"), "x").goal
    trials = RunningTrials(study, space, goal, Worker.this(), n_val=100, memory_limit_mb=limit_mb)
    trials.tell_died(trials.ask().number, how)
    assert outcome is outcome_of(study.trials[0])
    assert how in study.trials[0].user_attrs[OUTCOME_REASON]


def test_a_study_is_unproven_until_a_trial_could_be_trained() -> None:
    """Also one that was resumed after failures: if it fails again, whether it always will has to be found out again."""
    study, space = optuna.create_study(sampler=RandomSampler(seed=0)), mlp_space()
    trials = RunningTrials(study, space, Settings(Path("/"), "x").goal, Worker.this(), n_val=100)
    ends: list[tuple[Outcome, float | None]] = [(Outcome.FAILED, None), (Outcome.OUT_OF_MEMORY, None)]
    found = []
    for outcome, value in [*ends, (Outcome.COMPLETE, 0.5), (Outcome.FAILED, None)]:
        job = trials.ask()
        found.append(job.is_unproven)
        trials.tell(TrialEnd(job.number, outcome, "", value))
    assert [True, True, True, False] == found


def test_of_two_processes_that_ask_at_the_same_moment_the_later_number_is_withdrawn() -> None:
    """The budget holds however many ask; what was withdrawn leaves no trace in the decisions."""
    space, goal = mlp_space(), Settings(Path("/"), "x").goal
    study = optuna.create_study(sampler=OverfitBackoffSampler(space))
    first, second = (RunningTrials(study, space, goal, Worker("here", pid, 0.0), n_val=100) for pid in (1, 2))
    jobs = [first.ask_within(2), second.ask_within(2), first.ask_within(2), second.ask_within(2)]
    assert [0, 1, None, None] == [job and job.number for job in jobs]
    assert [Outcome.RUNNING] * 2 + [Outcome.KILLED] * 2 == [outcome_of(trial) for trial in study.trials]
    first.tell(TrialEnd(0, Outcome.KILLED, "as if its worker had died"))
    again = second.ask_within(2)
    assert again is not None
    assert 4 == again.number


def test_the_end_of_a_trial_that_was_taken_for_lost_is_dropped() -> None:
    """Another process has closed it and tries it again: a result must not count twice."""
    space, goal = mlp_space(), Settings(Path("/"), "x").goal
    study = optuna.create_study(sampler=OverfitBackoffSampler(space))
    trials = RunningTrials(study, space, goal, Worker.this(), n_val=100)
    job = trials.ask()
    study.tell(job.number, state=TrialState.FAIL)
    metrics = EpochMetrics(0.1, 0.1, 0.9, 0.2, 0.9, val_loss_sd=1.0)
    assert "another process took it for lost" == trials.report(EpochReport(job.number, 1, metrics))
    trials.beat()
    assert not trials.tell(TrialEnd(job.number, Outcome.COMPLETE, value=1.0))
    assert (TrialState.FAIL, None) == (study.trials[0].state, study.trials[0].value)
    assert [] == trials.abandon("the end")


def test_what_still_runs_when_the_search_ends_is_killed_with_its_reason() -> None:
    """A trial that has been told is left as it is."""
    study, space = optuna.create_study(), mlp_space()
    trials = RunningTrials(study, space, Settings(Path("/"), "x").goal, Worker.this(), n_val=100)
    told, running = trials.ask(), trials.ask()
    trials.tell(TrialEnd(told.number, Outcome.COMPLETE, value=1.0))
    assert [running.number] == trials.abandon("interrupted by Ctrl-C")
    assert [Outcome.COMPLETE, Outcome.KILLED] == [outcome_of(trial) for trial in study.trials]
    assert "interrupted by Ctrl-C" == study.trials[1].user_attrs[OUTCOME_REASON]


@pytest.mark.slow
def test_the_best_trial_is_trained_again_where_its_weights_were_not_kept(digits: Dataset, tmp_path: Path) -> None:
    """With its seed, so that they are the same weights; and once."""
    train, validation = digits.train, digits.validation
    engine = Engine(train.inputs, train.labels, validation.inputs, validation.labels)
    settings = Settings(tmp_path, "again", max_epochs=2)
    runner = TrialRunner(digits.for_training, engine, settings, WeightStore(tmp_path / "w"))
    params = {**mlp_space().start(), "units": 16, "dropout": 0.2}
    ended = runner.run(TrialJob(7, params, seed_index=1), lambda report: "")
    file = tmp_path / "w" / "trial-7.npz"
    with np.load(file) as arrays:
        first = [arrays[name] for name in arrays.files]
    file.unlink()
    shipped = Shipped(7, params, seed=ended.attrs["seed"], train_secs=1.0)

    notes = runner.train_again(shipped)

    assert "trial 7 was trained again" in notes[0]
    with np.load(file) as arrays:
        for ours, theirs in zip(first, [arrays[name] for name in arrays.files], strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert runner.train_again(shipped) == ()
