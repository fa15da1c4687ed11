"""The pictures of a study, drawn from its trials: what was tried, each lever's response, learning curves, the gap.

>>> draw_study(Path("pictures"), study.get_trials(), mlp_space(), goal, "my-digits", shipped=13)   # doctest: +SKIP
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState

from search_spaces import Point, Role, SearchSpace
from tuning.argument import Step, argument
from tuning.pictures.curves_picture import TrialCurves, curves_picture
from tuning.pictures.gap_picture import GapPoint, gap_picture
from tuning.pictures.lever_picture import LeverStep, lever_picture
from tuning.pictures.study_picture import study_picture
from tuning.pictures.style import save
from tuning.pictures.trials_panel import TrialPoint
from tuning.strategy.actions import REPEAT, Goal, Phase
from tuning.strategy.reasons import describe_change
from tuning.trial_attrs import FIT_STATE, decision_of, outcome_of, task_of

LEVER_PICTURE = "levers.png"
_N_NEIGHBOURS = 4


def draw_study(
    folder: Path, trials: Sequence[FrozenTrial], space: SearchSpace, goal: Goal, study: str, shipped: int
) -> None:
    """Draw the pictures of a study into a folder: `study.png`, `levers.png`, and two more.

    Args:
        folder: Is created where it is missing; earlier pictures there are replaced.
        trials: Of the study, at least one of them complete.
        space: Its levers.
        goal: Its objective.
        study: Its name.
        shipped: Number of the trial whose weights are compared and exported.
    """
    save_picture(folder / "study.png", trials, space, goal, study, shipped)
    save_lever_picture(folder / LEVER_PICTURE, list(argument(trials, space, goal)), goal, study)
    loss_unit = task_of(next(trial for trial in trials if trial.number == shipped)).loss_unit
    measured = [trial for trial in trials if _is_measured(trial)]
    if any(trial.number == shipped for trial in measured):
        chosen, at = _chosen(measured, space, shipped)
        save(curves_picture(chosen, study, at, loss_unit), folder / "learning-curves.png")
    gaps = [_gap(trial, space, shipped) for trial in measured]
    save(gap_picture(gaps, study, loss_unit), folder / "gap-over-capacity.png")


def save_picture(
    path: Path, trials: Sequence[FrozenTrial], space: SearchSpace, goal: Goal, study: str, shipped: int
) -> Path:
    """Draw the objective over the trials, with learning curves of the start and the shipped trial; returns the path."""
    chosen, start = next(trial for trial in trials if trial.number == shipped), _start(trials)
    curves = {f"start (trial {start.number})": _curves(start)}
    if chosen.number != start.number:
        curves[f"shipped (trial {chosen.number})"] = _curves(chosen)
    points = _points(trials, space, goal)
    return save(study_picture(points, curves, goal.monitor, f"Study {study}", shipped, task_of(chosen).loss_unit), path)


def save_lever_picture(path: Path, steps: Sequence[Step], goal: Goal, study: str) -> Path:
    """Draw each lever's measured response into a PNG file and return its path."""
    sign = -1.0 if goal.maximize else 1.0
    shown = [
        LeverStep(step.lever, step.before, step.after, sign * before, sign * after, step.response.reaction.value)
        for step in steps
        if step.lever is not None and step.response is not None
        for before, after in [(step.loss_before, step.loss_after)]
        if math.isfinite(before) and math.isfinite(after)
    ]
    loss_unit = task_of(steps[0].trial).loss_unit if steps else "nats"
    return save(lever_picture(shown, goal.monitor, study, loss_unit), path)


def _start(trials: Sequence[FrozenTrial]) -> FrozenTrial:
    """The first complete trial of the first phase, or of the study."""
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    return next((t for t in complete if decision_of(t).get("phase") == Phase.CROSS_BORDER), complete[0])


