"""Trials and compared models as MLflow runs: the same parameters, metrics and tags on every one of them.

MLflow's parallel coordinates and its compare view drop or break on what a run does not have, so what is inactive is
padded: a parameter that a model does not know is 0, and the tag `padded` names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from tuning.result import BASELINE, MODELS, TUNED, ModelResult, SearchResult
from tuning.run_notes import model_note
from tuning.settings import Objective
from tuning.strategy.actions import Goal
from tuning.strategy.records import Outcome
from tuning.tracking.events import PARTS, Run
from tuning.trial_attrs import FIT_STATE, OUTCOME_REASON, TRAIN_SECS, VALUE_STDERR, decision_of, outcome_of, task_of
from tuning.trial_notes import trial_note

_STATUS = {TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "KILLED", TrialState.FAIL: "FAILED"}
_FIXED = ("learning_rate", "seed", "n_params")


def trial_key(number: int) -> str:
    """The key of a trial's run."""
    return f"trial-{number}"


def trial_run(trial: FrozenTrial, goal: Objective, base: FrozenTrial | None = None) -> Run:
    """A trial as an MLflow run.

    Args:
        trial: It has ended.
        goal: The objective.
        base: The trial from which it was an experiment.
    """
    attrs, decision = trial.user_attrs, decision_of(trial)
    outcome = outcome_of(trial)
    start_ms, end_ms = ms_of(trial.datetime_start), ms_of(trial.datetime_complete)
    tags = {
        "optuna.state": trial.state.name,
        "outcome": outcome.value,
        "outcome_reason": str(attrs.get(OUTCOME_REASON, "")),
        "phase": str(decision.get("phase", "")),
        "move": str(decision.get("move", "")),
        "base_trial": str(decision.get("base", "")),
        "reason": str(decision.get("reason", "")),
        "diagnosis": str(attrs.get(FIT_STATE, "")),
        "diagnosis_sentence": str(attrs.get("diagnosis", {}).get("sentence", "")),
        "stop_reason": str(attrs.get("stop_reason", "")),
        "trained_by": str(attrs.get("trained_by", "")),
        "padded": ", ".join(name for name in _FIXED if name not in attrs),
    }
    return Run(
        key=trial_key(trial.number),
        name=trial_key(trial.number),
        kind="trial",
        # A killed trial is Optuna's FAIL, but nothing of it failed.
        status="KILLED" if outcome is Outcome.KILLED else _STATUS[trial.state],
        params=_trial_params(trial),
        metrics=_trial_metrics(trial, goal),
        curves=_curves(trial, goal),
        tags=tags,
        start_ms=start_ms,
        end_ms=max(start_ms, end_ms),  # a clock that was put back meanwhile says that it ended before it began
        note=trial_note(trial, base, Goal(goal.name, goal.maximize)),
    )


def model_run(
    model: ModelResult, result: SearchResult, best: FrozenTrial, goal: Objective, folder: Path, ended_ms: int
) -> Run:
    """A compared model as a sibling of the trials.

    Its key carries the count of test openings: a study that went on has a new tuned model.

    Args:
        model: On the test set.
        result: Of the study.
        best: The trial whose weights the tuned model has.
        goal: The objective.
        folder: Of the study, in which its files were saved.
        ended_ms: When the comparison ended, milliseconds since 1970.
    """
    suffix = "" if result.n_test_openings == 1 else f"-{result.n_test_openings}"
    is_tuned = model.kind == TUNED
    known = _trial_params(best) if is_tuned else {**model.params, "n_params": model.n_params}
    padded = [name for name in _trial_params(best) if name not in known]
    padded += ["best_epoch"] if model.kind == BASELINE else []  # it was trained by others
    files = f"{MODELS}/{model.kind}"
    return Run(
        key=f"{model.kind}{suffix}",
        name=f"{model.name}{suffix}",
        kind=model.kind,
        status="FINISHED",
        params={name: known.get(name, 0) for name in _trial_params(best)},
        metrics=_model_metrics(model, best if is_tuned else None, goal),
        curves={},
        tags=_model_tags(model, best if is_tuned else None, padded),
        start_ms=ended_ms - int(1000 * model.train_secs),
        end_ms=ended_ms,
        note=model_note(model, result),
        parts=PARTS[1:] if model.kind == BASELINE else PARTS,
        model=files if (folder / files / "MLmodel").is_file() else "",
        is_winner=is_tuned,
    )


