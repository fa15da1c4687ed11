"""The same command in two places joins one study on a database: exact budget, one comparison, no password anywhere."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage

import tuning
from tests import postgresql
from tuning.finisher import FINISHER, left_to_another
from tuning.trial_attrs import outcome_of
from tuning.weights import WeightStore
from tuning.workers import WORKER, Worker

PROJECT = Path(tuning.__file__).parents[1]
N_TRIALS = 5
SECRET = "s3cr3t"
ARGS = ["--data", "digits", "--study", "both", "--trials", str(N_TRIALS)]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A database whose URL has a password."""
    binaries = postgresql.binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed")
    with postgresql.server(binaries) as plain:
        yield plain.replace("@", f":{SECRET}@")


def started(folder: Path, url: str, *args: str) -> "subprocess.Popen[str]":
    """Start the search in a folder of its own, as on a machine of its own; the password is not on its command line."""
    folder.mkdir()
    environ = {**os.environ, "PYTHONPATH": str(PROJECT), "TUNING_STORAGE": url}
    environ.pop("TF_CPP_MIN_LOG_LEVEL", None)  # the command itself keeps TensorFlow quiet
    command = [sys.executable, "-m", "tuning.search", *ARGS, *args]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=environ, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.slow
def test_two_commands_at_the_same_moment_share_one_study(tmp_path: Path, url: str) -> None:
    """No trial too many, none twice; one compares and the other says who; a third that differs is refused."""
    processes = [started(tmp_path / name, url, "--epochs", "2") for name in ("one", "two")]
    outputs = [process.communicate(timeout=300) for process in processes]
    assert [0, 0] == [process.returncode for process in processes], outputs
    with postgresql.closing(RDBStorage(url)) as storage:
        study = optuna.load_study(study_name="both", storage=storage)
        counted = [trial for trial in study.trials if outcome_of(trial).counts]
        assert N_TRIALS == len(counted)
        assert all(trial.state.is_finished() for trial in study.trials)
        assert 1 == study.user_attrs["n_test_openings"]
    assert 1 == sum("The study is complete." in out for out, _ in outputs), outputs
    assert 1 == len(list(tmp_path.rglob("studies/both/result.json")))
    with started(tmp_path / "three", url, "--epochs", "3") as third:
        out, err = third.communicate(timeout=100)
    assert (2, 1) == (third.returncode, err.count("\n")), err
    assert "epochs 2 instead of 3" in err
    assert [] == [path for path in (tmp_path / "three").rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert SECRET not in str(outputs) + out + err
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [] == [path for path in files if SECRET.encode() in path.read_bytes()]


def ended_study(*workers: Worker) -> optuna.Study:
    """A study whose trials these workers ran."""
    study = optuna.create_study()
    for worker in workers:
        attrs = {WORKER: worker.as_attr()}
        study.add_trial(optuna.trial.create_trial(value=1.0, user_attrs=attrs))
    return study


def test_who_ran_all_trials_compares(tmp_path: Path) -> None:
    """Without asking anybody: one process alone is the usual case."""
    here = Worker.this()
    dead = Worker(here.host, here.pid, here.started + 100, here.system)
    assert left_to_another(ended_study(here, dead), 0, WeightStore(tmp_path)) is None


def test_the_machine_with_the_best_weights_compares(tmp_path: Path) -> None:
    """The other one says where they are."""
    study = ended_study(Worker.this(), Worker("elsewhere", 7, 0.0))
    told = left_to_another(study, 1, WeightStore(tmp_path))
    assert told is not None
    assert "Its best trial, 1, has its weights on elsewhere" in told


def test_the_first_to_say_so_compares(tmp_path: Path) -> None:
    """Both have the weights: who finds another's word, before its own or after, leaves it to the other."""
    elsewhere, weights = Worker("elsewhere", 7, 0.0), WeightStore(tmp_path)
    (tmp_path / "trial-0.npz").touch()
    study = ended_study(Worker.this(), elsewhere)
    assert left_to_another(study, 0, weights, sleep=lambda secs: None) is None

    def is_overtaken(secs: float) -> None:
        study.set_user_attr(FINISHER, {"worker": elsewhere.as_attr(), "n_trials": 2})

    study.set_user_attr(FINISHER, {})
    told = [left_to_another(study, 0, weights, sleep=is_overtaken), left_to_another(study, 0, weights)]
    assert all(each and "Process 7 on elsewhere compares" in each for each in told)
    study.add_trial(optuna.trial.create_trial(value=1.0))  # that was another end
    assert left_to_another(study, 0, weights, sleep=lambda secs: None) is None
