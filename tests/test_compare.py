"""Engines side by side: budget, confirmation, numbers and table on made studies; the real command is the last test."""

import importlib
import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.samplers import RandomSampler
from sklearn.datasets import make_multilabel_classification

import tuning
from search_spaces import Lever, Role, Scale, SearchSpace
from tests import docs
from tuning import cli
from tuning.compare import engines as compare_engines
from tuning.compare.__main__ import compare
from tuning.compare.budget import Budget, Spent, best_finalist, confirm_runs
from tuning.compare.engines import KNOWN, EngineChoice, engines_of
from tuning.compare.numbers import course, difference, mean_of, sign_flip_p
from tuning.compare.plan import ComparePlan
from tuning.compare.record import Moment, Scores, StudyRecord, moments_of
from tuning.compare.sampler import COST, FINALISTS, ConfirmedSampler, is_confirmation, ranked_by_value
from tuning.compare.table import caption, markdown, table_text
from tuning.compare.view import CompareView
from tuning.errors import SettingsError
from tuning.model_choice import ModelChoice
from tuning.settings import Settings
from tuning.strategy.actions import Stop
from tuning.study_store import load_study
from tuning.trial_attrs import OUTCOME, seed_index

PROJECT = Path(tuning.__file__).parents[1]
SPACE = SearchSpace(
    "small",
    (
        Lever("units", Role.CAPACITY, 8, 64, Scale.LOG2_INTEGER, step=1.0, start=16),
        Lever("dropout", Role.REGULARIZATION, 0.0, 0.4, Scale.LINEAR, step=0.2, start=0.0),
    ),
)


@pytest.mark.parametrize(
    ("budget", "n_search", "n_confirm", "n_finalists"),
    [
        (Budget(10), 10, 0, 1),
        (Budget(20), 16, 4, 2),
        (Budget(40), 32, 8, 4),
        (Budget(10, confirm=3), 7, 3, 2),
        (Budget(timeout_secs=60), None, 6, 3),
    ],
)
def test_a_budget_is_divided(budget: Budget, n_search: int | None, n_confirm: int, n_finalists: int) -> None:
    """Into search and confirmation, by the rule of the search or as it is told."""
    assert (n_search, n_confirm, n_finalists) == (budget.n_search, budget.n_confirm, budget.n_finalists)


def test_a_search_ends_with_its_part_of_the_budget() -> None:
    """In trials, or in four fifths of the seconds."""
    assert [True, False] == [Budget(20).is_searching(Spent(n, 0)) for n in (15.9, 16)]
    timed = Budget(timeout_secs=100)
    assert [True, False] == [timed.is_searching(Spent(500, secs)) for secs in (79, 81)]
    assert [True, False] == [timed.has_time(Spent(500, secs)) for secs in (81, 100)]


def test_finalists_are_trained_seed_by_seed() -> None:
    """So that they can be compared wherever it ends."""
    assert [(7, 1), (3, 1), (7, 2)] == list(confirm_runs([7, 3], 3))


def test_the_best_finalist_has_the_lowest_mean_on_common_seeds() -> None:
    """What failed on a fresh seed is left out; a lucky first run does not decide."""
    losses = {7: {0: 0.1, 1: 0.5, 2: 0.01}, 3: {0: 0.2, 1: 0.2}}
    assert 3 == best_finalist([7, 3], losses, frozenset())
    assert 7 == best_finalist([7, 3], losses, frozenset({3}))
    assert 7 == best_finalist([7, 3], {}, frozenset())


def test_every_known_engine_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """KerasTuner's search outside of Optuna; every other one has a sampler."""
    monkeypatch.setattr(compare_engines, "find_spec", lambda name: name)  # whatever is installed here
    engines = engines_of(",".join(KNOWN))
    assert list(KNOWN) == [engine.name for engine in engines]
    assert ["BayesianOptimization", "Hyperband", "RandomSearch"] == [e.tuner for e in engines if e.tuner]
    names = [type(e.sampler(SPACE, Budget(5), 0, "loss")).__name__ for e in engines if e.tuner is None]
    assert ["OverfitBackoffSampler", *["TPESampler", "GPSampler", "RandomSampler"] * 2] == names


def test_an_engine_without_its_library_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    monkeypatch.setattr(compare_engines, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"torch.*pip install \"overfit-backoff\[gp\]\""):
        engines_of("gp-start")
    with pytest.raises(SettingsError, match="tensorboard"):
        engines_of("overfit-backoff,kt-hyperband")
    assert 2 == len(engines_of("overfit-backoff,tpe"))


def loss_of(params: dict[str, Any], seed: int) -> float:
    """Trial's value: the first seed flatters 8 units."""
    return abs(params["units"] - 32) / 100 + params["dropout"] - (0.4 if seed == 0 and params["units"] < 16 else 0)


