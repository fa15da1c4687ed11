"""What a user's own `build` may do wrong: one trial with a reason, or a stop with the user's own traceback."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import pytest

import tuning
from models.family import Family
from models.inputs import InputFormat
from models.own_model import checked
from search_spaces import Lever, Role, Scale, SearchSpace, Value
from tuning import cli
from tuning.data import Dataset, load_dataset
from tuning.engine.training import Engine
from tuning.search import search
from tuning.settings import Settings
from tuning.strategy.records import Outcome
from tuning.study_store import load_study
from tuning.trial_job import TrialEnd, TrialJob
from tuning.trial_run import TrialRunner
from tuning.weights import WeightStore

pytestmark = pytest.mark.slow  # about two seconds each, most of which is TensorFlow's tracing

SPACE = SearchSpace("small", (Lever("units", Role.CAPACITY, 4, 32, Scale.LOG2_INTEGER, step=1.0, start=16),))


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """scikit-learn's digits, a few of them."""
    return load_dataset("digits", seed=0, environ={})


@pytest.fixture
def run(digits: Dataset, tmp_path: Path) -> Callable[..., TrialEnd]:
    """Runs the first trial of a study of a user's `build(params)`, two epochs of a few examples."""
    train, val = digits.train.take(range(200)), digits.validation.take(range(100))  # type: ignore[arg-type]

    def first_trial(build: Callable[[Mapping[str, Value]], Any]) -> TrialEnd:
        def built(params: Mapping[str, Value], form: InputFormat, n_outputs: int, seed: int) -> keras.Model:
            return checked(build(params), form, n_outputs, must_be_compiled=True)

        family = Family("mine:build", SPACE, built, lambda params: 1e-3)
        engine = Engine(train.inputs, train.labels, val.inputs, val.labels)
        settings = Settings(tmp_path, "errors", max_epochs=2)
        runner = TrialRunner(digits.for_training, engine, settings, WeightStore(tmp_path / "w"), family)
        return runner.run(TrialJob(0, SPACE.start(), is_unproven=True), lambda _: "")

    return first_trial


def network(params: Mapping[str, Value], n_outputs: int = 10) -> keras.Model:
    """A small network without a compile."""
    hidden = keras.layers.Dense(params["units"], "relu")
    return keras.Sequential([keras.Input((8, 8)), keras.layers.Flatten(), hidden, keras.layers.Dense(n_outputs)])


def trainable(params: Mapping[str, Value], n_outputs: int = 10) -> keras.Model:
    """The same, compiled."""
    model = network(params, n_outputs)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def a_mistake(params: Mapping[str, Value]) -> keras.Model:
    """Fails whatever the configuration."""
    return params["width"]


def a_rare_mistake(params: Mapping[str, Value]) -> keras.Model:
    """Fails at its start alone."""
    if params["units"] == SPACE.start()["units"]:
        raise RuntimeError("sixteen is too many")
    return trainable(params)


def not_a_number(params: Mapping[str, Value]) -> keras.Model:
    """Its loss is no number, whatever the configuration."""

    def no_number(y: keras.KerasTensor, outputs: keras.KerasTensor) -> keras.KerasTensor:
        return keras.ops.sum(outputs, axis=1) * float("nan")

    model = network(params)
    model.compile("adam", no_number)
    return model


def test_a_mistake_on_one_configuration_costs_one_trial(run: Callable[..., TrialEnd]) -> None:
    """Its reason and its traceback are kept; others will do."""
    end = run(a_rare_mistake)
    assert (Outcome.FAILED, "RuntimeError: sixteen is too many", "") == (end.outcome, end.reason, end.why_hopeless)
    assert "in a_rare_mistake" in end.attrs["traceback"]
    assert "trial_run.py" not in end.attrs["traceback"]


def test_a_mistake_on_every_configuration_stops_with_the_users_traceback(run: Callable[..., TrialEnd]) -> None:
    """Nobody waits for the other trials."""
    end = run(a_mistake)
    assert Outcome.FAILED is end.outcome
    assert "mine:build fails on every configuration that was tried" in end.why_hopeless
    assert "in a_mistake" in end.why_hopeless and "KeyError: 'width'" in end.why_hopeless


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (network, "must return a compiled model"),
        (lambda params: trainable(params, 7), r"outputs of shape \(7,\), but the data asks for \(10,\)"),
        (not_a_number, "Is the data scaled"),
    ],
)
def test_other_mistakes_are_told_in_a_sentence(
    run: Callable[..., TrialEnd], build: Callable[..., Any], told: str
) -> None:
    """Where there is no exception of the user's, there is no traceback."""
    end = run(build)
    assert re.search(told, end.why_hopeless), end.why_hopeless
    assert "Traceback" not in end.why_hopeless
    assert end.outcome in (Outcome.FAILED, Outcome.DIVERGED)


def test_a_sound_model_trains(run: Callable[..., TrialEnd]) -> None:
    """The test of the tests."""
    assert (Outcome.COMPLETE, "") == (run(trainable).outcome, run(trainable).why_hopeless)


BROKEN = """
def build(params):
    return layers_of(params)


def layers_of(params):
    return params["width"]
"""


def test_the_command_ends_with_the_users_own_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, from the user's first line to the error and no line of ours; told again on resuming."""
    (tmp_path / "broken.py").write_text(BROKEN, encoding="utf-8")
    space = '[units]\nscale = "integer"\nrange = [1, 9]\nrole = "capacity"\n'
    (tmp_path / "space.toml").write_text(space, encoding="utf-8")
    args = ["--model", "broken:build", "--space", "space.toml", "--data", "wine", "--study", "broken"]
    environ = {**os.environ, "PYTHONPATH": str(Path(tuning.__file__).parents[1])}
    environ.pop("TF_CPP_MIN_LOG_LEVEL", None)  # the command itself keeps TensorFlow quiet
    command = [sys.executable, "-m", "tuning.search", *args]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert 2 == done.returncode, done.stderr
    assert done.stderr.startswith("error: "), done.stderr
    frames = r"broken.py\", line 3, in build\n.*broken.py\", line 7, in layers_of\n"
    assert re.search(frames, done.stderr, flags=re.DOTALL)
    assert done.stderr.endswith("KeyError: 'width'\n")
    assert [] == re.findall(r'File ".*/(?:tuning|models)/', done.stdout + done.stderr)
    (trial,) = load_study(tmp_path, "broken", None).trials
    assert "KeyError: 'width'" == trial.user_attrs["outcome_reason"]

    monkeypatch.chdir(tmp_path)
    assert 2 == cli.run(search, [*args, "--trials", "1"])
    said = capsys.readouterr().err
    assert said.startswith("error: No trial of the study 'broken' gave a value (its budget of 1 trials is used up; ")
    assert re.search(frames, said, flags=re.DOTALL)
