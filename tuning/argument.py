"""A study as an argument: for every trial the state before it, the experiment, the reaction, and what followed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial

from search_spaces import SearchSpace, Value
from tuning.strategy.actions import DEFAULT_SHRINK, REPEAT, Goal
from tuning.strategy.configuration import Configuration, configurations_of
from tuning.strategy.evidence import noise_of
from tuning.strategy.policy import smaller_of
from tuning.strategy.reaction import Response, measure
from tuning.strategy.reasons import describe_change
from tuning.strategy.records import Outcome
from tuning.trial_attrs import EXAMPLE_LOSSES, FIT_STATE, REASON, decision_of, history_of, outcome_of, seed_index


@dataclass(frozen=True)
class Step:
    """One trial of the argument.

    Args:
        trial: The trial.
        state: Fit of the trial from which it was an experiment; empty where there is none.
        experiment: Phase, move and what it changed.
        reaction: Values, z and reaction, or how the trial ended without a value.
        why: The decision's own reason.
        lever: The one lever that moved; None where it was not exactly one.
        before, after: Its values; 0 where no lever is named.
        loss_before, loss_after: Mean losses of the two configurations; infinite without a value.
        response: The measured response, on all runs that both configurations have by now.
    """

    trial: FrozenTrial
    state: str
    experiment: str
    reaction: str
    why: str
    lever: str | None = None
    before: Value = 0.0
    after: Value = 0.0
    loss_before: float = math.inf
    loss_after: float = math.inf
    response: Response | None = None


def argument(trials: Sequence[FrozenTrial], space: SearchSpace, goal: Goal) -> Iterator[Step]:
    """Tell every trial that used up budget, in the order of their numbers."""
    history = history_of(list(trials), space, maximize=goal.maximize)
    found = configurations_of(history.finished)
    by_number = {run.number: each for each in found for run in each.runs}
    noise = noise_of(found)
    for trial in trials:
        here = by_number.get(trial.number)
        if here is None or not outcome_of(trial).counts:
            continue
        base = by_number.get(decision_of(trial).get("base", -1))
        response = None if base is None or base is here else measure(base, here, noise)
        yield _step(trial, here, base, response, space, goal)


def lineage(steps: Sequence[Step], number: int, max_steps: int) -> list[Step]:
    """How the search came to a trial: from the start, experiment by experiment, to the trial itself.

    Args:
        steps: The argument.
        number: Of the trial.
        max_steps: >= 3; of more, those in the middle are left out.
    """
    by_number = {step.trial.number: step for step in steps}
    found: list[Step] = []
    here: int | None = number
    while here in by_number and by_number[here] not in found:
        found.insert(0, by_number[here])
        here = decision_of(by_number[here].trial).get("base")
    return found if len(found) <= max_steps else [*found[:2], *found[2 - max_steps :]]


def smaller_sentence(
    trials: Sequence[FrozenTrial], space: SearchSpace, goal: Goal, best_number: int, margin: float = DEFAULT_SHRINK
) -> str:
    """The smallest network tried that is not worse than a trial's by a share of its value; empty if there is none."""
    history = history_of(list(trials), space, maximize=goal.maximize)
    found = configurations_of(history.finished)
    best = next(each for each in found if any(run.number == best_number for run in each.runs))
    smaller = smaller_of(history, space, goal, best, margin)
    if smaller is None:
        return ""
    change = describe_change(space, best.point, smaller.configuration.point)
    values = f"{goal.monitor} {goal.show(smaller.configuration.loss)} instead of {goal.show(best.loss)}"
    number = smaller.configuration.first_complete
    return (
        f"trial {number} is smaller and not worse by {100 * margin:g} %: {change}, {values}; "
        f"the difference is at most {smaller.worst:.2g} (one-sided 90 % interval)"
    )


def text(steps: Sequence[Step]) -> str:
    """The whole argument, a paragraph a trial."""
    return "\n\n".join(_paragraph(step, steps[i + 1] if i + 1 < len(steps) else None) for i, step in enumerate(steps))


def detail(step: Step) -> str:
    """One trial with everything that it recorded, but for its curves and losses; its reason stands in the paragraph."""
    left_out = ("curves", EXAMPLE_LOSSES, REASON)
    attrs = {name: value for name, value in step.trial.user_attrs.items() if name not in left_out}
    diagnosis = attrs.pop("diagnosis", {})
    lines = [_paragraph(step, None), "", "parameters:"]
    lines += [f"  {name} = {value}" for name, value in step.trial.params.items()]
    lines += ["diagnosis:", f"  {diagnosis.get('sentence', 'none')}"]
    lines += [f"  {name} = {value:.6g}" for name, value in diagnosis.get("numbers", {}).items()]
    return "\n".join([*lines, "recorded:", *(f"  {name} = {value}" for name, value in sorted(attrs.items()))])


def _step(
    trial: FrozenTrial,
    here: Configuration,
    base: Configuration | None,
    response: Response | None,
    space: SearchSpace,
    goal: Goal,
) -> Step:
    decision = decision_of(trial)
    moved = [] if base is None else [j for j, x in enumerate(here.point) if x != base.point[j]]
    change = describe_change(space, base.point, here.point) if base is not None and moved else ""
    seed = f"seed {seed_index(trial) + 1}" if decision.get("move") == REPEAT else ""
    lever = space.levers[moved[0]] if len(moved) == 1 else None
    return Step(
        trial,
        state="" if base is None or base.state is None else base.state.replace("_", " "),
        experiment=", ".join(part for part in (str(decision.get("move", "foreign")), change, seed) if part),
        reaction=_reaction(trial, base, here, response, goal),
        why=str(decision.get("reason", "not decided by the strategy")),
        lever=lever.name if lever else None,
        before=lever.value(base.point[moved[0]]) if lever and base else 0.0,
        after=lever.value(here.point[moved[0]]) if lever else 0.0,
        loss_before=base.loss if base else math.inf,
        loss_after=here.loss,
        response=response,
    )


def _reaction(
    trial: FrozenTrial, base: Configuration | None, here: Configuration, response: Response | None, goal: Goal
) -> str:
    outcome = outcome_of(trial)
    if outcome is not Outcome.COMPLETE or trial.value is None:
        return f"no value ({outcome.replace('_', ' ')})"
    if response is None or base is None:
        return f"{goal.monitor} {trial.value:.4g}"
    moved = f"{goal.show(base.loss)} -> {goal.show(here.loss)}"
    seeds = f" on {response.n_seeds} seeds" if response.n_seeds > 1 else ""
    return f"{goal.monitor} {moved} (z = {response.z:+.2f}{seeds}), {response.reaction}"


def _paragraph(step: Step, following: Step | None) -> str:
    fit = str(step.trial.user_attrs.get(FIT_STATE, "")).replace("_", " ")
    rows = [
        ("state", step.state),
        ("experiment", step.experiment),
        ("why", step.why),
        ("reaction", step.reaction),
        ("fit", fit),
        ("next", following.why.rpartition("next: ")[2] if following else ""),
    ]
    head = f"trial {step.trial.number} ({decision_of(step.trial).get('phase', 'foreign')})"
    return "\n".join([head, *(f"  {name + ':':12}{value}" for name, value in rows if value)])
