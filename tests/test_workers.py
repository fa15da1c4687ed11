"""Worker processes of the real command: exact budgets, kills, Ctrl-C, flat memory."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import psutil
import pytest
from mlflow.tracking import MlflowClient

import tuning
from search_spaces import mlp_space
from tuning import processes
from tuning.data import Dataset, load_dataset
from tuning.errors import SettingsError, WorkerError
from tuning.model_choice import ModelChoice
from tuning.pool import Pool, share_of_cores
from tuning.settings import Settings
from tuning.strategy.records import Outcome
from tuning.study_store import load_study
from tuning.trial_attrs import OUTCOME_REASON, outcome_of, seed_index
from tuning.trial_job import EpochReport, TrialEnd, TrialJob, WorkerDied
from tuning.trials import RunningTrials
from tuning.workers import Worker

PROJECT = Path(tuning.__file__).parents[1]
N_TRIALS = 5
ARGS = ["--data", "digits", "--study", "two", "--trials", str(N_TRIALS), "--epochs", "3", "--workers", "2"]


def started(folder: Path) -> "subprocess.Popen[str]":
    """Start the search with two workers in a folder."""
    environ = {**os.environ, "PYTHONPATH": str(PROJECT)}
    environ.pop("TF_CPP_MIN_LOG_LEVEL", None)  # the command itself keeps TensorFlow quiet
    command = [sys.executable, "-m", "tuning.search", *ARGS]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=environ, stdout=pipe, stderr=pipe, text=True)


def lines_until(process: "subprocess.Popen[str]", begin: str) -> str:
    """What the search prints up to a line with that begin, which must come."""
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if line.startswith(begin):
            return seen
    pytest.fail(f"no line {begin!r} in {seen}")


def workers_of(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    """The worker processes: the children of the fork server, which is the only child that has any."""
    return [worker for child in psutil.Process(process.pid).children() for worker in child.children()]


def assert_complete(folder: Path) -> None:
    """Exactly the trials asked for, no two alike, each of them in MLflow once, and nothing left running."""
    study = load_study(folder, "two", None)
    counted = [trial for trial in study.trials if outcome_of(trial).counts]
    assert N_TRIALS == len(counted)
    assert N_TRIALS == len({(seed_index(trial), *trial.params.values()) for trial in counted})
    assert [] == [trial.number for trial in study.trials if not trial.state.is_finished()]
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("overfit-backoff")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.kind = 'trial'")
    assert sorted(f"trial-{trial.number}" for trial in study.trials) == sorted(run.info.run_name for run in runs)
    kept = [path.name for path in (folder / "mlruns/studies/two/weights").iterdir()]
    assert f"trial-{study.user_attrs['shipped_trial']}.npz" in kept
    assert len(kept) <= 5


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_two_workers_keep_the_budget(tmp_path: Path) -> None:
    """One of two workers is killed in its trial: the trial says so and is tried again, the other one goes on."""
    with started(tmp_path) as process:
        lines_until(process, "trial 1")
        workers_of(process)[0].kill()
        out, err = process.communicate(timeout=300)
    assert (0, "") == (process.returncode, err)
    assert_complete(tmp_path)
    killed = [t for t in load_study(tmp_path, "two", None).trials if outcome_of(t) is Outcome.KILLED]
    assert ["its worker process was ended by SIGKILL"] == [trial.user_attrs[OUTCOME_REASON] for trial in killed]
    assert "saw  killed: its worker process was ended by SIGKILL" in out


@pytest.mark.slow
def test_ctrl_c_ends_all_workers_and_the_study_resumes(tmp_path: Path) -> None:
    """Exit code 130 at once, the running trials end as killed, no process is left, and the next start goes on."""
    with started(tmp_path) as process:
        lines_until(process, "trial 1")
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (130, "") == (process.returncode, err.strip())  # click ends the line of the terminal's ^C
    assert "python -m tuning.search --study two" in out
    stopped = load_study(tmp_path, "two", None).trials
    assert {"interrupted by Ctrl-C"} == {
        trial.user_attrs[OUTCOME_REASON] for trial in stopped if outcome_of(trial) is Outcome.KILLED
    }
    assert [] == [trial.number for trial in stopped if not trial.state.is_finished()]
    assert [] == psutil.wait_procs(family, timeout=10)[1]
    with started(tmp_path) as process:
        _, err = process.communicate(timeout=300)
    assert (0, "") == (process.returncode, err)
    assert_complete(tmp_path)


@pytest.mark.slow
def test_workers_end_with_a_killed_search(tmp_path: Path) -> None:
    """Nobody would hear of what they find: they end within the epoch, not at the end of their trial."""
    with started(tmp_path) as process:
        lines_until(process, "trial 1")
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert len(family) >= 3
    assert [] == psutil.wait_procs(family, timeout=10)[1]


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """scikit-learn's digits."""
    return load_dataset("digits", seed=0, environ={})


@pytest.fixture
def launch(digits: Dataset, tmp_path: Path) -> Iterator[Callable[[int], processes.Child]]:
    """Starts real workers on digits that train one epoch a trial."""
    processes.warm_up()
    args = (
        digits.for_training,
        Settings(tmp_path, "pool", max_epochs=1),
        ModelChoice("mlp", mlp_space()),
        tmp_path / "weights",
        1,
    )
    yield lambda slot: processes.start("tuning.worker_main", "run_trials", *args, slot)


