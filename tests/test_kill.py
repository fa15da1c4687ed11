"""A search killed with `kill -9` between any two lines ends with the same trials as one that was never killed."""

import os
import random
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from mlflow.tracking import MlflowClient

import tuning
from tuning.strategy.records import Outcome
from tuning.study_store import load_study
from tuning.trial_attrs import OUTCOME_REASON, decision_of, outcome_of

N_TRIALS = 4
N_KILLS = 12
DRIVER = Path(__file__).with_name("kill_driver.py")


def run(folder: Path, lines: list[int], who: str = "search") -> list[int]:
    """Run one search after the other in a folder, each killed at its line, the last one not; returns their ends."""
    folder.mkdir()
    args = [str(folder), "digits", str(N_TRIALS), who, *map(str, lines)]
    environ = {**os.environ, "PYTHONPATH": str(Path(tuning.__file__).parents[1])}
    done = subprocess.run([sys.executable, str(DRIVER), *args], env=environ, capture_output=True, text=True)
    ends = [line for line in done.stdout.splitlines() if line.startswith("ends")]
    assert ends, done.stderr
    return [int(end) for end in ends[0].split()[1:]]


def story(study: optuna.Study) -> list[tuple[object, ...]]:
    """What must not depend on kills: configurations, values, reasons and curves of the trials that count."""
    counted = [trial for trial in study.trials if outcome_of(trial).counts]
    return [
        (trial.params, trial.value, decision_of(trial)["reason"], trial.user_attrs.get("curves")) for trial in counted
    ]


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> optuna.Study:
    """The study that nobody killed."""
    folder = tmp_path_factory.mktemp("calm") / "here"
    assert [0] == run(folder, [])
    return load_study(folder, "killed", None)


@pytest.mark.slow
def test_kills_change_nothing(tmp_path: Path, calm: optuna.Study) -> None:
    """Twelve kills at random lines, one after the other; the rest of the study is exact, and MLflow has each trial."""
    # A whole search of this size executes 6,400 lines beside its workers; the first hundreds lie before any trial.
    lines = random.Random(20261122)
    ends = run(tmp_path / "killed", [lines.randint(1, 4500) for _ in range(N_KILLS)])
    killed = load_study(tmp_path / "killed", "killed", None)
    assert 0 == ends[-1]
    assert sum(end == -9 for end in ends) >= N_KILLS // 2, f"most forks must have been killed, got {ends}"
    assert story(calm) == story(killed)
    assert N_TRIALS == len(story(killed))
    assert {Outcome.KILLED} >= {outcome_of(trial) for trial in killed.trials if not outcome_of(trial).counts}
    _assert_mirrored(tmp_path / "killed", killed)


@pytest.mark.slow
def test_killed_workers_are_replaced_and_change_nothing(tmp_path: Path, calm: optuna.Study) -> None:
    """One search goes on while four of its workers die: in their first, second and first trial, and before any."""
    # A trial is about 1,900 lines of its worker.
    assert [0] == run(tmp_path / "killed", [700, 3000, 2500, 1], "workers")
    killed = load_study(tmp_path / "killed", "killed", None)
    assert story(calm) == story(killed)
    reasons = [t.user_attrs[OUTCOME_REASON] for t in killed.trials if outcome_of(t) is Outcome.KILLED]
    assert 3 <= len(reasons) <= 4, reasons
    assert {"its worker process was ended by SIGKILL"} == set(reasons)
    _assert_mirrored(tmp_path / "killed", killed)


def _assert_mirrored(folder: Path, study: optuna.Study) -> None:
    """Every trial stands in MLflow exactly once, none as running."""
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("overfit-backoff")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.kind = 'trial'")
    assert sorted(f"trial-{trial.number}" for trial in study.trials) == sorted(run.info.run_name for run in runs)
    assert {"FINISHED", "KILLED"} >= {run.info.status for run in runs}
