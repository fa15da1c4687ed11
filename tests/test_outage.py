"""A server that goes away in the middle of a study neither stops nor loses it, and nothing is sent twice."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import optuna
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from optuna.trial import create_trial

import tuning
from tests.mlflow_server import free_port, kill, mlflow_server
from tuning import cli
from tuning.errors import StorageError
from tuning.settings import OBJECTIVES
from tuning.sync import sync
from tuning.tracking.mirror import Mirror
from tuning.tracking.tracker import DatasetFacts, Store, Tracker
from tuning.tracking.tracker import Run as TrackedRun

PROJECT = Path(tuning.__file__).parents[1]
N_TRIALS = 5
ARGS = ["--data", "digits", "--study", "away", "--trials", str(N_TRIALS), "--epochs", "3"]


class Leaving(Tracker):
    """A tracker on a real store that cannot be reached while `is_away`."""

    is_away = False

    def log(self, run: TrackedRun) -> bool:
        """As long as it is there."""
        self._ask()
        return super().log(run)

    def keys(self, since_ms: int | None = None) -> frozenset[str]:
        """As long as it is there."""
        self._ask()
        return super().keys(since_ms)

    def _ask(self) -> None:
        if self.is_away:
            raise StorageError("The MLflow store cannot be used.")


def test_a_server_that_is_away_is_asked_seldom_and_gets_everything_when_it_is_back(tmp_path: Path) -> None:
    """One line when it goes, none while it is away, one when it is back; every trial is there once."""
    tracker = Leaving(Store(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "mlruns", "x"), "away")
    facts = DatasetFacts("digits", "0" * 64, "scikit-learn", n_train=1, n_val=1, n_test=1)
    tracker.open_study(tags={}, params={}, dataset=facts)
    study, now = optuna.create_study(), [0.0]
    mirror = Mirror(tracker, study, OBJECTIVES["val_loss"], clock=lambda: now[0])
    said = []
    for number, secs in enumerate([0.0, 1.0, 2.0, 60.0, 61.0]):
        study.add_trial(create_trial(state=optuna.trial.TrialState.PRUNED, intermediate_values={1: 0.5}))
        tracker.is_away, now[0] = number in (1, 2), secs
        said.append(mirror.trial(number))
    assert [
        "",
        "The MLflow store cannot be used. The search goes on; what is missing there is sent later.",
        "",
    ] == said[:3]
    assert ["MLflow answers again: what was missing there has been sent.", ""] == said[3:]
    assert frozenset(f"trial-{number}" for number in range(5)) == tracker.keys()


@pytest.mark.slow
def test_a_long_study_is_not_looked_through_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known to be there is not read on resuming; what is missing after that is sent, whatever the clock."""
    monkeypatch.setattr("tuning.tracking.mirror._SETTLE_EVERY", 2)
    study = optuna.create_study()
    store = Store(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "mlruns", "x")
    facts = DatasetFacts("digits", "0" * 64, "scikit-learn", n_train=1, n_val=1, n_test=1)

    def opened() -> Mirror:
        tracker = Tracker(store, "long")
        tracker.open_study(tags={}, params={}, dataset=facts)
        return Mirror(tracker, study, OBJECTIVES["val_loss"])

    first = opened()
    for number in range(3):
        study.add_trial(create_trial(state=optuna.trial.TrialState.PRUNED, intermediate_values={1: 0.5}))
        first.trial(number)
    resumed = opened()
    resumed.catch_up()
    assert ["trial-2"] == [key for key in ("trial-0", "trial-1", "trial-2") if resumed.tracker.has(key)]
    late = create_trial(state=optuna.trial.TrialState.PRUNED, intermediate_values={1: 0.5})
    late.datetime_start = late.datetime_complete = datetime(2001, 1, 1)
    study.add_trial(late)
    for _ in range(2):  # what was sent is settled by the next look
        opened().catch_up()
    assert (4, 4) == (opened().tracker.n_settled, len(opened().tracker.keys()))


class Slow(Tracker):
    """A tracker that is overtaken between its look at what is there and what it does then."""

    meanwhile: Callable[[], None] | None = None

    def keys(self, since_ms: int | None = None) -> frozenset[str]:
        """Something happens after the look, once."""
        known = super().keys(since_ms)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return known


