"""The back-off hands over to the model after a row of trials without a gain, and not before its first trials."""

import math
from collections.abc import Sequence

from search_spaces import mlp_space
from tuning.strategy.handover import hands_over, n_directional
from tuning.strategy.records import Outcome, TrialRecord

MLP = mlp_space()
N_LEVERS = len(MLP.levers)
N_FIRST = n_directional(MLP)


def after(values: Sequence[float]) -> bool:
    """Whether the back-off hands over after trials of these values."""
    trials = [TrialRecord(number, MLP.start_point(), value=value) for number, value in enumerate(values)]
    return hands_over(trials, MLP)


def test_not_before_the_first_trials() -> None:
    """However little they gain: each lever is to be polled."""
    assert not after([1.0] * (N_FIRST - 1))
    assert after([1.0] * N_FIRST)


def test_not_while_it_still_gains() -> None:
    """As many trials without a new lowest value as there are levers end it, one fewer does not."""
    gains = [1.0 / (1 + n) for n in range(3 * N_FIRST)]
    assert not after(gains)
    assert not after([*gains, *[1.0] * (N_LEVERS - 1)])
    assert after([*gains, *[1.0] * N_LEVERS])
    assert after([*gains, *[gains[-1]] * N_LEVERS])  # the same once more is no gain


def test_the_model_keeps_the_search() -> None:
    """What the model finds does not give it back."""
    assert after([*[1.0] * N_FIRST, 0.5, 0.4])


def test_a_pruned_trial_gains_nothing() -> None:
    """Its value is what its curve might have come to: it steers, but cannot win."""
    point = MLP.start_point()
    complete = [TrialRecord(n, point, value=1.0 / (1 + n)) for n in range(N_FIRST)]
    pruned = [TrialRecord(N_FIRST + n, point, Outcome.PRUNED, 1e-9 / (1 + n)) for n in range(N_LEVERS)]
    failed = [TrialRecord(N_FIRST + n, point, Outcome.DIVERGED) for n in range(N_LEVERS)]
    assert not hands_over(complete, MLP)
    assert hands_over([*complete, *pruned], MLP)
    assert hands_over([*complete, *failed], MLP)
    assert math.isinf(failed[0].loss)