def _points(trials: Sequence[FrozenTrial], space: SearchSpace, goal: Goal) -> list[TrialPoint]:
    points, best, sign = [], float("inf"), -1.0 if goal.maximize else 1.0
    by_number = {trial.number: trial for trial in trials}
    for trial in trials:
        if not outcome_of(trial).counts:  # a killed trial was tried again under another number
            continue
        value = trial.value if trial.state is TrialState.COMPLETE else None
        best = min(best, sign * value) if value is not None else best
        label = _change(trial, by_number, space)
        phase = str(decision_of(trial).get("phase", ""))
        state = str(trial.user_attrs.get(FIT_STATE) or outcome_of(trial).value)
        error = _error(trial) if goal.monitor.endswith("loss") else None  # otherwise the objective tells it already
        points.append(TrialPoint(trial.number, value, sign * best, phase, label, state, error))
    return points


def _error(trial: FrozenTrial) -> float | None:
    """The share of wrong validation examples at the best epoch; None for a trial that was not measured."""
    errors = trial.user_attrs.get("curves", {}).get("val_error") if _is_measured(trial) else None
    return None if errors is None else float(errors[trial.user_attrs["best_epoch"] - 1])


def _change(trial: FrozenTrial, by_number: dict[int, FrozenTrial], space: SearchSpace) -> str:
    decision = decision_of(trial)
    base = by_number.get(decision.get("base", -1))
    if base is None:
        return str(decision.get("move", "enqueued"))
    if decision.get("move") == REPEAT:
        return f"repeat of {base.number}"
    change = describe_change(space, space.point(base.params), space.point(trial.params)).replace("->", "→")
    return change or str(decision.get("move", ""))


def _curves(trial: FrozenTrial) -> dict[str, list[float]]:
    return {name: trial.user_attrs["curves"][name] for name in ("train_loss", "val_loss")}


def _is_measured(trial: FrozenTrial) -> bool:
    """Whether a trial was trained to its end by our engine, with curves, best epoch and number of weights."""
    return trial.state is TrialState.COMPLETE and {"curves", "best_epoch", "n_params"} <= set(trial.user_attrs)


def _chosen(trials: Sequence[FrozenTrial], space: SearchSpace, shipped: int) -> tuple[list[TrialCurves], int]:
    """Learning curves of the start, the shipped trial and its neighbours, and where the shipped one stands."""
    start, best = _start(trials), next(trial for trial in trials if trial.number == shipped)
    here = space.point(best.params)
    shown = [_trial_curves(best, "shipped")]
    if start.number != shipped:
        shown.insert(0, _trial_curves(start, "start"))
    for trial in _neighbours(trials, space, here, leave_out=space.point(start.params)):
        change = describe_change(space, here, space.point(trial.params)).replace("->", "→")
        shown.append(_trial_curves(trial, f"neighbour, {change}"))
    return shown, 0 if start.number == shipped else 1


def _neighbours(
    trials: Sequence[FrozenTrial], space: SearchSpace, here: Point, leave_out: Point
) -> Iterator[FrozenTrial]:
    """The first runs of the nearest other configurations: fewest levers first, then fewest steps of the grid."""

    def distance(trial: FrozenTrial) -> tuple[int, float]:
        moved = zip(here, space.point(trial.params), space.levers, strict=True)
        steps = [abs(a - b) / lever.step for a, b, lever in moved]
        return sum(step > 0 for step in steps), sum(steps)

    first_runs: dict[Point, FrozenTrial] = {}
    for trial in trials:
        first_runs.setdefault(space.point(trial.params), trial)
    others = [trial for point, trial in first_runs.items() if point not in (here, leave_out)]
    yield from sorted(others, key=distance)[:_N_NEIGHBOURS]


def _trial_curves(trial: FrozenTrial, what: str) -> TrialCurves:
    curves = _curves(trial)
    return TrialCurves(
        f"trial {trial.number}: {what}", curves["train_loss"], curves["val_loss"], trial.user_attrs["best_epoch"]
    )


def _gap(trial: FrozenTrial, space: SearchSpace, shipped: int) -> GapPoint:
    curves, at = _curves(trial), trial.user_attrs["best_epoch"] - 1
    coordinates = zip(space.levers, space.point(trial.params), strict=True)
    is_regularized = any(lever.role is Role.REGULARIZATION and x > lever.bottom for lever, x in coordinates)
    gap = curves["val_loss"][at] - curves["train_loss"][at]
    return GapPoint(trial.number, trial.user_attrs["n_params"], gap, is_regularized, trial.number == shipped)