@pytest.mark.slow
def test_what_two_searches_send_at_the_same_moment_is_there_once_after_the_next_look(tmp_path: Path) -> None:
    """Both have found the trials of a third, which was killed, and neither those of the other."""
    study = optuna.create_study()
    study.add_trials([create_trial(state=optuna.trial.TrialState.PRUNED, intermediate_values={1: 0.5})] * 2)
    store = Store(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "mlruns", "x")

    def opened() -> tuple[Slow, Mirror]:
        tracker = Slow(store, "both")
        facts = DatasetFacts("digits", "0" * 64, "scikit-learn", n_train=1, n_val=1, n_test=1)
        tracker.open_study(tags={}, params={}, dataset=facts)
        return tracker, Mirror(tracker, study, OBJECTIVES["val_loss"])

    (tracker, first), (_, second) = opened(), opened()
    tracker.meanwhile = second.catch_up
    first.catch_up()
    opened()[1].catch_up()
    client = MlflowClient(store.tracking_uri)
    experiment = client.get_experiment_by_name("x")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.kind = 'trial'")
    assert ["trial-0", "trial-1"] == sorted(str(run.info.run_name) for run in runs)


def run(command: str, folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run one of the project's commands in a folder."""
    environ = {**os.environ, "PYTHONPATH": str(PROJECT)}
    command_line = [sys.executable, "-m", command, *args]
    return subprocess.run(command_line, cwd=folder, env=environ, capture_output=True, text=True, timeout=300)


def searched_while_the_server_dies(folder: Path, server: subprocess.Popen[bytes], uri: str) -> str:
    """Run a search, kill its server when the third trial begins, and return what the search printed."""
    environ = {**os.environ, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-m", "tuning.search", *ARGS, "--tracking-uri", uri]
    with subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, text=True) as search:
        assert search.stdout is not None
        told = []
        for line in search.stdout:
            told.append(line)
            if line.startswith("trial 2"):
                kill(server)
                killed = time.monotonic()
        search.wait()
    assert 0 == search.returncode, told
    assert time.monotonic() - killed < 120
    return "".join(told)


def runs_of(uri: str) -> dict[str, list[Run]]:
    """All runs that a server shows, by name."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("overfit-backoff")
    assert experiment is not None
    found: dict[str, list[Run]] = {}
    for each in client.search_runs([experiment.experiment_id]):
        found.setdefault(str(each.info.run_name), []).append(each)
    return found


def n_points(uri: str, runs: dict[str, list[Run]]) -> Counter[str]:
    """How many points each run's curve of the validation loss has, by the run's name."""
    client = MlflowClient(uri)
    lengths = {name: len(client.get_metric_history(run.info.run_id, "val_loss")) for name, (run,) in runs.items()}
    return Counter(lengths)


@pytest.mark.slow
def test_a_server_killed_in_the_middle_gets_everything_once_by_sync(tmp_path: Path) -> None:
    """The study goes on without it, says how to bring it up to date, and doing so twice changes nothing."""
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    store = [
        "--backend-store-uri",
        f"sqlite:///{tmp_path / 'server.db'}",
        "--artifacts-destination",
        str(tmp_path / "sent"),
    ]
    with mlflow_server(tmp_path, port, *store) as server:
        told = searched_while_the_server_dies(tmp_path, server, uri)
    assert 1 == told.count("The search goes on; what is missing there is sent later.")
    assert "What is missing there is sent by `python -m tuning.sync --study away`" in told
    unreachable = run("tuning.sync", tmp_path, "--study", "away")
    assert (2, 1) == (unreachable.returncode, unreachable.stderr.count("\n"))
    with mlflow_server(tmp_path, port, *store):
        synced = [run("tuning.sync", tmp_path, "--study", "away") for _ in range(2)]
        assert [0, 0] == [done.returncode for done in synced], synced
        assert f"{uri}/#/experiments/" in synced[0].stdout
        runs = runs_of(uri)
        assert {"away", "hand-made", "tuned", *(f"trial-{i}" for i in range(N_TRIALS))} == runs.keys()
        assert {1} == {len(found) for found in runs.values()}
        assert {"FINISHED"} == {run.info.status for (run,) in runs.values()} - {"KILLED"}
        assert all(n_points(uri, runs)[f"trial-{i}"] <= 3 for i in range(N_TRIALS))
        assert 3 == len(runs["away"][0].inputs.dataset_inputs)
        assert 1 == len(MlflowClient(uri).get_metric_history(runs["away"][0].info.run_id, "best_val_loss"))
        models = MlflowClient(uri).search_logged_models([runs["away"][0].info.experiment_id])
        assert ["hand-made", "tuned"] == sorted(model.name for model in models)
        artifacts = {file.path for file in MlflowClient(uri).list_artifacts(runs["away"][0].info.run_id)}
    assert {"pictures", "previews", "result.json", "argument.txt"} == artifacts


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--study", "other"], "There is no study 'other'. Known studies: none yet"),
        ([], "Missing option '--study'"),
    ],
)
def test_sync_names_what_is_wrong(
    args: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, exit code 2, nothing written."""
    monkeypatch.chdir(tmp_path)
    assert cli.EXIT_BAD_INPUT == cli.run(sync, args)
    assert message in capsys.readouterr().err
    assert [] == list(tmp_path.iterdir())