def ran(study: optuna.Study, sampler: ConfirmedSampler) -> str:
    """Run a study to its end; returns why it stopped."""
    study.sampler = sampler
    while not isinstance(stop := sampler.next_action(study), Stop):
        trial = study.ask(SPACE.distributions())
        study.tell(trial, loss_of(trial.params, seed_index(trial)))
    return stop.reason


@pytest.mark.parametrize("name", ["random", "overfit-backoff"])
def test_every_engine_pays_for_its_repeats(name: str) -> None:
    """The best configurations of the search run on fresh seeds within the budget, and their mean decides."""
    budget, study = Budget(20), optuna.create_study()
    sampler = ConfirmedSampler(EngineChoice(name).sampler(SPACE, budget, 0, "loss"), SPACE, budget)
    ran(study, sampler)
    confirming = [trial for trial in study.trials if is_confirmation(trial)]
    finalists = study.user_attrs[FINALISTS]
    assert len(study.trials) <= 20
    assert 2 == len(finalists)
    assert {study.trials[n].params["units"] for n in finalists} == {trial.params["units"] for trial in confirming}
    assert all(seed_index(trial) in (1, 2) for trial in confirming)
    shipped = sampler.ranking(study)[0]
    losses = {n: np.mean([loss_of(study.trials[n].params, seed) for seed in (0, 1, 2)]) for n in finalists}
    assert shipped == min(losses, key=lambda n: losses[n])


def test_a_confirmation_goes_on_where_it_was() -> None:
    """A new process finds the finalists in the study, and its killed trial is tried again."""
    budget, study = Budget(8, confirm=4), optuna.create_study()
    first = ConfirmedSampler(RandomSampler(seed=0), SPACE, budget)
    study.sampler = first
    for _ in range(6):
        assert first.next_action(study) is None
        trial = study.ask(SPACE.distributions())
        study.tell(trial, loss_of(trial.params, seed_index(trial)))
    assert first.next_action(study) is None
    killed = study.ask(SPACE.distributions())
    killed.set_user_attr(OUTCOME, "killed")
    study.tell(killed, state=optuna.trial.TrialState.FAIL)
    before = study.user_attrs[FINALISTS]
    assert "its best configurations were confirmed" == ran(study, ConfirmedSampler(RandomSampler(), SPACE, budget))
    assert before == study.user_attrs[FINALISTS]
    assert [1, 1, 2, 2, 2] == [seed_index(trial) for trial in study.trials[4:]]


def test_a_part_of_a_training_costs_a_part_of_a_trial() -> None:
    """As Hyperband's short trials do; what would be shipped is told after each of them."""
    study = optuna.create_study(sampler=RandomSampler(seed=1))
    for cost in (1.0, 0.25, 0.25):
        trial = study.ask(SPACE.distributions())
        trial.set_user_attr(COST, cost)
        study.tell(trial, loss_of(trial.params, 0))

    def rank(trials: Sequence[optuna.trial.FrozenTrial]) -> int:
        return ranked_by_value(trials, maximize=False)[0]

    moments = list(moments_of(study.trials, rank, shipped=2))
    assert [1.0, 1.25, 1.5] == [moment.n_trials for moment in moments]
    assert [0, rank(study.trials[:2]), 2] == [moment.shipped for moment in moments]


def record(sampler: str, repeat: int, error: float, secs: float = 10.0) -> StudyRecord:
    """A study of two trials: the second model has this test error, the first one twice of it."""
    moments = (Moment(1, secs / 2, 0), Moment(2, secs, 1))
    scores = {0: Scores(2 * error, 2 * error), 1: Scores(error, error)}
    return StudyRecord(sampler, repeat, repeat, "its budget is used up", moments, 1, {"units": 8}, scores, scores)


LEVELS = (0.02, 0.03, 0.05, 0.06)
OURS = [record("overfit-backoff", i, level) for i, level in enumerate(LEVELS)]
OTHER = [record("tpe", i, level + 0.002 + 1e-4 * (-1) ** i, secs=40.0) for i, level in enumerate(LEVELS)]


def test_a_mean_has_students_interval() -> None:
    """Of 1, 2, 3: 2 +- 4.303 * 1 / sqrt(3); a single repeat has none."""
    mean = mean_of([1.0, 2.0, 3.0])
    assert (2.0, pytest.approx(2.4841, abs=1e-4)) == (mean.value, mean.half)
    assert "2.0" == mean_of([2.0]).text(1)
    assert "-0.50 ± 0.10*" == type(mean)(-0.5, 0.1, 3).text(2, signed=True)


def test_engines_are_compared_in_pairs() -> None:
    """Repeats that differ much, engines that differ little: the interval of the difference is narrow."""
    found = difference(OURS, [*OTHER[1:], OTHER[0]])
    assert found is not None
    assert pytest.approx(-0.002) == found.error.value
    assert found.error.excludes_zero
    assert (4, 0, 0) == (found.n_better, found.n_equal, found.n_worse)
    assert difference(OURS[:1], OTHER[1:]) is None


