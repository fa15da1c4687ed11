"""The engines that can be compared, by name, and what each of them needs. Imports none of their libraries.

| name | what suggests | what trains |
|---|---|---|
| overfit-backoff | this project's sampler | this project's engine |
| tpe, gp, random | Optuna's samplers | this project's engine, with its stop rule and pruner |
| tpe-start, gp-start, random-start | the same, told to begin where overfit-backoff begins | the same |
| kt-bayesian, kt-hyperband, kt-random | KerasTuner's tuners | Keras' `fit`, with this project's stop rule |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler

from search_spaces import SearchSpace
from tuning.compare.budget import Budget
from tuning.errors import SettingsError
from tuning.sampler import OverfitBackoffSampler
from tuning.strategy.actions import Plan

OURS = "overfit-backoff"
_START = "-start"
_SAMPLERS: dict[str, type[TPESampler | GPSampler | RandomSampler]] = {
    "tpe": TPESampler,
    "gp": GPSampler,
    "random": RandomSampler,
}
_TUNERS = {"kt-bayesian": "BayesianOptimization", "kt-hyperband": "Hyperband", "kt-random": "RandomSearch"}
KNOWN = (OURS, *_SAMPLERS, *(f"{name}{_START}" for name in _SAMPLERS), *_TUNERS)

_NEEDS = {"gp": ("torch", "Optuna's Gaussian process", "gp"), "kt": ("tensorboard", "KerasTuner", "compare")}


@dataclass(frozen=True)
class EngineChoice:
    """One engine of a comparison.

    Args:
        name: One of `KNOWN`.
    """

    name: str

    @property
    def tuner(self) -> str | None:
        """The class of KerasTuner that searches; None for a sampler of Optuna."""
        return _TUNERS.get(self.name)

    @property
    def kind(self) -> str:
        """The name without what is said of the start."""
        return self.name.removesuffix(_START)

    @property
    def begins_at_start(self) -> bool:
        """Whether a foreign sampler is told to begin where the space's levers start."""
        return self.name.endswith(_START)

    def reason(self, number: int) -> str:
        """Why a trial of this number is tried; empty for this project's sampler, which gives reasons of its own."""
        if self.name == OURS:
            return ""
        if self.begins_at_start and number == 0:
            return f"it is where {OURS} begins"
        author = f"KerasTuner's {self.tuner}" if self.tuner else f"Optuna's {_SAMPLERS[self.kind].__name__}"
        return f"{author} suggested it"

    def plan(self, budget: Budget, seed: int) -> Plan:
        """How this project's strategy searches: as in `tuning.search`, but for the confirmation, which all share."""
        n_seeds = Plan(n_trials=budget.n_trials).n_race_seeds
        return Plan(n_seeds=n_seeds, is_timed=budget.timeout_secs is not None, seed=seed)

    def sampler(self, space: SearchSpace, budget: Budget, seed: int, monitor: str) -> BaseSampler:
        """The sampler of Optuna; one that suggests nothing in the place of KerasTuner.

        Args:
            space: The levers.
            budget: Of the study.
            seed: Of the sampler.
            monitor: What the objective is called.
        """
        if self.kind == OURS:
            plan = self.plan(budget, seed)
            return OverfitBackoffSampler(space, seed, monitor, n_seeds=plan.n_seeds, is_timed=plan.is_timed)
        return _SAMPLERS.get(self.kind, RandomSampler)(seed=seed)


def engines_of(names: str) -> tuple[EngineChoice, ...]:
    """The engines of `--samplers A,B`, in their order.

    Raises:
        SettingsError: If one is unknown (the known ones are listed), named twice, or its library is not installed.
    """
    given = [name.strip() for name in names.split(",")]
    for name in given:
        if name not in KNOWN:
            raise SettingsError(f"`--samplers` must be a list of {', '.join(KNOWN)}, got {name!r}.")
    if len(set(given)) < len(given):
        raise SettingsError(f"`--samplers` must name each engine once, got {names}.")
    _check_installed(given)
    return tuple(map(EngineChoice, given))


def _check_installed(names: Sequence[str]) -> None:
    for name in names:
        package, what, extra = _NEEDS.get(name.partition("-")[0], ("", "", ""))
        if package and find_spec(package) is None:
            how = f'pip install "overfit-backoff[{extra}]"'
            raise SettingsError(f"`--samplers {name}`: {what} needs {package}, which is not installed: {how}.")
