"""What is compared: engines, budget and repeats, and the settings that all studies of a comparison share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tuning.compare.budget import Budget
from tuning.compare.engines import EngineChoice
from tuning.errors import SettingsError
from tuning.settings import Settings

# The seeds of one repeat's trainings are consecutive: those of another one are far away.
_SEEDS_APART = 100
_UNLIMITED = 1_000_000
_MAX_REPEATS = 1000


@dataclass(frozen=True)
class ComparePlan:
    """A comparison.

    Args:
        settings: Of its studies; `study` is the name of the comparison.
        engines: Which are compared; the first one is the reference of the differences.
        budget: What each of them gets for each study.
        n_repeats: Studies of each engine, 1 to 1000; each repeat has a split and seeds of its own, the same for all.

    Raises:
        SettingsError: If `n_repeats` is out of its range.
    """

    settings: Settings
    engines: tuple[EngineChoice, ...]
    budget: Budget
    n_repeats: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.n_repeats <= _MAX_REPEATS:
            raise SettingsError(f"`--repeats` must be from 1 to {_MAX_REPEATS}, got {self.n_repeats}.")

    @property
    def name(self) -> str:
        """Of the comparison."""
        return self.settings.study

    @property
    def folder(self) -> Path:
        """Where the comparison's own files are."""
        return self.settings.root / "mlruns" / "comparisons" / self.name

    def repeat_settings(self, repeat: int) -> Settings:
        """What all studies of a repeat (from 0) share, its seed included."""
        n_trials = self.budget.n_trials or _UNLIMITED
        return replace(self.settings, seed=self.settings.seed + _SEEDS_APART * repeat, n_trials=n_trials)

    def study_settings(self, engine: EngineChoice, repeat: int) -> Settings:
        """Of one study: `NAME-ENGINE-REPEAT`, counted from 1."""
        return replace(self.repeat_settings(repeat), study=f"{self.name}-{engine.name}-{repeat + 1}")

    def facts(self) -> dict[str, Any]:
        """The budget as plain data: studies with another one cannot be compared with these."""
        budget = self.budget
        return {"trials": budget.n_trials, "timeout": budget.timeout_secs, "confirming trials": budget.n_confirm}
