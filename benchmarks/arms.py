"""The samplers under comparison, each as a function from a task's replay to the trials it would run, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import optuna
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, RandomSampler, TPESampler

from benchmarks.tables import Replay
from search_spaces import Lever, Point, Role, SearchSpace
from tuning.strategy.actions import Goal, Plan, Stop
from tuning.strategy.history import History
from tuning.strategy.policy import leader_of, next_action
from tuning.strategy.records import TrialRecord


@dataclass(frozen=True)
class Run:
    """One trial of an arm."""

    point: Point
    seed_index: int
    value: float
    secs: float


Arm = Callable[[Replay, int], list[Run]]


def optuna_arm(make: Callable[[int], BaseSampler], *, with_start: bool = False) -> Arm:
    """A sampler of Optuna's on one fixed seed, as a user who seeds the training runs it."""

    def run(replay: Replay, n_trials: int) -> list[Run]:
        space = replay.table.space
        study = optuna.create_study(sampler=make(replay.repetition))
        if with_start:
            study.enqueue_trial(space.start())
        runs = []
        for _ in range(n_trials):
            trial = study.ask(space.distributions())
            point = space.point(trial.params)
            measured = replay.train(point, 0)
            study.tell(trial, measured.value)
            runs.append(Run(point, 0, measured.value, measured.secs))
        return runs

    return run


def record(number: int, point: Point, seed_index: int, base: int | None, replay: Replay) -> TrialRecord:
    """A finished trial as the strategy sees it."""
    got = replay.train(point, seed_index)
    return TrialRecord(
        number,
        point,
        value=got.value,
        stderr=got.stderr,
        examples=got.examples,
        state=got.state,
        crossed_border=got.crossed_border,
        base=base,
        seed_index=seed_index,
        secs=got.secs,
    )


def play(replay: Replay, space: SearchSpace, plan: Plan, n_trials: int, trials: list[TrialRecord]) -> list[TrialRecord]:
    """Let the strategy go on from these trials; once it stops by itself nothing more is spent."""
    trials = list(trials)
    for number in range(len(trials), n_trials):
        action = next_action(History.of(trials), space, Goal("value"), plan)
        if isinstance(action, Stop):
            break
        trials.append(record(number, action.point, action.seed_index, action.base, replay))
    return trials


_SMALLEST: dict[Role, Callable[[Lever], float]] = {
    Role.CAPACITY: lambda lever: lever.low,
    Role.REGULARIZATION: lambda lever: lever.high,
}


def started_small(space: SearchSpace) -> SearchSpace:
    """The same space, started at the smallest and most restrained network."""
    levers = (
        replace(lever, start=_SMALLEST[lever.role](lever)) if lever.role in _SMALLEST else lever
        for lever in space.levers
    )
    return replace(space, levers=tuple(levers))


def shuffled_signs(space: SearchSpace, repetition: int) -> SearchSpace:
    """Capacity and regularization mistaken for one another on a random half of these levers, start included."""
    rng = np.random.default_rng([repetition, 3])
    return replace(space, levers=tuple(_maybe_flipped(lever, bool(rng.integers(2))) for lever in space.levers))


def _maybe_flipped(lever: Lever, flip: bool) -> Lever:
    if lever.role is Role.NUISANCE or not flip:
        return lever
    role = Role.REGULARIZATION if lever.role is Role.CAPACITY else Role.CAPACITY
    return replace(lever, role=role, start=lever.low + lever.high - lever.start)


def start_alone(replay: Replay, n_trials: int) -> list[Run]:
    """No tuning at all."""
    point = replay.table.space.start_point()
    measured = replay.train(point, 0)
    return [Run(point, 0, measured.value, measured.secs)]


OPTUNA_ARMS: dict[str, Arm] = {
    "start": start_alone,
    "random": optuna_arm(lambda seed: RandomSampler(seed=seed)),
    "TPE": optuna_arm(lambda seed: TPESampler(seed=seed)),
    "TPE + start": optuna_arm(lambda seed: TPESampler(seed=seed), with_start=True),
    "GP": optuna_arm(lambda seed: GPSampler(seed=seed)),
    "GP + start": optuna_arm(lambda seed: GPSampler(seed=seed), with_start=True),
    "CMA-ES + start": optuna_arm(lambda seed: CmaEsSampler(seed=seed), with_start=True),
}

RANDOM_TWICE = "random 2x"


@dataclass(frozen=True)
class Variant:
    """Ours, or ours without one of its parts."""

    plan: Plan = Plan()
    space: Callable[[SearchSpace, int], SearchSpace] = lambda space, repetition: space


OURS: dict[str, Variant] = {
    "ours": Variant(),
    "ours, started small": Variant(space=lambda space, repetition: started_small(space)),
    "ours, shuffled signs": Variant(space=shuffled_signs),
    "ours, no racing": Variant(Plan(n_seeds=1)),
    "ours, no model": Variant(Plan(use_model=False)),
}


def regrets_of_optuna_arm(arm: Arm, replay: Replay, budgets: Sequence[int]) -> list[float]:
    """Regret at each budget; one run serves all, since these samplers do not know their budget."""
    runs = arm(replay, max(budgets))
    return [replay.regret(_confirmed(runs, n, replay)) for n in budgets]


def _confirmed(runs: Sequence[Run], n_trials: int, replay: Replay) -> Point:
    """What the arm would ship after N trials: the best mean after as many repeats as ours pays for."""
    n_seeds = replay.n_search_seeds
    n_reserved = Plan(n_trials=n_trials, n_confirm_seeds=n_seeds).n_reserved
    values: dict[Point, float] = {}
    for run in runs[: n_trials - n_reserved]:
        values.setdefault(run.point, run.value)
    finalists = sorted(values, key=lambda point: values[point])[: max(1, n_reserved // max(1, n_seeds - 1))]
    return min(finalists, key=lambda point: np.mean([replay.train(point, seed).value for seed in range(n_seeds)]))


def regrets_of_ours(variant: Variant, replay: Replay, budgets: Sequence[int]) -> list[float]:
    """Regret at each budget: the search hardly depends on it, the confirmation at its end does."""
    n_seeds = replay.n_search_seeds
    space = variant.space(replay.table.space, replay.repetition)
    plan = replace(
        variant.plan,
        n_seeds=1 if n_seeds == 1 else variant.plan.n_seeds,
        n_confirm_seeds=n_seeds,
        seed=replay.repetition,
    )
    searched: dict[int, list[TrialRecord]] = {}  # one for each number of race seeds: the rest does not depend on N
    regrets = []
    for n_trials in budgets:  # ascending
        planned = replace(plan, n_trials=n_trials)
        n_race, n_search = planned.n_race_seeds, planned.n_search or n_trials
        begun = searched.get(n_race, [])
        searched[n_race] = play(replay, space, replace(plan, n_seeds=n_race), n_search, begun)
        trials = play(replay, space, planned, n_trials, searched[n_race][:n_search])
        leader = leader_of(History.of(trials), planned)
        regrets.append(replay.regret(leader.configuration.point if leader else space.start_point()))
    return regrets
