"""Selection optimism: published intervals, and a winner picked by luck against one that is as good as it looked."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from tuning.evaluation import selection_optimism
from tuning.evaluation.metrics import nll_per_example
from tuning.evaluation.optimism import independent_difference

DrawExamples = Callable[..., tuple[NDArray[np.float64], NDArray[np.intp]]]


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ((56, 70, 48, 80), 0.0524, 0.3339),  # Newcombe 1998, Stat. Med. 17:873, table II, method 10
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((10, 10, 0, 10), 0.6075, 1.0000),
    ],
)
def test_interval_of_independent_shares_has_the_published_limits(
    counts: tuple[int, int, int, int], low: float, high: float
) -> None:
    """The examples of the paper."""
    interval = independent_difference(*counts)
    assert (low, high) == pytest.approx((interval.low, interval.high), abs=5e-5)


def test_a_model_as_good_on_test_as_on_validation_shows_none(draw_calibrated: DrawExamples) -> None:
    """Two draws of the same kind."""
    optimism = selection_optimism(*draw_calibrated(1000, seed=0), *draw_calibrated(1500, seed=1), seed=0)
    assert optimism.sentence("the model").startswith("no selection optimism shown for the model: ")
    assert optimism.accuracy_drop_interval.holds(optimism.accuracy_drop)
    assert optimism.nll_rise_interval.holds(0.0)


def test_the_luckiest_of_many_equal_models_shows_it(draw_calibrated: DrawExamples) -> None:
    """Of 300 models with the same noise, the one that is best on 60 validation examples is worse on 5,000 others."""
    val_logits, val_labels = draw_calibrated(60, seed=2)
    rng = np.random.default_rng(3)
    noisy = [val_logits + rng.normal(scale=3.0, size=val_logits.shape) for _ in range(300)]
    winner = min(noisy, key=lambda logits: float(nll_per_example(logits, val_labels).mean()))
    logits, labels = draw_calibrated(5000, seed=4)
    test_logits = logits + rng.normal(scale=3.0, size=logits.shape)
    optimism = selection_optimism(winner, val_labels, test_logits, labels, seed=0)
    assert optimism.nll_rise > 0
    assert optimism.nll_rise_interval.low > 0
    assert optimism.sentence("the winner").startswith("selection optimism for the winner: ")


def test_numbers_are_flat_and_ready_for_json(draw_calibrated: DrawExamples) -> None:
    """Both differences with their limits."""
    optimism = selection_optimism(*draw_calibrated(100, seed=5), *draw_calibrated(100, seed=6), seed=0)
    numbers = json.loads(json.dumps(optimism.as_dict()))
    assert optimism.accuracy_drop == numbers["optimism_accuracy_drop"]
    assert optimism.nll_rise_interval.high == numbers["optimism_nll_rise_high"]
