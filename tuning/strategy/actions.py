"""What the strategy is asked and what it answers: goal and plan in, the next experiment or the reason to stop out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from search_spaces import Point

# Trials of the confirmation from which on the search itself repeats nothing: on the development tables racing won at 5,
# 10 and 20 trials and lost at 40 and 60 (benchmarks/RESULTS.md).
_LONG_RESERVE = 6

REPEAT = "repeat"  # the only move that proposes a known configuration


class Phase(StrEnum):
    """What the search is doing."""

    CROSS_BORDER = "cross the border"
    BACK_OFF = "back off"
    MODEL = "local model"
    CONFIRM = "confirm"


@dataclass(frozen=True)
class Goal:
    """The objective's name, and its sign where it is maximized (values arrive here as losses)."""

    monitor: str
    maximize: bool = False

    def show(self, loss: float) -> str:
        """A loss in the objective's own terms."""
        return f"{-loss if self.maximize else loss:.4g}"


@dataclass(frozen=True)
class Plan:
    """What a search may spend, and which of its parts are on.

    Args:
        n_trials: Trials that the study is to have in the end; None where that is not known, which leaves out the
            confirmation.
        n_seeds: Seeds on which a better-looking challenger is repeated, >= 1; 1 takes every gain at its word; None
            for two, but one in a long study, whose confirmation repeats what matters.
        n_confirm_seeds: Seeds on which the finalists are compared, >= 1.
        use_model: Whether the local model takes over once there are enough configurations.
        is_timed: Whether the budget is time: the model then weighs what it expects against the seconds it takes.
        seed: Of the few random choices.

    Raises:
        ValueError: If a count is below 1.
    """

    n_trials: int | None = None
    n_seeds: int | None = None
    n_confirm_seeds: int = 3
    use_model: bool = True
    is_timed: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        counts = {"n_seeds": self.n_seeds, "n_confirm_seeds": self.n_confirm_seeds, "n_trials": self.n_trials}
        for name, count in counts.items():
            if count is not None and count < 1:
                raise ValueError(f"`{name}` must be at least 1, got {count}.")

    @property
    def n_reserved(self) -> int:
        """Trials at the end that confirm rather than search: a fifth, in pairs; none of a short study.

        Below 15 trials the search needs them more (measured on recorded tables: benchmarks/RESULTS.md).
        """
        if self.n_trials is None or self.n_trials < 15 or self.n_confirm_seeds == 1:
            return 0
        return self.n_trials // 10 * 2

    @property
    def n_race_seeds(self) -> int:
        """Seeds of the race: short studies cannot afford to follow a lucky run, long ones gain more from exploring."""
        if self.n_seeds is not None:
            return self.n_seeds
        return 1 if self.n_reserved >= _LONG_RESERVE else 2

    @property
    def n_search(self) -> int | None:
        """Trials before the confirmation; None where the number of trials is not known."""
        return None if self.n_trials is None else self.n_trials - self.n_reserved


@dataclass(frozen=True)
class Suggest:
    """Try this configuration next.

    Args:
        point: Configuration in natural coordinates.
        phase: What the search is doing.
        move: The kind of experiment: start, raise capacity, poll, keep going, vertex, pattern, coupled, repeat, ...
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
    """Nothing is left to try, and why."""

    reason: str


Action = Suggest | Stop
