"""What MLflow is told: trials, models and the result as runs. Optuna is the source of truth, MLflow its mirror.

Everything logged here can be read again from the Optuna study, so a store that was away for a while is brought up to
date at the end, and a killed search at its resume; a run that is there already is not written twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from tuning.errors import StorageError
from tuning.result import ModelResult, SearchResult
from tuning.settings import Objective
from tuning.strategy.history import Outcome
from tuning.tracking import Run, Tracker
from tuning.trial_attrs import FIT_STATE, OUTCOME_REASON, VALUE_STDERR, decision_of, outcome_of

_STATUS = {TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "KILLED", TrialState.FAIL: "FAILED"}


class Mirror:
    """Mirrors a study into MLflow; a store that fails in the middle is reported and tried again at the end."""

    def __init__(self, tracker: Tracker, study: Study, goal: Objective) -> None:
        self._tracker = tracker
        self._study = study
        self._goal = goal

    def trial(self, number: int) -> str:
        """Log one ended trial; returns what went wrong, because a missing mirror must not cost a trial."""
        trial = self._study.get_trials(deepcopy=False)[number]
        try:
            self._tracker.log(trial_run(trial, self._goal))
        except StorageError as error:
            return str(error)
        return ""

    def catch_up(self) -> None:
        """Log every ended trial that is not there yet.

        Raises:
            StorageError: If the store still cannot be reached.
        """
        known = self._tracker.keys()
        for trial in self._study.get_trials(deepcopy=False):
            if trial.state.is_finished() and _key(trial) not in known:
                self._tracker.log(trial_run(trial, self._goal))

    def finish(self, result: SearchResult, note: str, artifacts: Sequence[Path]) -> None:
        """Log the compared models as sibling runs and the result on the parent run.

        Raises:
            StorageError: If the store cannot be reached.
        """
        self.catch_up()
        ended = max(trial.datetime_complete for trial in self._study.trials if trial.datetime_complete is not None)
        for model in result.models:
            self._tracker.log(model_run(model, result.n_test_openings, int(ended.timestamp() * 1000)))
        best = self._study.trials[result.best_trial]
        metrics = {f"best_{self._goal.name}": result.best_value, **_model_metrics(result.tuned), **result.metrics()}
        tags = {"best_trial": str(best.number), "stop_reason": result.stop_reason}
        tags |= {f"best_{name}": f"{value:g}" for name, value in best.params.items()}
        self._tracker.close_study(status="FINISHED", metrics=metrics, tags=tags, note=note, artifacts=artifacts)


def trial_run(trial: FrozenTrial, goal: Objective) -> Run:
    """A trial as an MLflow run: the same parameter and metric keys on every one."""
    attrs, decision = trial.user_attrs, decision_of(trial)
    outcome = outcome_of(trial)
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
    }
    fixed = {name: attrs.get(name, 0) for name in ("learning_rate", "seed", "n_params")}
    return Run(
        key=_key(trial),
        name=f"trial-{trial.number}",
        kind="trial",
        # A killed trial is Optuna's FAIL, but nothing of it failed.
        status="KILLED" if outcome is Outcome.KILLED else _STATUS[trial.state],
        params={**trial.params, **fixed},
        metrics=_trial_metrics(trial, goal),
        curves={name: curve for name, curve in attrs.get("curves", {}).items() if name != "val_loss_sd"},
        tags=tags,
        start_ms=_ms(trial.datetime_start),
        end_ms=_ms(trial.datetime_complete),
    )


def model_run(model: ModelResult, n_test_openings: int, at_ms: int) -> Run:
    """A compared model as a sibling of the trials.

    The tuned model's key carries the count of test openings: a study that went on has a new tuned model.
    """
    suffix = "" if n_test_openings == 1 else f"-{n_test_openings}"
    return Run(
        key=f"{model.kind}{suffix}",
        name=f"{model.name}{suffix}",
        kind=model.kind,
        status="FINISHED",
        params={**model.params, "n_params": model.n_params},
        metrics=_model_metrics(model),
        curves={},
        tags={
            "note": model.note,
            "possible_leakage": "yes" if model.may_have_seen else "no",
            "may_have_seen": model.may_have_seen,
            "loss_cause": model.loss_report.cause.value,
            "loss_sentence": model.loss_report.sentence,
        },
        start_ms=at_ms,
        end_ms=at_ms + int(1000 * model.train_secs),
    )


def _trial_metrics(trial: FrozenTrial, goal: Objective) -> dict[str, float]:
    attrs = trial.user_attrs
    metrics: dict[str, float] = {"train_secs": attrs.get("train_secs", 0.0)}
    if trial.state is TrialState.COMPLETE and trial.value is not None:
        metrics |= {"best_epoch": attrs["best_epoch"], "value_stderr": attrs[VALUE_STDERR]}
        best = {name: curve[attrs["best_epoch"] - 1] for name, curve in attrs["curves"].items()}
        metrics |= {f"best_{name}": value for name, value in best.items() if name != "val_loss_sd"}
        metrics["best_val_accuracy"] = 1.0 - best["val_error"]
        metrics["generalization_gap"] = best["val_loss"] - best["train_loss"]
        metrics[f"best_{goal.name}"] = trial.value  # last: the curves are rounded
    return metrics


def _model_metrics(model: ModelResult) -> dict[str, float]:
    """The names that the trials use for validation, and `test_...` for the test set."""
    validation = model.validation
    metrics = {"best_val_loss": validation.nll, "best_val_error": 1.0 - validation.accuracy}
    metrics |= {"best_val_accuracy": validation.accuracy, "best_val_calibrated_loss": validation.nll_calibrated}
    metrics |= model.test_metrics()
    metrics |= {f"latency_ms_batch_{latency.batch_size}": latency.median_ms for latency in model.latency}
    return metrics | {"train_secs": model.train_secs}


def _key(trial: FrozenTrial) -> str:
    return f"trial-{trial.number}"


def _ms(moment: datetime | None) -> int:
    return int(moment.timestamp() * 1000) if moment else 0
