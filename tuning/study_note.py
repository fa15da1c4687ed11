"""The study's report as markdown, for the description of its parent run: what was asked, found and how sure it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import shorten

from optuna.trial import TrialState

from search_spaces import shown
from tuning.argument import Step
from tuning.evaluation import AnyEvaluation
from tuning.result import ModelResult, SearchResult
from tuning.settings import Settings
from tuning.strategy.diagnosis import FitState
from tuning.trial_attrs import FIT_STATE, decision_of

# MLflow keeps 8000 characters of a description, and links and pictures come behind this; the longest part is the last.
_MAX_STEPS = 6
_MAX_STEP_CHARS = 160
_MAX_EXPERIMENTS = 3

_FITS = {
    FitState.OVERFIT_DECISIONS: "overfit in decisions, validation loss and validation error rise",
    FitState.OVERFIT_CONFIDENCE: "overfit in confidence, the validation loss rises",
    FitState.CAPACITY_REACHED: "fit the training set perfectly without visible overfit",
    FitState.FIT: "fit",
    FitState.UNDERFIT: "underfit",
    FitState.UNDERTRAINED: "were still learning",
    FitState.DIVERGED: "diverged",
}


def study_note(result: SearchResult, steps: Sequence[Step], settings: Settings) -> str:
    """The report of a finished study.

    Args:
        result: What it found.
        steps: Its trials as an argument.
        settings: Of the search.
    """
    sections = [
        f"## {result.study}",
        _question(result, settings),
        _answer(result),
        _table(result.models),
        "\n".join(f"* {sentence}." for sentence in [*result.sentences(), *result.notes]),
        _section("Can the losses be trusted?", [f"* {sentence}." for sentence in result.loss_sentences()]),
        _section("How far to believe it", [f"* {sentence}." for sentence in result.findings()]),
        _section("What each lever did", list(_levers(steps))),
        _section("Which trials overfit", list(_fits(steps))),
        _section("The argument in short", list(_turns(steps, settings))),
        f"Export again: `python -m tuning.export --study {result.study}`. The whole argument: artifact `argument.txt`.",
    ]
    return "\n\n".join(section for section in sections if section)


def _question(result: SearchResult, settings: Settings) -> str:
    data, goal = result.data, settings.goal
    return (
        f"**Question:** which units, layers, dropout and L2 {goal.direction} `{goal.name}` ({goal.meaning}) on "
        f"{data['name']}? {data['n_train']} train, {data['n_validation']} validation, {data['n_test']} test examples "
        f"(opened {result.n_test_openings}x); {result.n_trials} trials of at most {settings.max_epochs} epochs."
    )


def _answer(result: SearchResult) -> str:
    params = ", ".join(f"{name} {shown(value)}" for name, value in result.tuned.params.items())
    best, rest = _best(result.models), [model for model in result.models if not model.may_have_seen]
    seen = f", which may have seen the test images; of the others {_named(_best(rest))}" if best.may_have_seen else ""
    return (
        f"**Which model won?** By test {best.evaluation.score_name} {_named(best)}{seen}. What the differences are "
        f"worth stands below the table.\n\n**The tuned model** is trial {result.best_trial} ({params}), "
        f"{result.objective} {result.best_value:.4f}. The search stopped because {result.stop_reason}."
    )


def _best(models: Sequence[ModelResult]) -> ModelResult:
    """By the score on the test set; of equal ones the last, which is the tuned one."""
    return max(reversed(models), key=lambda model: model.evaluation.score)


def _named(model: ModelResult) -> str:
    return f"**{model.name}**, {model.evaluation.headline()}"


def _table(models: Sequence[ModelResult]) -> str:
    heads = [f"test {head}" if i == 0 else head for i, (head, _) in enumerate(models[-1].evaluation.cells())]
    head = [f"| model | {' | '.join(heads)} | weights |", f"|{'---|' * (len(heads) + 2)}"]
    return "\n".join([*head, *(row for model in models for row in _rows(model))])


def _rows(model: ModelResult) -> list[str]:
    """One row, and of a baseline another one: what a naive reading gives."""
    naive = model.naive
    read_naively = [] if naive is None else [_row(f"{model.name}, read naively", naive.evaluation, "")]
    return [_row(model.name, model.evaluation, f"{model.n_params:,}"), *read_naively]


def _row(name: str, numbers: AnyEvaluation, weights: str) -> str:
    return f"| {name} | {' | '.join(text for _, text in numbers.cells())} | {weights} |"


def _turns(steps: Sequence[Step], settings: Settings) -> Iterator[str]:
    """Where the search took another turn: the first trial of each phase, and every new best value."""
    turns, phase, best = [], "", float("inf")
    sign = -1.0 if settings.goal.maximize else 1.0
    for step in steps:
        complete = step.trial.state is TrialState.COMPLETE and step.trial.value is not None
        value = sign * float(step.trial.value or 0.0) if complete else float("inf")
        here = str(decision_of(step.trial).get("phase", ""))
        if here != phase or value < best:
            turns.append(step)
        phase, best = here, min(best, value)
    shown = [*turns[: _MAX_STEPS // 2], *turns[_MAX_STEPS // 2 :][-_MAX_STEPS // 2 :]]
    for step in shown:
        text = f"trial {step.trial.number}, {decision_of(step.trial).get('phase', '')}: {step.experiment}; {step.why}"
        yield f"* {shorten(text, _MAX_STEP_CHARS, placeholder=' ...')} **{step.reaction}**"
    if len(shown) < len(turns):
        yield f"* ({len(turns) - len(shown)} turns in between are left out)"


def _levers(steps: Sequence[Step]) -> Iterator[str]:
    """Each lever's experiments in which nothing else moved, the clearest ones first."""
    found: dict[str, list[Step]] = {}
    for step in steps:
        if step.lever is not None and step.response is not None:
            found.setdefault(step.lever, []).append(step)
    for lever, moved in found.items():
        clearest = sorted(moved, key=lambda step: -abs(step.response.z) if step.response else 0.0)
        yield f"* **{lever}**: " + "; ".join(map(_experiment, clearest[:_MAX_EXPERIMENTS]))


def _experiment(step: Step) -> str:
    reaction = f"{step.response.reaction.value}, z = {step.response.z:+.1f}" if step.response else ""
    return f"{shown(step.before)} -> {shown(step.after)} {reaction} (trial {step.trial.number})"


def _fits(steps: Sequence[Step]) -> Iterator[str]:
    """What the learning curves of the trials show, the overfit first."""
    for state, words in _FITS.items():
        trials = [str(step.trial.number) for step in steps if step.trial.user_attrs.get(FIT_STATE) == state.value]
        if trials:
            yield f"* {words} (`{state.value}`): trials {', '.join(trials)}"


def _section(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"### {title}", "", *lines]) if lines else ""
