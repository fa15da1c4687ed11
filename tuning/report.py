"""The study's report: markdown for MLflow's description of the parent run, and the picture of the study."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState

from search_spaces import SearchSpace
from tuning.argument import Step
from tuning.pictures.lever_picture import LeverStep, lever_picture
from tuning.pictures.study_picture import TrialPoint, study_picture
from tuning.result import ModelResult, SearchResult
from tuning.settings import Settings
from tuning.strategy.actions import Goal, Phase
from tuning.strategy.reasons import describe_change
from tuning.trial_attrs import FIT_STATE, decision_of, outcome_of


def markdown(result: SearchResult, trials: Sequence[FrozenTrial], settings: Settings) -> str:
    """The question, the result, the argument of the search and how to go on, as markdown."""
    lines = [
        f"# {result.study}: {settings.goal.direction} {result.objective} on {result.data['name']}",
        "",
        f"The search stopped because {result.stop_reason}. Best: trial {result.best_trial}.",
        "",
        "| model | accuracy (95 % interval) | loss | loss at T | ECE | weights |",
        "|---|---|---|---|---|---|",
        *(_table_row(model) for model in result.models),
        "",
        *(f"* {sentence}." for sentence in result.sentences()),
        *(f"* Note: {note}." for note in result.notes),
        "",
        "## The argument",
        "",
        *(_argument(trial, settings) for trial in trials if outcome_of(trial).counts),
        "",
        f"Export again: `python -m tuning.export --study {result.study}`",
    ]
    return "\n".join(lines)


def save_picture(path: Path, trials: Sequence[FrozenTrial], settings: Settings, space: SearchSpace) -> Path:
    """Draw the study into a PNG file and return its path."""
    sign = -1.0 if settings.goal.maximize else 1.0
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    best = min(complete, key=lambda trial: sign * float(trial.value or 0.0))
    start = next((t for t in complete if decision_of(t).get("phase") == Phase.CROSS_BORDER), complete[0])
    curves = {f"start (trial {start.number})": _curves(start)}
    if best.number != start.number:
        curves[f"best (trial {best.number})"] = _curves(best)
    figure = study_picture(_points(trials, space, sign), curves, settings.goal.name, f"Study {settings.study}")
    figure.savefig(path, dpi=100)
    return path


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
    lever_picture(shown, goal.monitor, study).savefig(path, dpi=100)
    return path


def _points(trials: Sequence[FrozenTrial], space: SearchSpace, sign: float) -> list[TrialPoint]:
    points, best = [], float("inf")
    by_number = {trial.number: trial for trial in trials}
    for trial in trials:
        if not outcome_of(trial).counts:  # a killed trial was tried again under another number
            continue
        value = trial.value if trial.state is TrialState.COMPLETE else None
        best = min(best, sign * value) if value is not None else best
        label = _change(trial, by_number, space)
        phase = str(decision_of(trial).get("phase", ""))
        state = str(trial.user_attrs.get(FIT_STATE) or outcome_of(trial).value)
        points.append(TrialPoint(trial.number, value, sign * best, phase, label, state))
    return points


def _change(trial: FrozenTrial, by_number: dict[int, FrozenTrial], space: SearchSpace) -> str:
    decision = decision_of(trial)
    base = by_number.get(decision.get("base", -1))
    if base is None:
        return str(decision.get("move", "enqueued"))
    change = describe_change(space, space.point(base.params), space.point(trial.params)).replace("->", "→")
    return change or str(decision.get("move", ""))


def _curves(trial: FrozenTrial) -> dict[str, list[float]]:
    return {name: trial.user_attrs["curves"][name] for name in ("train_loss", "val_loss")}


def _argument(trial: FrozenTrial, settings: Settings) -> str:
    decision = decision_of(trial)
    value = f"{settings.goal.name} {trial.value:.4f}" if trial.state is TrialState.COMPLETE else trial.state.name
    return f"{trial.number}. *{decision.get('phase', '')}*: {decision.get('reason', '')}. **{value}**"


def _table_row(model: ModelResult) -> str:
    numbers, interval = model.evaluation, model.evaluation.accuracy_interval
    accuracy = f"{100 * numbers.accuracy:.2f} % ({100 * interval.low:.2f} to {100 * interval.high:.2f})"
    losses = f"{numbers.nll:.4f} | {numbers.nll_calibrated:.4f} | {numbers.ece:.4f}"
    return f"| {model.name} | {accuracy} | {losses} | {model.n_params:,} |"