@pytest.mark.parametrize(
    ("differences", "p"),
    [([-1, -2, -3], 2 / 8), ([-1, 1], 1.0), ([0, 1e-17, -1, -1, -1, -1, -1], 2 / 32), ([-1], math.nan)],
)
def test_signs_are_flipped_in_all_ways(differences: list[float], p: float) -> None:
    """Of 2^n ways those count that are as far from zero; pairs without a difference have no sign to flip."""
    assert p == pytest.approx(sign_flip_p(np.array(differences, np.float64)), nan_ok=True)


def test_more_ways_than_can_be_gone_through_are_drawn() -> None:
    """Near the exact p: of 2^18 ways, 2 are as far from zero."""
    assert 0 < sign_flip_p(-np.ones(18)) < 1e-4


def test_a_course_holds_what_would_be_shipped() -> None:
    """Nothing before the first model, and the last one after the end of the study."""
    found = course([OURS[0], record("overfit-backoff", 1, 0.04, secs=20.0)], "seconds", lambda r, n: r.test[n].error)
    at = {round(x): y for x, y in zip(found.x, found.mean, strict=True)}
    assert math.isnan(at[4])
    assert [pytest.approx((0.02 + 0.08) / 2), pytest.approx((0.02 + 0.04) / 2)] == [at[12], at[20]]
    by_trials = course(OURS, "trials", lambda r, n: r.test[n].error)
    assert [pytest.approx(0.08), pytest.approx(0.04)] == by_trials.mean.tolist()


def test_the_table_has_a_row_an_engine() -> None:
    """Means, intervals and differences against the first one; the same as Markdown."""
    records = [*OURS, *OTHER]
    line = next(line for line in markdown(records).splitlines() if line.startswith("| tpe"))
    assert "| tpe | 2 | 40 | 0.0420 ± 0.0290 | 0.0420 ± 0.0290 | 4.20 ± 2.90 | -0.0020 ± 0.0002* |" in line
    assert "-0.20 ± 0.02* | 4/0/0 |" in line
    text = table_text(records, "mlp on digits", caption(records))
    assert "4.20 ± 2.90" in text
    assert max(map(len, text.splitlines())) <= 132
    assert "-0.0020 ± 0.0002*" in text and "4/0/0" in text
    assert "p by loss and by error: tpe 0.12, 0.12." in caption(records)
    assert "no interval" in caption([OURS[0], OTHER[0]])
    assert "Sign-flip" not in caption(OURS)


def test_a_record_survives_its_file(tmp_path: Path) -> None:
    """Numbers of trials are numbers again."""
    OURS[0].write(tmp_path)
    assert OURS[0] == StudyRecord.read(tmp_path)
    assert StudyRecord.read(tmp_path / "nowhere") is None


def test_a_regression_has_no_error_in_percent() -> None:
    """But the share of the variance that it explains."""
    assert "test loss 0.0200, error 2.00 %" == OURS[0].result
    assert "test loss 0.0200, R2 0.9800" == replace(OURS[0], task="regression").result


DIGITS = ["--trials", "4", "--data", "digits"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], ["--trials", "--timeout"]),
        (["--trials", "0"], ["--trials", "at least 1", "got 0"]),
        (["--timeout", "-3"], ["--timeout", "more than 0"]),
        (["--trials", "4", "--confirm", "4"], ["--confirm", "4 of 4"]),
        (["--trials", "4", "--confirm", "1"], ["--confirm", "2 or more"]),
        (["--trials", "4", "--repeats", "0"], ["--repeats", "from 1", "got 0"]),
        (["--trials", "4", "--samplers", "overfit-backoff,hyperopt"], ["hyperopt", *KNOWN]),
        (["--trials", "4", "--samplers", "tpe,tpe"], ["each engine once"]),
        (["--trials", "4", "--study", "x" * 70], ["--study"]),
        pytest.param(["--trials", "4", "--data", "mnits"], ["mnits", "digits"], marks=pytest.mark.slow),
        pytest.param([*DIGITS, "--model", "resnet"], ["resnet", "cnn"], marks=pytest.mark.slow),
        pytest.param([*DIGITS, "--objective", "val_r2"], ["val_r2", "val_loss"], marks=pytest.mark.slow),
        pytest.param([*DIGITS, "--tracking-uri", "http://127.0.0.1:1"], ["--tracking-uri"], marks=pytest.mark.slow),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    args: list[str], words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """The rule, the value, the way out; exit code 2."""
    monkeypatch.chdir(tmp_path)
    assert 2 == cli.run(compare, args)
    said = capsys.readouterr().err
    assert 1 == said.count("\n")
    assert [] == [word for word in words if word not in said]
    assert [] == list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(("module", "n_levers"), [("kerastuner_mnist", 7), ("kerastuner_cnn", 12)])
