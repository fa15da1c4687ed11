"""A history that grows out of an earlier one, and a replay that goes on from the last one: the same as from scratch."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from search_spaces import SearchSpace
from tuning.strategy.actions import Goal, Plan, Suggest
from tuning.strategy.backoff import BackOff
from tuning.strategy.history import History
from tuning.strategy.policy import next_action
from tuning.strategy.records import Outcome, TrialRecord
from tuning.strategy.replay import Replays

GOAL = Goal("loss")


def random_trials(space: SearchSpace, n: int) -> list[TrialRecord]:
    """Trials anywhere in a space, some of them repeats or without a value."""
    rng = np.random.default_rng(0)
    points = [tuple(float(rng.choice(lever.grid())) for lever in space.levers) for _ in range(n)]
    endings = rng.choice([Outcome.COMPLETE, Outcome.FAILED, Outcome.KILLED], n, p=[0.9, 0.05, 0.05])
    return [
        TrialRecord(i, point, Outcome(ending), float(rng.normal()), seed_index=int(rng.integers(2)))
        for i, (point, ending) in enumerate(zip(points, endings, strict=True))
    ]


def as_seen(trials: Sequence[TrialRecord], n: int) -> list[TrialRecord]:
    """The first `n` trials while every seventh of the last forty, and the third one for good, still runs."""
    runs = {2} | {i for i in range(max(0, n - 40), n) if i % 7 == 0}
    return [replace(each, outcome=Outcome.RUNNING, value=None) if each.number in runs else each for each in trials[:n]]


def test_a_history_that_grew_is_the_one_made_at_once(forest_space: SearchSpace) -> None:
    """Trial after trial, with running ones that end later than their successors, repeats and killed ones."""
    trials = random_trials(forest_space, 300)
    grown = History.of([])
    for n in range(0, 301, 5):
        seen = as_seen(trials, n)
        grown, whole = History.of(seen, grown), History.of(seen)
        assert whole == grown
        assert whole.configurations == grown.configurations
        assert (whole.finished, whole.pending, whole.points) == (grown.finished, grown.pending, grown.points)
        assert History.of(whole.finished[: n // 2]).configurations == grown.configurations_after(n // 2)


def test_another_study_is_another_history(forest_space: SearchSpace) -> None:
    """What is known of one study is not taken for a part of another."""
    one, other = random_trials(forest_space, 200), [replace(t, value=0.0) for t in random_trials(forest_space, 200)]
    known = History.of(one)
    assert History.of(other).configurations == History.of(other, known).configurations


@pytest.mark.parametrize("plan", [Plan(n_seeds=1, use_model=False), Plan(n_seeds=2, use_model=False)])
def test_a_replay_that_goes_on_decides_as_one_from_the_start(
    forest_space: SearchSpace, plan: Plan, play: Callable[..., Any]
) -> None:
    """The action after every trial; a repeat changes the noise, so that all is replayed then."""
    rng = np.random.default_rng(3)
    search = play(lambda params: {"value": abs(params["width"] - 40) / 9 + rng.normal()}, forest_space, 40, plan=plan)
    replays = Replays()
    for n in range(len(search.trials)):
        history = History.of(search.trials[:n])
        assert next_action(history, forest_space, GOAL, plan) == next_action(history, forest_space, GOAL, plan, replays)


def test_a_replay_absorbs_each_trial_once(forest_space: SearchSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more trial is one more absorbed, however many there were before."""
    absorbed: list[int] = []

    def counted(state: BackOff, trial: Any, absorb: Callable[..., None] = BackOff.absorb) -> None:  # noqa: ANN401
        absorbed.append(trial.number)
        absorb(state, trial)

    monkeypatch.setattr(BackOff, "absorb", counted)
    plan, replays = Plan(n_seeds=1, use_model=False), Replays()
    trials: list[TrialRecord] = []
    for number in range(12):
        action = next_action(History.of(trials), forest_space, GOAL, plan, replays)
        assert isinstance(action, Suggest)
        trials.append(TrialRecord(number, action.point, value=-float(number), base=action.base))
    assert list(range(1, 11)) == absorbed
