"""What the hand-made model and the stand-in reach on full MNIST, by the code that the end of a study runs."""

import json
import os
import time
from pathlib import Path

import pytest

from models.pretrained import load_baseline
from tests.made_study import MadeTrial, make_study, train_weights
from tuning import cli
from tuning.data import load_dataset
from tuning.engine.training import Engine
from tuning.export.__main__ import export
from tuning.finalists import baseline_finalist, hand_made_finalist
from tuning.finals import compare


@pytest.mark.slow
def test_hand_made_model_and_stand_in_reach_their_known_scores(full_mnist: Path, tmp_path: Path) -> None:
    """Flatten-Dense(128)-Dense(10) has about 97.5 % and a loss of about 0.09, the stand-in 99.26 %."""
    dataset = load_dataset("mnist", seed=0, environ={"TUNING_MNIST": str(full_mnist)})
    data, train, validation = dataset.for_training, dataset.train, dataset.validation
    engine = Engine(train.inputs, train.labels, validation.inputs, validation.labels)
    stand_in = baseline_finalist(load_baseline("stand-in", cache_dir=tmp_path), data)
    results, paired, _ = compare([stand_in, hand_made_finalist(engine, data, seed=0)], data, dataset.test.open())
    baseline, hand_made = (result.evaluation for result in results)
    assert 10_000 == hand_made.n_examples
    assert hand_made.accuracy == pytest.approx(0.975, abs=0.004)
    assert hand_made.nll == pytest.approx(0.085, abs=0.015)
    assert baseline.accuracy == pytest.approx(0.9926, abs=0.0005)
    assert "is worse than baseline-stand-in" in paired["baseline-stand-in"].sentence(
        "the hand-made", "baseline-stand-in"
    )


@pytest.mark.slow
def test_every_format_of_an_export_gives_the_same_predictions(
    full_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the 10,000 validation images none changes; with weights in 8 bits the accuracy stays within 0.1 points."""
    monkeypatch.setenv("TUNING_MNIST", str(full_mnist))
    monkeypatch.chdir(tmp_path)
    dataset, trial = load_dataset("mnist", seed=0, environ=os.environ), MadeTrial(512, 2, 0.05)
    make_study(tmp_path, "full", dataset, "mnist", [trial])
    train_weights(tmp_path, "full", dataset, [trial], n_epochs=2)
    begun = time.monotonic()
    assert 0 == cli.run(export, ["--study", "full", "--format", "keras,savedmodel,tflite,onnx", "--quantize"])
    assert time.monotonic() - begun < 60
    for trip in json.loads((tmp_path / "exports/full/result.json").read_text())["export"]["files"]:
        assert 10_000 == trip["n_checked"]
        assert trip["scored_accuracy"] == pytest.approx(trip["accuracy"], abs=0.001)
        assert 0.96 < trip["accuracy"]
        assert 0 == trip["n_changed"] or trip["format"] == "tflite-8bit"