def train(pool: Pool, number: int) -> TrialEnd:
    """Train the start configuration in a pool of one worker and wait for its end."""
    pool.submit(TrialJob(number, {**mlp_space().start(), "units": 8}))
    while True:
        for event in pool.wait(timeout_secs=60):
            if isinstance(event, EpochReport):
                pool.answer(event, "")
            else:
                assert isinstance(event, TrialEnd)
                return event


@pytest.mark.slow
def test_workers_are_recycled_and_memory_stays_flat(launch: Callable[[int], processes.Child]) -> None:
    """After 120 trials, two recycled workers later, resident memory is within a tenth of that after 20."""
    pids, resident = set(), {}
    with Pool(launch, 1) as pool:
        for number in range(120):
            train(pool, number)
            pids |= {worker.pid for worker in psutil.Process().children(recursive=True)}
            resident[number + 1] = pool.resident_bytes
    assert len(pids) >= 3
    assert resident[120] < 1.1 * resident[20]


@pytest.mark.slow
def test_a_worker_that_dies_idle_or_busy_is_replaced(launch: Callable[[int], processes.Child]) -> None:
    """The pool says which trial was lost, if any, and goes on."""
    children: list[processes.Child] = []

    def noted(slot: int) -> processes.Child:
        children.append(launch(slot))
        return children[-1]

    with Pool(noted, 1) as pool:
        assert Outcome.COMPLETE is train(pool, 0).outcome
        children[-1].process.kill()
        assert [WorkerDied(None, "was ended by SIGKILL")] == pool.wait(timeout_secs=30)
        pool.submit(TrialJob(1, mlp_space().start()))
        children[-1].process.kill()
        assert [WorkerDied(1, "was ended by SIGKILL")] == pool.wait(timeout_secs=30)
        assert not pool.running
        assert Outcome.COMPLETE is train(pool, 2).outcome
    assert 3 == len(children)


@pytest.mark.slow
def test_a_network_that_is_refused_memory_is_out_of_memory_and_a_smaller_one_is_not(
    digits: Dataset, tmp_path: Path
) -> None:
    """Under a real limit of the system; its least size was allowed, what its training takes on top is not."""
    processes.warm_up()
    settings, space = Settings(tmp_path, "pool", max_epochs=1, memory_limit_mb=500), mlp_space()
    study = optuna.create_study()
    for units, layers in ((2048, 4), (32, 2)):
        study.enqueue_trial({**space.start(), "units": units, "layers": layers})
    n_val = len(digits.validation.labels)
    trials = RunningTrials(study, space, settings.goal, Worker.this(), n_val, settings.memory_limit_mb)
    args = (digits.for_training, settings, ModelChoice("mlp", space), tmp_path / "weights", 1)
    with Pool(lambda slot: processes.start("tuning.worker_main", "run_trials", *args, slot), 1) as pool:
        for _ in range(2):
            pool.submit(trials.ask())
            while pool.running:
                for event in pool.wait(timeout_secs=60):
                    if isinstance(event, EpochReport):
                        pool.answer(event, trials.report(event))
                    elif isinstance(event, TrialEnd):
                        trials.tell(event)
                    elif event.number is not None:
                        trials.tell_died(event.number, event.how)
    assert [Outcome.OUT_OF_MEMORY, Outcome.COMPLETE] == [outcome_of(trial) for trial in study.trials]


@pytest.mark.slow
def test_a_deterministic_worker_trains(digits: Dataset, tmp_path: Path) -> None:
    """TensorFlow refuses what it could not repeat: nothing of ours is among that, and the value is the same twice."""
    processes.warm_up()
    settings = Settings(tmp_path, "pool", max_epochs=2, deterministic=True)
    args = (digits.for_training, settings, ModelChoice("mlp", mlp_space()), tmp_path / "weights", 1)
    ends = []
    for _ in range(2):
        with Pool(lambda slot: processes.start("tuning.worker_main", "run_trials", *args, slot), 1) as pool:
            ends.append(train(pool, 0))
    assert Outcome.COMPLETE is ends[0].outcome, ends[0].reason
    assert ends[0].value == ends[1].value


@pytest.mark.slow
def test_workers_that_cannot_begin_end_the_search() -> None:
    """They would die for ever."""
    with (
        Pool(lambda _: processes.start("os", "abort_of_no_kind"), 1) as pool,
        pytest.raises(WorkerError, match="begin"),
    ):
        for number in range(4):
            pool.submit(TrialJob(number, {}))
            while pool.running:
                pool.wait(timeout_secs=30)


def test_each_worker_has_its_share_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole threads, and never none."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    assert [6, 3, 1, 1] == [share_of_cores(n_workers) for n_workers in (1, 2, 4, 64)]


@pytest.mark.parametrize("n_workers", [0, -1, 65])
def test_a_number_of_workers_has_bounds(n_workers: int, tmp_path: Path) -> None:
    """The message names the option."""
    with pytest.raises(SettingsError, match=f"`--workers` must be from 1 to 64, got {n_workers}"):
        Settings(tmp_path, "x", n_workers=n_workers)
