"""The real command, end to end, on small real data: once for all, then each test looks at another part of it."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import optuna
import pytest
from mlflow.tracking import MlflowClient
from optuna.trial import TrialState

import tuning
from tests.dashboard_servers import GUIDE, asked, attributes, details, served
from tests.docs import blocks, command
from tuning.evaluation.outcomes import PerExample
from tuning.study_store import load_study, n_counted
from tuning.trial_attrs import decision_of

pytestmark = pytest.mark.slow

PROJECT = Path(tuning.__file__).parents[1]
N_TRIALS = 5
ARGS = command(GUIDE, "--tensorboard")[3:]  # so that the guide's command is run


def run(command: str, folder: Path, *args: str, n_columns: int = 80) -> subprocess.CompletedProcess[str]:
    """Run one of the project's commands as a user does, in a folder of its own."""
    environ = {**os.environ, "PYTHONPATH": str(PROJECT), "COLUMNS": str(n_columns)}
    environ.pop("TF_CPP_MIN_LOG_LEVEL", None)  # the command itself keeps TensorFlow quiet
    return subprocess.run(
        [sys.executable, "-m", command, *args], cwd=folder, env=environ, capture_output=True, text=True, timeout=600
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the search ran."""
    return tmp_path_factory.mktemp("search")


@pytest.fixture(scope="module")
def searched(folder: Path) -> subprocess.CompletedProcess[str]:
    """The search, run once."""
    done = run("tuning.search", folder, *ARGS)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def study(folder: Path, searched: subprocess.CompletedProcess[str]) -> optuna.Study:
    """The study it left."""
    return load_study(folder, "small", None)


def test_the_log_reads_as_an_argument(searched: subprocess.CompletedProcess[str], study: optuna.Study) -> None:
    """Every trial is told with its reason and with what was seen; TensorFlow says nothing."""
    assert "trial 0  cross the border: start" in searched.stdout
    for trial in study.trials:
        assert f"why  {decision_of(trial)['reason']}" in searched.stdout
    assert searched.stdout.count("   saw  ") == N_TRIALS
    assert searched.stderr == ""


def test_overfit_comes_first(study: optuna.Study) -> None:
    """The first network crosses the border without regularization; a later one is regularized."""
    first = study.trials[0]
    assert first.user_attrs["crossed_border"]
    assert (first.params["dropout"], first.params["l2"]) == (0.0, 0.0)
    assert "cross the border" == decision_of(first)["phase"]
    assert any(trial.params["dropout"] > 0 for trial in study.trials)


def test_the_stand_in_is_named_so(searched: subprocess.CompletedProcess[str]) -> None:
    """The table never calls it TF-GAN's, and says what it may have seen."""
    rows = [line for line in searched.stdout.splitlines() if line.startswith((" baseline", " hand-made", " tuned"))]
    assert ["baseline-stand-in", "hand-made", "tuned"] == [row.split()[0] for row in rows]
    assert "stand-in for TF-GAN's classifier" in searched.stdout
    assert "trained on MNIST's training images: on all of mnist5k, its test images too" in searched.stdout


def shipped(study: optuna.Study) -> optuna.trial.FrozenTrial:
    """The trial whose weights were compared and exported."""
    return study.trials[study.user_attrs["shipped_trial"]]


def test_result_json_holds_the_comparison(folder: Path, study: optuna.Study) -> None:
    """Accuracy with its interval, losses, calibration, sizes, latency and the paired test are there."""
    result = json.loads((folder / "mlruns/studies/small/result.json").read_text())
    tuned = result["models"][-1]
    interval = tuned["evaluation"]["accuracy_interval"]
    assert 0.85 < tuned["evaluation"]["accuracy"] <= 1
    assert interval["low"] < tuned["evaluation"]["accuracy"] < interval["high"]
    assert tuned["n_params"] == shipped(study).user_attrs["n_params"]
    assert {1, 256} == {latency["batch_size"] for latency in tuned["latency"]}
    assert {"baseline-stand-in", "hand-made"} == set(result["paired"])
    assert 1 == result["n_test_openings"] == study.user_attrs["n_test_openings"]
    assert f"its budget of {N_TRIALS} trials is used up" == result["stop_reason"]


def test_result_says_why_the_numbers_are_what_they_are(
    folder: Path, searched: subprocess.CompletedProcess[str]
) -> None:
    """A loss report for each model, the naive reading of the baseline, selection optimism and TF-GAN's measures."""
    result = json.loads((folder / "mlruns/studies/small/result.json").read_text())
    baseline, hand_made, tuned = result["models"]
    for model in (baseline, hand_made, tuned):
        assert model["loss_report"]["sentence"].startswith(model["loss_report"]["cause"])
        assert f"{model['name']}: {model['loss_report']['sentence']}." in searched.stdout
    assert ("[-1, 1]", "pixels 0 to 255") == (baseline["sweep"]["chosen"], baseline["naive"]["scaling"])
    assert "unscaled inputs" == baseline["naive"]["loss_report"]["cause"]
    assert baseline["naive"]["evaluation"]["nll"] > 10 * baseline["evaluation"]["nll"]
    assert ("", True) == (tuned["may_have_seen"], "training images" in baseline["may_have_seen"])
    assert "selection optimism" in searched.stdout
    assert all(f"{finding}." in searched.stdout for finding in result["findings"])
    left_out = [note for note in result["notes"] if "Frechet classifier distance are left out" in note]
    assert 1 == len(left_out) + (result["parts"] is not None)


def test_mlflow_holds_the_study(folder: Path, study: optuna.Study) -> None:
    """One parent, a child a trial, the compared models beside them, with the same metric names."""
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("overfit-backoff")
    assert experiment is not None
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    trials = {f"trial-{i}" for i in range(N_TRIALS)}
    assert {"small", "baseline-stand-in", "hand-made", "tuned"} | trials == set(runs)
    parent = runs.pop("small")
    assert {parent.info.run_id} == {run.data.tags["mlflow.parentRunId"] for run in runs.values()}
    assert 1 == len({run.data.params["data_sha256"] for run in runs.values()})
    best = f"trial-{shipped(study).number}"
    assert shipped(study).value == pytest.approx(runs[best].data.metrics["best_val_loss"])
    assert all("best_val_accuracy" in runs[name].data.metrics for name in ("baseline-stand-in", "hand-made", best))
    curve = client.get_metric_history(runs[best].info.run_id, "val_loss")
    assert [1, 2, 3] == [point.step for point in curve][:3]
    assert {"result.json", "pictures"} <= {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert "The argument" in parent.data.tags["mlflow.note.content"]
    assert {"test_ece_equal_mass", "test_brier_reliability", "optimism_nll_rise"} <= set(parent.data.metrics)
    assert runs["baseline-stand-in"].data.metrics["test_naive_nll"] > 1


def test_the_exported_model_needs_nothing_of_ours(folder: Path, searched: subprocess.CompletedProcess[str]) -> None:
    """Both files load in a fresh process without this project and give the same probabilities for raw pixels."""
    script = """
import sys, keras, numpy as np, tensorflow as tf
pixels = np.random.default_rng(0).integers(0, 256, (16, 28, 28), dtype=np.uint8)
first = np.asarray(keras.models.load_model("model.keras")(pixels))
module = tf.saved_model.load("saved_model")
second = module.serve(pixels).numpy()
assert "tuning" not in sys.modules and "models" not in sys.modules
np.testing.assert_allclose(first, second, atol=1e-5)
np.testing.assert_allclose(first.sum(axis=1), 1, atol=1e-5)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=folder / "exports/small", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    card = (folder / "exports/small/MODEL_CARD.md").read_text()
    assert all(words in card for words in ("| baseline-stand-in |", "is shipped", "model.keras", "saved_model", "MIT"))


def test_the_tuned_model_is_registered_with_what_a_later_one_is_compared_with(
    folder: Path, searched: subprocess.CompletedProcess[str]
) -> None:
    """The first one is the champion; each finalist keeps its losses on the test examples."""
    assert "registered  overfit-backoff-mnist5k version 1, champion: there was no champion" in searched.stdout
    result = json.loads((folder / "mlruns/studies/small/result.json").read_text())
    for model in result["models"]:
        kept = PerExample.load(folder / "mlruns/studies/small/models" / model["kind"])
        assert kept is not None
        assert model["evaluation"]["accuracy"] == pytest.approx(kept.accuracy)
        assert model["evaluation"]["nll_calibrated"] == pytest.approx(kept.loss, abs=1e-6)


def test_exporting_again_writes_the_same_model(
    folder: Path, searched: subprocess.CompletedProcess[str], study: optuna.Study
) -> None:
    """`tuning.export` gives the very weights that were scored."""
    import keras

    done = run("tuning.export", folder, "--study", "small", "--export-dir", "again")
    assert done.returncode == 0, done.stderr
    assert f"Exported trial {shipped(study).number} of small to again: model.keras, saved_model" in done.stdout
    assert "" == done.stderr
    models = [keras.models.load_model(folder / where / "model.keras") for where in ("exports/small", "again")]
    for ours, theirs in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_finished_study_keeps_its_test_set_closed(
    folder: Path, searched: subprocess.CompletedProcess[str], study: optuna.Study
) -> None:
    """Running it again adds no trial, prints the recorded result and does not open the test set."""
    again = run("tuning.search", folder, *ARGS, "--quiet")
    assert again.returncode == 0, again.stderr
    assert "opened once for this study" in again.stdout
    assert 1 == load_study(folder, "small", None).user_attrs["n_test_openings"]
    assert N_TRIALS == len(load_study(folder, "small", None).trials)
    elsewhere = run("tuning.search", folder, *ARGS, "--quiet", "--export-dir", "gone")
    assert "gone is not there: `python -m tuning.export --study small` exports again" in elsewhere.stdout
    assert 1 == load_study(folder, "small", None).user_attrs["n_test_openings"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--data", "digits"], ["data mnist5k instead of digits", "--study"]),
        (["--seed", "3"], ["seed 0 instead of 3"]),
        (["--objective", "val_error"], ["objective val_loss instead of val_error"]),
    ],
)
def test_another_data_set_cannot_join_a_study(
    change: list[str], words: list[str], folder: Path, searched: subprocess.CompletedProcess[str]
) -> None:
    """The error says what differs; nothing is added to the study."""
    journal = (folder / "mlruns/studies/small/optuna.journal").read_bytes()
    done = run("tuning.search", folder, *ARGS, *change)
    assert 2 == done.returncode
    assert [] == [word for word in ["'small' exists with", *words] if word not in done.stderr]
    assert 1 == done.stderr.count("\n")
    assert journal == (folder / "mlruns/studies/small/optuna.journal").read_bytes()


def test_ctrl_c_leaves_a_study_that_resumes(tmp_path: Path) -> None:
    """Exit code 130; the interrupted trial uses up no budget, and the next start goes on where it stopped."""
    args = ["--data", "digits", "--study", "stopped", "--trials", "3", "--epochs", "4"]
    environ = {**os.environ, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-m", "tuning.search", *args]
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("trial 1"):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stdout.read()
    assert 130 == process.returncode
    assert "python -m tuning.search --study stopped" in rest
    assert TrialState.COMPLETE is load_study(tmp_path, "stopped", None).trials[0].state
    assert 0 == run("tuning.search", tmp_path, *args, "--tensorboard", "runs").returncode
    resumed = load_study(tmp_path, "stopped", None)
    assert 3 == n_counted(resumed)
    # TensorBoard is told of every trial, those from before the option and the interrupted one included, and once.
    runs = sorted(path.parent.name for path in tmp_path.glob("runs/stopped/*/events.out.tfevents.*"))
    assert [f"trial-{number}" for number in range(len(resumed.trials))] == runs


def test_help_explains_every_option_with_an_example() -> None:
    """Each option has its default and one example."""
    done = run("tuning.search", PROJECT, "--help", n_columns=120)
    assert done.returncode == 0
    options = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  --")]
    assert len(options) >= 13
    text = re.sub(r"(?<=\w-)\s+(?=\w)", "", " ".join(done.stdout.split()))  # a line may break at an option's hyphen
    assert [] == [option for option in options if f"Example: {option}" not in text]


def test_optuna_dashboard_shows_reasons_diagnoses_and_the_report(folder: Path, study: optuna.Study) -> None:
    """As notes and attributes, read from the study's journal by the real server."""
    with served(command(GUIDE, "mlruns/studies/small/optuna.journal"), folder) as dashboard:
        shown = details(dashboard)
    assert ["val_loss"] == shown["objective_names"]
    assert "**Which model won?**" in shown["note"]["body"]
    assert "### The argument in short" in shown["note"]["body"]
    for trial, seen in zip(study.trials, shown["trials"], strict=True):
        known, note = attributes(seen), seen["note"]["body"]
        assert decision_of(trial)["reason"] == known["reason"]
        assert f"**Why it was tried:** {known['reason']}." in note
        assert len(trial.intermediate_values) == len(seen["intermediate_values"]) > 0
        if trial.state is TrialState.COMPLETE:
            assert f"**Its fit:** {json.loads(known['diagnosis'])['sentence']}." in note


def test_tensorboard_shows_every_trial(folder: Path, study: optuna.Study) -> None:
    """In SCALARS its learning curves, in HPARAMS a row with its value; asked of the real server."""
    with served(command(GUIDE, "--logdir"), folder) as tensorboard:
        plugin = f"{tensorboard}/data/plugin"
        scalars = asked(f"{plugin}/scalars/tags", lambda answer: len(answer) >= 3 * N_TRIALS)
        experiment = asked(f"{plugin}/hparams/experiment", body={})
        wanted = {"startIndex": 0, "sliceSize": 99, "allowedStatuses": ["STATUS_SUCCESS"], "colParams": []}
        groups = asked(f"{plugin}/hparams/session_groups", body=wanted)
    for number in range(N_TRIALS):
        for run in ("train", "validation"):
            assert {"epoch_loss", "epoch_error"} <= scalars[f"small/trial-{number}/{run}"].keys()
    assert study.trials[0].params.keys() == {each["name"] for each in experiment["hparamInfos"]}
    assert {"group": "", "tag": "val_loss"} in [each["name"] for each in experiment["metricInfos"]]
    assert N_TRIALS == len(groups["sessionGroups"])


def test_optunas_plots_and_importances(folder: Path, study: optuna.Study) -> None:
    """The guide's own lines."""
    snippet = blocks(GUIDE, "python")[0]
    done = subprocess.run([sys.executable, "-c", snippet], cwd=folder, capture_output=True, text=True)
    assert 0 == done.returncode, done.stderr
    assert all(name in done.stdout for name in study.trials[0].params)
    assert (folder / "curves.html").stat().st_size > 10_000
