"""The questions that someone who did not run a study asks: each answer is in MLflow, read here by its own client."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from tests.browser.conftest import N_TRIALS, Study

pytestmark = pytest.mark.slow

NOTE = "mlflow.note.content"
FINALISTS = ("baseline-stand-in", "hand-made", "tuned")


def test_which_model_won_by_how_much_and_how_sure_is_that(study: Study) -> None:
    """The report names the trial, and each rival with difference, interval and p-value; the numbers are the runs'."""
    note = study.parent.data.tags[NOTE]
    accuracies = {name: study.runs[name].data.metrics["test_accuracy"] for name in FINALISTS}
    assert f"**Which model won?** By test accuracy **{max(accuracies, key=lambda name: accuracies[name])}**" in note
    assert f"**The tuned model** is trial {study.parent.data.tags['best_trial']} (" in note
    for rival in FINALISTS[:2]:
        assert re.search(rf"the tuned model (is better than|is worse than|and) {rival}: accuracy .*95 % interval", note)
        assert "exact McNemar p = " in study.runs[rival].data.tags[NOTE]
    for name in FINALISTS:
        assert f"| {name} | {100 * study.runs[name].data.metrics['test_accuracy']:.2f} (" in note


def test_why_trial_7_was_tried_and_what_it_showed(study: Study) -> None:
    """On its own page, and as tags for tables."""
    tags = study.runs["trial-7"].data.tags
    assert f"**Why it was tried:** {tags['reason']}." in tags[NOTE]
    assert "**What it showed:** val_loss" in tags[NOTE]
    assert all(tags[name] for name in ("phase", "move", "reason", "diagnosis", "diagnosis_sentence", "base_trial"))


def test_which_trials_overfit(study: Study) -> None:
    """The report lists exactly the trials whose tag says so, and what the others are."""
    section = study.parent.data.tags[NOTE].split("### Which trials overfit\n\n")[1].split("\n\n")[0]
    trials = {i: study.runs[f"trial-{i}"].data.tags["diagnosis"] for i in range(N_TRIALS)}
    listed = {}
    for line in section.split("\n"):
        state = line.split("`")[1]
        listed |= {int(number): state for number in line.split(": trials ")[1].split(", ")}
    assert trials == listed


def test_what_each_lever_did(study: Study) -> None:
    """The report has a line for each lever that moved alone; the picture and the whole argument are artifacts."""
    section = study.parent.data.tags[NOTE].split("### What each lever did\n\n")[1].split("\n\n")[0]
    assert re.search(r"\* \*\*dropout\*\*: 0 -> 0\.\d+ .*z = [+-]\d+\.\d \(trial \d+\)", section)
    run_id = study.parent.info.run_id
    files = {file.path for folder in (None, "pictures") for file in study.client.list_artifacts(run_id, folder)}
    assert {"pictures/study.png", "pictures/levers.png", "argument.txt", "result.json"} <= files


def test_every_child_has_the_same_keys(study: Study) -> None:
    """So that no column of the table, the parallel coordinates or the comparison is empty."""
    children = [run for name, run in study.runs.items() if name != "seen"]
    assert N_TRIALS + len(FINALISTS) == len(children)
    assert 1 == len({frozenset(run.data.params) for run in children})
    complete = [run for run in children if run.info.status == "FINISHED"]
    names = {"best_epoch", "best_train_loss", "best_train_error", "best_val_loss", "best_val_error", "train_secs"}
    names |= {"best_val_accuracy", "best_val_calibrated_loss", "generalization_gap", "value_stderr"}
    assert [] == [run.info.run_name for run in complete if not names <= run.data.metrics.keys()]
    assert all(f"best_{name}" not in study.runs["hand-made"].data.tags["padded"] for name in names)
    assert "units" in study.runs["baseline-stand-in"].data.tags["padded"]


def test_every_run_names_its_data_and_who_ran_it(study: Study) -> None:
    """The same digest everywhere; only what was really seen stands in train, validation and test."""
    digest = study.parent.data.params["data_sha256"]
    contexts = {}
    for name, run in study.runs.items():
        assert digest == run.data.params["data_sha256"]
        assert {"mlflow.user", "mlflow.source.name"} <= run.data.tags.keys()
        assert "seen" == run.data.tags["study"]
        inputs = run.inputs.dataset_inputs
        assert {digest[:36]} == {each.dataset.digest for each in inputs}
        contexts[name] = {each.tags[0].value for each in inputs}
    assert {"train", "validation"} == contexts["trial-0"]
    assert {"validation", "test"} == contexts["baseline-stand-in"]
    assert {"train", "validation", "test"} == contexts["tuned"] == contexts["hand-made"]


def test_finalists_are_logged_models_with_metrics_tied_to_the_data(study: Study) -> None:
    """MLflow 3's own entities: from model to run, and from metric to model and data set."""
    models = {each.name: each for each in study.client.search_logged_models([study.experiment_id])}
    assert set(FINALISTS) == models.keys()
    for name, model in models.items():
        assert study.runs[name].info.run_id == model.source_run_id
        on = {metric.key: metric.dataset_name for metric in model.metrics}
        assert ("mnist5k-test", "mnist5k-validation", "mnist5k-train") == (
            on["test_accuracy"],
            on["best_val_loss"],
            on["best_train_loss"],
        )
        assert [model.model_id] == [output.model_id for output in study.runs[name].outputs.model_outputs]


def test_the_tuned_model_loads_and_gives_the_probabilities_that_were_scored(study: Study) -> None:
    """By the lines of the report, in a fresh process without this project: the same as the exported model."""
    code = study.parent.data.tags[NOTE].split("```\n")[1]
    script = f"""
import json, sys, warnings
import numpy as np
warnings.simplefilter("ignore")
images = np.random.default_rng(0).integers(0, 256, (16, 28, 28), dtype=np.uint8)
{code}
champion = mlflow.pyfunc.load_model("models:/overfit-backoff-mnist5k@champion").predict(images)
import keras
exported = np.asarray(keras.models.load_model("exports/seen/model.keras")(images))
assert "tuning" not in sys.modules
signature = model.metadata.signature
print(json.dumps([np.abs(probabilities - exported).max().item(), np.abs(champion - exported).max().item(),
                  str(signature.inputs), str(signature.outputs)]))
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=study.folder, capture_output=True, text=True, timeout=120)
    assert 0 == done.returncode, done.stderr
    loaded, champion, inputs, outputs = json.loads(done.stdout.splitlines()[-1])
    assert loaded == pytest.approx(0, abs=1e-5)
    assert champion == pytest.approx(0, abs=1e-5)
    assert "uint8" in inputs
    assert "(-1, 10)" in outputs


def test_requirements_are_pinned_and_an_input_example_is_there(study: Study) -> None:
    """What is needed to serve a finalist, and what to send it."""
    for kind in ("baseline", "hand_made", "tuned"):
        files = study.folder / "mlruns/studies/seen/models" / kind
        pinned = (files / "requirements.txt").read_text().split()
        assert {"tensorflow", "keras", "numpy"} <= {each.partition("==")[0] for each in pinned}
        assert all("==" in each for each in pinned)
        example = json.loads((files / "input_example.json").read_text())
        assert (2, 28, 28) == np.shape(example)
