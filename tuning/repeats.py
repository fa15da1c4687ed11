"""The spread over seeds: what the shipped configuration gave in every training, repeats included."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState


@dataclass(frozen=True)
class SeedSpread:
    """The values of one configuration, a training each.

    Attributes:
        trials: Numbers of its complete trials, two or more, in their order.
        values: Their values, in the unit of the objective.
        shipped: Number of the trial whose weights are shipped.
    """

    trials: tuple[int, ...]
    values: tuple[float, ...]
    shipped: int

    @property
    def mean(self) -> float:
        """Mean of the values."""
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float:
        """Their standard deviation: what a seed alone changes."""
        return statistics.stdev(self.values)

    def as_dict(self) -> dict[str, float]:
        """Return the numbers flat, under names that JSON and MLflow accept."""
        return {"seeds_n": len(self.values), "seeds_mean": self.mean, "seeds_deviation": self.deviation}

    def sentence(self, objective: str) -> str:
        """Return the spread in one sentence without its full stop.

        Args:
            objective: Name of the objective.
        """
        values = ", ".join(f"{value:.4f}" for value in self.values)
        own = self.values[self.trials.index(self.shipped)]
        return (
            f"over {len(self.values)} seeds the shipped configuration has {objective} {self.mean:.4f} +- "
            f"{self.deviation:.4f} (mean and standard deviation of {values}); the shipped weights have {own:.4f}"
        )


def seed_spread(trials: Sequence[FrozenTrial], shipped: FrozenTrial) -> SeedSpread | None:
    """Return the spread of the shipped trial's configuration; None if it was trained once only.

    Args:
        trials: Of the study.
        shipped: The complete trial whose weights are shipped.
    """
    alike = [each for each in trials if each.state is TrialState.COMPLETE and each.params == shipped.params]
    values = {each.number: float(each.value) for each in alike if each.value is not None}
    return SeedSpread(tuple(values), tuple(values.values()), shipped.number) if len(values) > 1 else None
