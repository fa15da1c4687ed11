"""A trial as a short text in markdown: why it was tried and what it showed. Read from the trials of the study alone."""

from __future__ import annotations

from optuna.trial import FrozenTrial

from search_spaces import shown
from tuning.strategy.actions import Goal
from tuning.strategy.records import Outcome
from tuning.trial_attrs import OUTCOME_REASON, VALUE_STDERR, decision_of, outcome_of

_ENDED = {
    Outcome.PRUNED: "was pruned",
    Outcome.KILLED: "was killed",
    Outcome.OUT_OF_MEMORY: "ran out of memory",
    Outcome.INFEASIBLE: "was infeasible",
}


def trial_note(trial: FrozenTrial, base: FrozenTrial | None, goal: Goal) -> str:
    """Why a trial was tried, what it changed, and what it showed when it ended.

    Args:
        trial: It has ended.
        base: The trial from which it was an experiment.
        goal: The objective.
    """
    decision = decision_of(trial)
    phase, move = str(decision.get("phase", "not decided by the strategy")), str(decision.get("move", ""))
    origin = "" if base is None else f" from trial {base.number}"
    rows = [
        ("Experiment", f"{phase}{': ' if move else ''}{move}{origin}"),
        ("Why it was tried", str(decision.get("reason", "it was enqueued"))),
        ("What it changed", _change(trial, base)),
        ("What it showed", _shown(trial, base, goal)),
        ("Its fit", str(trial.user_attrs.get("diagnosis", {}).get("sentence", ""))),
        ("Why its training stopped", str(trial.user_attrs.get("stop_reason", ""))),
    ]
    return "\n\n".join([f"### Trial {trial.number}", *(f"**{name}:** {value}." for name, value in rows if value)])


def _change(trial: FrozenTrial, base: FrozenTrial | None) -> str:
    if base is None:
        return ", ".join(f"{name} {shown(value)}" for name, value in trial.params.items())
    moved = [name for name, value in trial.params.items() if base.params.get(name, value) != value]
    changes = [f"{name} {shown(base.params[name])} -> {shown(trial.params[name])}" for name in moved]
    return ", ".join(changes) or "nothing but the seed"


def _shown(trial: FrozenTrial, base: FrozenTrial | None, goal: Goal) -> str:
    outcome = outcome_of(trial)
    if outcome is not Outcome.COMPLETE or trial.value is None:
        why = str(trial.user_attrs.get(OUTCOME_REASON, ""))
        return f"no value, it {_ENDED.get(outcome, outcome.replace('_', ' '))}{': ' if why else ''}{why}"
    stderr = trial.user_attrs.get(VALUE_STDERR)
    error = "" if stderr is None else f" (standard error {stderr:.2g})"
    if base is None or base.value is None:
        return f"{goal.monitor} {trial.value:.4f}{error}"
    gain = (trial.value - base.value) * (1 if goal.maximize else -1)
    verdict = f"{abs(gain):.4f} {'better' if gain > 0 else 'worse'} than" if gain else "as good as"
    return f"{goal.monitor} {trial.value:.4f}{error}, {verdict} trial {base.number} ({base.value:.4f})"
