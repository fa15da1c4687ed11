"""What the strategy is asked and what it answers: goal and plan in, the next experiment or the reason to stop out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from search_spaces import Point

# Trials of the confirmation from which on the search itself repeats nothing: on the development tables racing won at 5,
# 10 and 20 trials and lost at 40 and 60 (benchmarks/RESULTS.md).
_LONG_RESERVE = 6

_LONGEST_RESERVE = 30  # ten finalists on three seeds

DEFAULT_SHRINK = 0.1  # share of the best loss that a smaller network may lose

REPEAT = "repeat"  # the only move that proposes a known configuration


class Phase(StrEnum):
    """What the search is doing."""

    CROSS_BORDER = "cross the border"
    BACK_OFF = "back off"
    MODEL = "local model"
    CONFIRM = "confirm"
    SHRINK = "shrink"


@dataclass(frozen=True)
class Goal:
    """The objective's name, and its sign where it is maximized (values arrive here as losses)."""

    monitor: str
    maximize: bool = False

    def show(self, loss: float) -> str:
        """A loss in the objective's own terms."""
        return f"{-loss if self.maximize else loss:.4g}"

    def share(self, margin: float, loss: float) -> float:
        """A margin as a difference of losses: that share of the loss, or of an accuracy's error."""
        value = -loss if self.maximize else loss
        return margin * (1.0 - value if self.maximize and 0.0 <= value <= 1.0 else abs(value))


@dataclass(frozen=True)
class Plan:
    """What a search may spend, and which of its parts are on.

    Args:
        n_trials: Trials that the study is to have in the end; None where that is not known, which leaves out the
            confirmation.
        n_seeds: Seeds on which a better-looking challenger is repeated, >= 1; 1 takes every gain at its word; None
            for two, but one in a long study, whose confirmation repeats what matters.
        n_confirm_seeds: Seeds on which the finalists are compared, >= 1.
        use_model: Whether the local model takes over once the back-off gains nothing more.
        is_timed: Whether the budget is time: what a move may gain is then weighed against the seconds it takes.
        seed: Of the few random choices.
        target: Loss at which the search ends; None for none.
        shrink: Share of the best loss that the smallest network reported may lose, > 0: the last tenth of the trials,
            or without `n_trials` those after the search, look for it. None spends nothing on it.

    Raises:
        ValueError: If a count is below 1, or `shrink` is not positive and finite.
    """

    n_trials: int | None = None
    n_seeds: int | None = None
    n_confirm_seeds: int = 3
    use_model: bool = True
    is_timed: bool = False
    seed: int = 0
    target: float | None = None
    shrink: float | None = None

    def __post_init__(self) -> None:
        if self.shrink is not None and not 0 < self.shrink < math.inf:
            raise ValueError(f"`shrink` must be a positive share of the loss, got {self.shrink}.")
        counts = {"n_seeds": self.n_seeds, "n_confirm_seeds": self.n_confirm_seeds, "n_trials": self.n_trials}
        for name, count in counts.items():
            if count is not None and count < 1:
                raise ValueError(f"`{name}` must be at least 1, got {count}.")

    @property
    def n_reserved(self) -> int:
        """Trials at the end that confirm rather than search, at most: a fifth, in pairs, 30; none of a short study.

        Below 15 trials the search needs them more (measured on recorded tables: benchmarks/RESULTS.md).
        """
        if self.n_trials is None or self.n_trials < 15 or self.n_confirm_seeds == 1:
            return 0
        return min(self.n_trials // 10 * 2, _LONGEST_RESERVE)

    @property
    def n_race_seeds(self) -> int:
        """Seeds of the race: short studies cannot afford to follow a lucky run, long ones gain more from exploring."""
        if self.n_seeds is not None:
            return self.n_seeds
        return 1 if self.n_reserved >= _LONG_RESERVE else 2

    @property
    def n_shrink(self) -> int:
        """Trials at the very end that look for a smaller network."""
        return 0 if self.n_trials is None or self.shrink is None else max(1, self.n_trials // 10)

    @property
    def n_to_confirm(self) -> int | None:
        """Trials up to the end of the confirmation; None where the number of trials is not known."""
        return None if self.n_trials is None else self.n_trials - self.n_shrink

    @property
    def n_search(self) -> int | None:
        """Trials before the confirmation may begin; None where the number of trials is not known."""
        return None if self.n_to_confirm is None else self.n_to_confirm - self.n_reserved


@dataclass(frozen=True)
class Suggest:
    """Try this configuration next.

    Args:
        point: Configuration in natural coordinates.
        phase: What the search is doing.
        move: The kind of experiment: start, raise capacity, poll, keep going, vertex, pattern, coupled, repeat,
            smaller, ...
        base: Number of the trial from which this is an experiment; None for the first.
        reason: What the last experiment showed and why this one follows, in words and numbers. It names no trial
            numbers: a killed and retried trial shifts them and must change nothing else.
        seed_index: Which seed of the study's list to train with.
    """

    point: Point
    phase: Phase
    move: str
    base: int | None
    reason: str
    seed_index: int = 0


@dataclass(frozen=True)
class Stop:
    """The search ends by itself, and why: target reached, nothing left to try, no gain beyond the noise."""

    reason: str


Action = Suggest | Stop
