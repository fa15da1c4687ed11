"""The alias goes to what a paired comparison on the same test examples shows to be better, and to nothing else."""

import numpy as np
import pytest

from tuning.champion import Champion, verdict
from tuning.evaluation.outcomes import PerExample


def kept(share_wrong: float, digest: str = "a", seed: int = 0) -> PerExample:
    """A model on 2,000 test examples, wrong where a random number says so."""
    is_wrong = np.random.default_rng(seed).random(2000) < share_wrong
    return PerExample(np.where(is_wrong, 2.0, 0.1).astype(np.float32), is_wrong, digest)


def test_the_first_is_the_champion() -> None:
    """Whether it kept anything or not."""
    assert "champion" == verdict(kept(0.5), None).alias
    assert "champion" == verdict(None, None).alias


def test_a_better_one_takes_the_alias_and_says_by_how_much() -> None:
    """1 % instead of 5 % wrong, in a table with intervals."""
    found = verdict(kept(0.01), Champion("4", kept(0.05)))
    assert "champion" == found.alias
    assert "better than the champion, version 4, on the same 2000 test examples" in found.reason
    assert "| on 2000 test examples | this model | version 4 | difference (95 % interval) |" in found.table
    assert "| loss |" in found.table
    assert "exact McNemar p = " in found.table


@pytest.mark.parametrize(
    ("new", "champion", "words"),
    [
        (kept(0.05), kept(0.05, seed=1), "not shown to be better than the champion, version 1,"),
        (kept(0.05), kept(0.01), "it is worse than the champion, version 1,"),
        (kept(0.01), kept(0.05, digest="b"), "version 1, was tested on another test set"),
        (kept(0.01), None, "version 1, kept no outcomes"),
        (None, kept(0.05), "its outcomes on the test set were not kept"),
    ],
)
def test_everything_else_is_the_challenger_with_the_reason(
    new: PerExample | None, champion: PerExample | None, words: str
) -> None:
    """No better, worse, or not to be compared."""
    found = verdict(new, Champion("1", champion))
    assert "challenger" == found.alias
    assert words in found.reason
    is_compared = new is not None and champion is not None and new.examples_sha256 == champion.examples_sha256
    assert is_compared == bool(found.table)
