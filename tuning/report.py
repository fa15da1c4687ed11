"""The study's report: markdown for MLflow's description of the parent run."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from tuning.result import ModelResult, SearchResult
from tuning.settings import Settings
from tuning.trial_attrs import decision_of, outcome_of


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


def _argument(trial: FrozenTrial, settings: Settings) -> str:
    decision = decision_of(trial)
    value = f"{settings.goal.name} {trial.value:.4f}" if trial.state is TrialState.COMPLETE else trial.state.name
    return f"{trial.number}. *{decision.get('phase', '')}*: {decision.get('reason', '')}. **{value}**"


def _table_row(model: ModelResult) -> str:
    numbers, interval = model.evaluation, model.evaluation.accuracy_interval
    accuracy = f"{100 * numbers.accuracy:.2f} % ({100 * interval.low:.2f} to {100 * interval.high:.2f})"
    losses = f"{numbers.nll:.4f} | {numbers.nll_calibrated:.4f} | {numbers.ece:.4f}"
    return f"| {model.name} | {accuracy} | {losses} | {model.n_params:,} |"
