"""The study's report: markdown for MLflow's description of the parent run."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from tuning.evaluation import Evaluation
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
        *(row for model in result.models for row in _table_rows(model)),
        "",
        *(f"* {sentence}." for sentence in result.sentences()),
        *(f"* Note: {note}." for note in result.notes),
        "",
        "## Why the numbers are what they are",
        "",
        *(f"* {sentence}." for sentence in (*result.loss_sentences(), *result.findings())),
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


def _table_rows(model: ModelResult) -> list[str]:
    """One row, and of a baseline another one: what a naive reading gives."""
    naive = model.naive
    read_naively = [] if naive is None else [_table_row(f"{model.name}, read naively", naive.evaluation, "")]
    return [_table_row(model.name, model.evaluation, f"{model.n_params:,}"), *read_naively]


def _table_row(name: str, numbers: Evaluation, weights: str) -> str:
    interval = numbers.accuracy_interval
    accuracy = f"{100 * numbers.accuracy:.2f} % ({100 * interval.low:.2f} to {100 * interval.high:.2f})"
    losses = f"{numbers.nll:.4f} | {numbers.nll_calibrated:.4f} | {numbers.ece:.4f}"
    return f"| {name} | {accuracy} | {losses} | {weights} |"
