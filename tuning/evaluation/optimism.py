"""Selection optimism: how much better the winner looked on the examples that chose it than it is on others.

The best of many trials on one validation set is in part the luckiest. The test set, opened once, shows how much:

    optimism = selection_optimism(val_logits, val_labels, test_logits, test_labels, seed=0)
    optimism.sentence("the tuned model")

Sources: Cawley and Talbot 2010, J. Mach. Learn. Res. 11:2079 (the bias); Newcombe 1998, Stat. Med. 17:873, method 10
(interval of a difference of independent shares).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuning.evaluation.comparison import bootstrap_means
from tuning.evaluation.metrics import Interval, correct_per_example, nll_per_example, wilson_interval

_N_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class SelectionOptimism:
    """Validation against test of one model; above 0 where validation looked better.

    Attributes:
        accuracy_drop: Validation accuracy minus test accuracy, a fraction.
        accuracy_drop_interval: Its 95 % interval.
        nll_rise: Mean test loss minus mean validation loss, nats an example, without temperatures.
        nll_rise_interval: Its 95 % interval, bootstrap of both sets.
    """

    accuracy_drop: float
    accuracy_drop_interval: Interval
    nll_rise: float
    nll_rise_interval: Interval

    def sentence(self, model: str) -> str:
        """Return what the selection flattered, in one sentence without its full stop.

        Args:
            model: How to call the model.
        """
        drop, rise = self.accuracy_drop_interval, self.nll_rise_interval
        return (
            f"{self._verdict()} for {model}: validation minus test accuracy {100 * self.accuracy_drop:+.2f} points "
            f"(95 % interval {100 * drop.low:+.2f} to {100 * drop.high:+.2f}), test minus validation loss "
            f"{self.nll_rise:+.4f} nats ({rise.low:+.4f} to {rise.high:+.4f})"
        )

    def as_dict(self) -> dict[str, float]:
        """Return the numbers flat, under names that JSON and MLflow accept."""
        return {
            "optimism_accuracy_drop": self.accuracy_drop,
            "optimism_accuracy_drop_low": self.accuracy_drop_interval.low,
            "optimism_accuracy_drop_high": self.accuracy_drop_interval.high,
            "optimism_nll_rise": self.nll_rise,
            "optimism_nll_rise_low": self.nll_rise_interval.low,
            "optimism_nll_rise_high": self.nll_rise_interval.high,
        }

    def _verdict(self) -> str:
        is_shown = self.accuracy_drop_interval.low > 0 or self.nll_rise_interval.low > 0
        return "selection optimism" if is_shown else "no selection optimism shown"


def selection_optimism(
    validation_logits: ArrayLike,
    validation_labels: ArrayLike,
    test_logits: ArrayLike,
    test_labels: ArrayLike,
    *,
    seed: int,
) -> SelectionOptimism:
    """Return how a model's validation numbers compare with its test numbers.

    Args:
        validation_logits: Raw scores on the examples that chose the model, shape (examples, classes).
        validation_labels: Their true classes, integers.
        test_logits: Raw scores on other examples.
        test_labels: Their true classes.
        seed: Of the bootstrap, at least 0.

    Raises:
        ValueError: If `check_examples` rejects a pair of arrays.
    """
    right = [correct_per_example(validation_logits, validation_labels), correct_per_example(test_logits, test_labels)]
    losses = [nll_per_example(validation_logits, validation_labels), nll_per_example(test_logits, test_labels)]
    return SelectionOptimism(
        accuracy_drop=float(right[0].mean() - right[1].mean()),
        accuracy_drop_interval=independent_difference(
            int(right[0].sum()), len(right[0]), int(right[1].sum()), len(right[1])
        ),
        nll_rise=float(losses[1].mean() - losses[0].mean()),
        nll_rise_interval=difference_interval(losses[0], losses[1], seed),
    )


def difference_interval(first: NDArray[np.float64], second: NDArray[np.float64], seed: int) -> Interval:
    """Return the 95 % interval of the second mean minus the first, of different examples: bootstrap of both."""
    rng = np.random.default_rng(seed)
    first_means, second_means = (bootstrap_means(each, rng, _N_RESAMPLES) for each in (first, second))
    low, high = np.percentile(second_means - first_means, (2.5, 97.5))
    return Interval(float(low), float(high))


def independent_difference(n_first: int, n_of_first: int, n_second: int, n_of_second: int) -> Interval:
    """Return the 95 % interval of the difference of two shares of different examples, first minus second.

    Args:
        n_first: Successes among the first examples.
        n_of_first: First examples, at least 1.
        n_second: Successes among the second examples.
        n_of_second: Second examples, at least 1.

    Source: Newcombe 1998, Stat. Med. 17:873, method 10.
    """
    first, second = n_first / n_of_first, n_second / n_of_second
    one, two = wilson_interval(n_first, n_of_first), wilson_interval(n_second, n_of_second)
    difference = first - second
    return Interval(
        low=difference - math.hypot(first - one.low, two.high - second),
        high=difference + math.hypot(one.high - first, second - two.low),
    )