def model_summary(model: ModelResult) -> dict[str, float]:
    """A model's numbers on the test set and its cost, under the names that its run and its study carry."""
    metrics = model.test_metrics()
    metrics |= {f"latency_ms_batch_{latency.batch_size}": latency.median_ms for latency in model.latency}
    return metrics | {"train_secs": model.train_secs}


def _trial_params(trial: FrozenTrial) -> dict[str, Any]:
    return {**trial.params, **{name: trial.user_attrs.get(name, 0) for name in _FIXED}}


def _curves(trial: FrozenTrial, goal: Objective) -> Mapping[str, list[float]]:
    """Every metric over epochs; of a trial that did not get to its end, the objective as far as it was reported."""
    recorded, reported = trial.user_attrs.get("curves"), trial.intermediate_values
    if recorded:
        return {name: curve for name, curve in recorded.items() if not name.endswith("_sd")}
    return {goal.name: [reported[epoch] for epoch in sorted(reported)]} if reported else {}


def _trial_metrics(trial: FrozenTrial, goal: Objective) -> dict[str, float]:
    """The same names for every trial that had an epoch: what it measured at its best epoch, as far as it came."""
    attrs, curves = trial.user_attrs, _curves(trial, goal)
    metrics: dict[str, float] = {"train_secs": attrs.get(TRAIN_SECS, _elapsed_secs(trial))}
    if VALUE_STDERR in attrs:
        metrics["value_stderr"] = attrs[VALUE_STDERR]
    if not curves:
        return metrics
    best_epoch, value = _best(trial, goal)
    best = {name: curve[best_epoch - 1] for name, curve in curves.items()}
    metrics |= {"best_epoch": best_epoch, **{f"best_{name}": value for name, value in best.items()}}
    if "val_error" in best:
        metrics[f"best_val_{task_of(trial).score}"] = 1.0 - best["val_error"]
    if {"val_error", "train_loss"} <= best.keys():
        metrics["generalization_gap"] = best["val_loss"] - best["train_loss"]
    return metrics | {f"best_{goal.name}": value}  # last: the curves are rounded


def _best(trial: FrozenTrial, goal: Objective) -> tuple[int, float]:
    """The best epoch and its value; of a trial that was cut short, the best so far."""
    if trial.state is TrialState.COMPLETE and trial.value is not None:
        return trial.user_attrs["best_epoch"], trial.value
    reported = trial.intermediate_values
    epoch = (max if goal.maximize else min)(reported, key=lambda epoch: reported[epoch])
    return epoch, reported[epoch]


def _elapsed_secs(trial: FrozenTrial) -> float:
    return max(0.0, trial.duration.total_seconds()) if trial.duration else 0.0


def _model_metrics(model: ModelResult, trial: FrozenTrial | None, goal: Objective) -> dict[str, float]:
    """The names that the trials use, and `test_...` for the test set."""
    metrics = {**model.fit, **model_summary(model)}
    return metrics | (_trial_metrics(trial, goal) if trial is not None else {})


def _model_tags(model: ModelResult, trial: FrozenTrial | None, padded: list[str]) -> dict[str, str]:
    attrs = {} if trial is None else trial.user_attrs
    return {
        "phase": "comparison on the test set",
        "move": "",
        "base_trial": "" if trial is None else str(trial.number),
        "reason": model.note if trial is None else f"the weights of trial {trial.number}",
        "diagnosis": str(attrs.get(FIT_STATE, "")),
        "diagnosis_sentence": str(attrs.get("diagnosis", {}).get("sentence", "")),
        "note": model.note,
        "possible_leakage": "yes" if model.may_have_seen else "no",
        "may_have_seen": model.may_have_seen,
        "loss_cause": model.loss_report.cause.value,
        "loss_sentence": model.loss_report.sentence,
        "padded": ", ".join(padded),
    }


def ms_of(moment: datetime | None) -> int:
    """Milliseconds since 1970; 0 for none."""
    return int(moment.timestamp() * 1000) if moment else 0
