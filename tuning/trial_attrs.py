"""What a trial carries besides its parameters and its value: the keys of Optuna's attributes, read and written here.

The objective writes user attributes before the trial ends (a finished trial is immutable); the sampler writes its
decision as a system attribute before it returns a configuration, so that other workers see it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from search_spaces import Point, SearchSpace
from tuning.strategy.diagnosis import FitState
from tuning.strategy.example_losses import ExampleLosses
from tuning.strategy.history import History
from tuning.strategy.records import Outcome, TrialRecord
from tuning.task import Task

DECISION = "overfit_backoff:decision"  # system attribute: phase, move, base, reason, seed_index, params

OUTCOME = "outcome"  # how the trial ended, in the words of `Outcome`
OUTCOME_REASON = "outcome_reason"  # why, in one sentence
REASON = "reason"  # why the trial is tried: the decision's own reason, for dashboards
FIT_STATE = "fit_state"  # `FitState` of the diagnosis
CROSSED_BORDER = "crossed_border"  # whether the network fits its training set perfectly or overfits
VALUE_STDERR = "value_stderr"  # standard error of the value on the validation examples
EXAMPLE_LOSSES = "val_example_losses"  # `ExampleLosses` on the validation examples, as plain data
EXPECTED_VALUE = "expected_value"  # of a pruned trial: what its curve would have reached
TRAIN_SECS = "train_secs"  # how long its training took, seconds

TASK = "task"  # a word of `Task`; not there where an example has one class of several

_FIXED_PARAMS = "fixed_params"  # Optuna's own system attribute of enqueued and retried trials


def decision_of(trial: FrozenTrial) -> dict[str, Any]:
    """The sampler's decision on a trial: phase, move, base, reason, params; empty for a foreign trial."""
    return dict(trial.system_attrs.get(DECISION, {}))


def seed_index(trial: Trial | FrozenTrial) -> int:
    """Which seed of the study's list to train a trial with: 0, or more where the trial is a declared repeat.

    Call it after the trial's parameters were suggested: the decision comes with them. Two configurations that ran
    with the same seed index are compared as a pair, so use `seed + seed_index(trial)`, or a fixed list of seeds.
    """
    if isinstance(trial, Trial):  # whose system attributes have no public name since Optuna 5
        return int(trial.storage.get_trial_system_attrs(trial._trial_id).get(DECISION, {}).get("seed_index", 0))
    return int(trial.system_attrs.get(DECISION, {}).get("seed_index", 0))


def task_of(trial: FrozenTrial) -> Task:
    """What the trial's network learned."""
    return Task(trial.user_attrs.get(TASK, Task.MULTICLASS))


def outcome_of(trial: FrozenTrial) -> Outcome:
    """How a trial ended; a failure that says no more than that is `Outcome.FAILED`."""
    if trial.state in (TrialState.RUNNING, TrialState.WAITING):
        return Outcome.RUNNING
    if trial.state is TrialState.PRUNED:
        return Outcome.PRUNED
    if trial.state is TrialState.COMPLETE:
        finite = trial.value is not None and math.isfinite(trial.value)
        return Outcome.COMPLETE if finite else Outcome.DIVERGED
    return Outcome(trial.user_attrs.get(OUTCOME, Outcome.FAILED))


def record_of(trial: FrozenTrial, space: SearchSpace, *, maximize: bool, is_timed: bool = True) -> TrialRecord | None:
    """The strategy's view of a trial; None if its configuration is not (or not yet) a point of the space.

    Args:
        trial: The trial.
        space: Of the study.
        maximize: Whether the study maximizes its value.
        is_timed: Whether the strategy may know how long the trial took.
    """
    point = _point(trial, space)
    if point is None:
        return None
    outcome = outcome_of(trial)
    value = _value(trial, outcome)
    state = trial.user_attrs.get(FIT_STATE)
    return TrialRecord(
        number=trial.number,
        point=point,
        outcome=outcome,
        value=-value if maximize and value is not None else value,
        stderr=_stderr(trial),
        examples=ExampleLosses.from_attr(trial.user_attrs.get(EXAMPLE_LOSSES)),
        state=FitState(state) if state else None,
        crossed_border=bool(trial.user_attrs.get(CROSSED_BORDER, False)),
        base=decision_of(trial).get("base"),
        seed_index=seed_index(trial),
        secs=_secs(trial) if is_timed else None,
    )


def history_of(trials: list[FrozenTrial], space: SearchSpace, *, maximize: bool) -> History:
    """The strategy's history: every trial that is a point of the space."""
    records = (record_of(trial, space, maximize=maximize) for trial in trials)
    return History.of(record for record in records if record is not None)


def is_maximized(study: Study) -> bool:
    """Whether a single-objective study maximizes its value."""
    return study.direction == StudyDirection.MAXIMIZE


def best_of(study: Study) -> FrozenTrial | None:
    """The best complete trial, the first of equals; not a copy, unlike `study.best_trial`, and None without one."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    sign = -1.0 if is_maximized(study) else 1.0
    return min(complete, key=lambda trial: sign * float(trial.value or 0.0), default=None)


def enqueued_coordinates(trial: FrozenTrial, space: SearchSpace) -> dict[int, float]:
    """Grid coordinates, by the lever's position, of the values that the user fixed when enqueuing the trial."""
    fixed: Mapping[str, float] = trial.system_attrs.get(_FIXED_PARAMS, {})
    return {
        j: lever.nearest(lever.coordinate(fixed[lever.name]))
        for j, lever in enumerate(space.levers)
        if lever.name in fixed and lever.contains(fixed[lever.name])
    }


def _secs(trial: FrozenTrial) -> float | None:
    """Seconds of the training where it was timed: the storage's moments are the wall clock's, which may jump."""
    secs: float | None = trial.user_attrs.get(TRAIN_SECS)
    if secs is None and trial.duration is not None:
        return trial.duration.total_seconds()
    return secs


def _stderr(trial: FrozenTrial) -> float | None:
    """The standard error where it is one: after a diverged training it is not a number."""
    stderr = trial.user_attrs.get(VALUE_STDERR)
    return stderr if stderr is not None and 0 <= stderr < math.inf else None


def _value(trial: FrozenTrial, outcome: Outcome) -> float | None:
    """The value, for a pruned trial the expected one where its objective recorded it; None if there is neither."""
    if outcome is Outcome.PRUNED:
        expected = trial.user_attrs.get(EXPECTED_VALUE)
        return expected if expected is not None and math.isfinite(expected) else None
    return trial.value if outcome is Outcome.COMPLETE else None


def _point(trial: FrozenTrial, space: SearchSpace) -> Point | None:
    """From the parameters where they are set, else from what was decided or enqueued for the trial.

    A value between grid points counts for the nearest one, so that the strategy compares like with like.
    """
    decided: Mapping[str, float] = trial.system_attrs.get(DECISION, {}).get("params", {})
    enqueued: Mapping[str, float] = trial.system_attrs.get(_FIXED_PARAMS, {})
    try:
        return space.nearest_point({**decided, **enqueued, **trial.params})
    except (ValueError, TypeError):
        return None