def test_the_guides_networks_build_whatever_is_chosen(module: str, n_levers: int) -> None:
    """Every hyperparameter is found, and no choice fails."""
    from models.hypermodel import discover

    found = discover(importlib.import_module(f"examples.{module}").build)
    assert (None, 0) == (found.error, found.n_failed)
    assert found.space is not None
    assert n_levers == len(found.space.levers)


@pytest.mark.slow
def test_the_command_compares_engines(tmp_path: Path) -> None:
    """As the guide has it: one table, one picture, a study each in MLflow; none of them is run again."""
    (model,) = docs.blocks("compare.md", "python")
    (tmp_path / "small_model.py").write_text(model, encoding="utf-8")
    command = [sys.executable, *docs.command("compare.md", "--samplers")[1:]]
    environ = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert 0 == done.returncode, done.stdout + done.stderr
    assert (tmp_path / "mlruns" / "comparisons" / "peers" / "comparison.png").stat().st_size > 10_000
    from mlflow.tracking import MlflowClient  # takes seconds, which the fast tests of this file do without

    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    (experiment,) = (e for e in client.search_experiments() if e.name == "overfit-backoff-compare")
    runs = client.search_runs([experiment.experiment_id])
    parents = {run.data.params["sampler"]: run for run in runs if "sampler" in run.data.params}
    assert {"overfit-backoff", "random", "kt-bayesian"} == set(parents)
    (summary,) = (run for run in runs if run.data.tags.get("mlflow.runName") == "peers")
    assert {"table.md", "comparison.png"} <= {each.path for each in client.list_artifacts(summary.info.run_id)}
    assert ("FINISHED", "peers") == (summary.info.status, summary.data.tags["comparison"])
    assert "| kt-bayesian | 4 |" in summary.data.tags["mlflow.note.content"]
    for name, parent in parents.items():
        children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
        study = load_study(tmp_path, f"peers-{name}-1", None)
        assert 4 == len(children) == len(study.trials)
        assert 2 == sum(is_confirmation(trial) for trial in study.trials)
        assert 1 == study.user_attrs["n_test_openings"]
        kept = json.loads((tmp_path / "mlruns" / "studies" / f"peers-{name}-1" / "comparison.json").read_text())
        assert parent.data.metrics["test_loss"] == kept["test"][str(kept["shipped"])]["loss"]
        assert f"{100 * parent.data.metrics['test_error']:.2f}" in done.stdout
        assert 4 == len(notes := trial_notes(study))
        assert WHY.get(name, "**Why it was tried:**") in notes[0]
    assert [4, 4, 4] == [found.n_trials for found in known_studies(tmp_path)]


@pytest.mark.slow
def test_several_labels_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By KerasTuner, too, which is measured as this project's engine is: errors count labels, 3 of 24 examples each."""
    x, y = make_multilabel_classification(120, n_features=6, n_classes=3, random_state=0)
    np.savez(tmp_path / "tags.npz", x_train=x, y_train=y)
    monkeypatch.chdir(tmp_path)
    args = ["--data", "tags.npz", "--samplers", "kt-random", "--trials", "2", "--epochs", "2"]
    assert 0 == cli.run(compare, [*args, "--study", "tags", "--quiet"])
    found = StudyRecord.read(tmp_path / "mlruns" / "studies" / "tags-kt-random-1")
    assert found is not None
    assert ("multilabel", 2) == (found.task, found.n_trials)
    n_wrong = 24 * 3 * found.test[found.shipped].error
    assert 0 < n_wrong < 36 and n_wrong == pytest.approx(round(n_wrong), abs=1e-4)
    assert 0 < found.test[found.shipped].loss < 2


WHY = {
    "random": "Optuna's RandomSampler suggested it.",
    "kt-bayesian": "KerasTuner's BayesianOptimization suggested it.",
}


def trial_notes(study: optuna.Study) -> list[str]:
    """What optuna-dashboard shows of each trial, the first piece."""
    attrs = study._storage.get_study_system_attrs(study._study_id)
    return [attrs[f"dashboard:{trial._trial_id}:note_str:0"] for trial in study.trials]


def known_studies(root: Path) -> list[StudyRecord]:
    """What a second run of the same command reads in the place of running anything."""
    from tuning.compare.comparison import studies

    engines = tuple(map(EngineChoice, ("overfit-backoff", "random", "kt-bayesian")))
    settings = Settings(root, "peers", data="no such data")
    plan = ComparePlan(settings, engines, Budget(4, confirm=2))
    return list(studies(plan, ModelChoice("mlp", SPACE), CompareView(settings.goal, 3, 4, quiet=True)))
