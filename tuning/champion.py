"""Is a registered model the next champion? A pure decision: what both kept of the same test examples in, an alias out.

The champion is what `models:/NAME@champion` serves. It is replaced only by a model that a paired comparison on the same
test examples shows to be better: in loss or in accuracy beyond the noise, and worse in neither. Everything else becomes
the challenger, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tuning.evaluation.outcomes import PairedOutcomes, PerExample

CHAMPION, CHALLENGER = "champion", "challenger"  # aliases of registered versions

_BOOTSTRAP_SEED = 0


@dataclass(frozen=True, eq=False)
class Champion:
    """The present champion: its version, and what it kept of its test examples."""

    version: str
    outcomes: PerExample | None


@dataclass(frozen=True)
class Verdict:
    """What a new version becomes.

    Args:
        alias: `CHAMPION` or `CHALLENGER`.
        reason: A clause.
        table: The comparison as a table in markdown; empty where there is none.
    """

    alias: str
    reason: str
    table: str = ""


def verdict(new: PerExample | None, champion: Champion | None) -> Verdict:
    """Decide what a new version becomes.

    Args:
        new: What it kept of its test examples; None if nothing.
        champion: The present champion; None if there is none.
    """
    if champion is None:
        return Verdict(CHAMPION, "there was no champion")
    rival, name = champion.outcomes, f"the champion, version {champion.version},"
    by_hand = "nobody can say which is better, so the alias is yours to set"
    if new is None:
        return Verdict(CHALLENGER, f"its outcomes on the test set were not kept; {by_hand}")
    if rival is None:
        return Verdict(CHALLENGER, f"{name} kept no outcomes on its test set; {by_hand}")
    if new.examples_sha256 != rival.examples_sha256 or len(new.is_wrong) != len(rival.is_wrong):
        return Verdict(CHALLENGER, f"{name} was tested on another test set; {by_hand}")
    paired = PairedOutcomes.of(new, rival, seed=_BOOTSTRAP_SEED)
    table = "\n".join(_table(new, rival, champion.version, paired))
    if paired.is_better:
        return Verdict(CHAMPION, f"it is better than {name} on the same {len(new.losses)} test examples", table)
    found = "it is worse than" if paired.is_worse else "it is not shown to be better than"
    return Verdict(CHALLENGER, f"{found} {name} on the same {len(new.losses)} test examples", table)


def _table(new: PerExample, rival: PerExample, version: str, paired: PairedOutcomes) -> Iterator[str]:
    yield f"| on {len(new.losses)} test examples | this model | version {version} | difference (95 % interval) |"
    yield "|---|---|---|---|"
    low, high = paired.loss_interval.low, paired.loss_interval.high
    yield f"| loss | {new.loss:.4f} | {rival.loss:.4f} | {paired.loss_difference:+.4f} ({low:+.4f} to {high:+.4f}) |"
    if len(new.is_wrong):
        low, high = paired.accuracy_interval.low, paired.accuracy_interval.high
        difference = (
            f"{100 * paired.accuracy_difference:+.2f} points ({100 * low:+.2f} to {100 * high:+.2f}), alone right "
            f"{paired.only_model_right} against {paired.only_rival_right} times, exact McNemar p = {paired.p_value:.2g}"
        )
        yield f"| accuracy | {100 * new.accuracy:.2f} % | {100 * rival.accuracy:.2f} % | {difference} |"
