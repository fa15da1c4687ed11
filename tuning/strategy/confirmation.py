"""The last phase: the few best configurations and the start on the same seeds, so that luck is not shipped.

The reserve of the budget completes the seeds of the configurations that the search ranks highest, and of the start:
tuning that does not beat its own start by more than the noise has found nothing ("overtuning", Schneider et al. 2025).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tuning.strategy.evidence import Configuration
from tuning.strategy.racing import Race


@dataclass(frozen=True)
class Leader:
    """The configuration to ship, and why."""

    configuration: Configuration
    why: str


def missing_runs(finalists: Sequence[Configuration], n_seeds: int) -> Iterator[tuple[Configuration, int]]:
    """The runs that the finalists (best first, the start last) lack; the start comes third, before the other ones."""
    *ranked, start = finalists
    for each in dict.fromkeys((*ranked[:2], start, *ranked[2:])):
        yield from ((each, seed) for seed in range(n_seeds) if seed not in each.seeds)


def confirmed_leader(found: Sequence[Configuration], n_seeds: int, race: Race) -> Leader | None:
    """The best mean of the configurations that ran on all seeds; None where no two have.

    The start is shipped unless one has a better mean. Demanding a gain beyond the noise here costs more than it saves
    (benchmarks/RESULTS.md), so that is said, but does not decide.
    """
    full = [each for each in found if len(each.losses) >= n_seeds]
    if len(full) < 2:
        return None
    start, best = found[0], min(full, key=lambda each: each.loss)
    if start not in full or best is start:
        return Leader(best, f"the best mean of {len(full)} configurations over {n_seeds} seeds")
    response = race.measure(start, best)
    if response.improvement <= 0:
        return Leader(start, f"nothing has a better mean over {n_seeds} seeds than the start")
    beyond = "beyond the noise" if response.reaction.is_gain else "but not beyond the noise"
    return Leader(best, f"better than the start over {n_seeds} seeds, {beyond} (z = {response.z:+.2f})")
