"""What a model kept of its test examples says the same as a comparison that has the examples."""

from pathlib import Path

import numpy as np
import pytest

from tuning.evaluation import compare_paired
from tuning.evaluation.outcomes import OUTCOMES_FILE, PairedOutcomes, PerExample

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 4, 2000)
GOOD = np.eye(4)[LABELS] * 3 + RNG.normal(size=(2000, 4))
WORSE = np.eye(4)[LABELS] * 2 + RNG.normal(size=(2000, 4))


def kept(logits: np.ndarray, temperature: float = 1.0, digest: str = "a") -> PerExample:
    """What a model with these logits keeps."""
    return PerExample.of(logits, LABELS, temperature=temperature, examples_sha256=digest)


def test_it_agrees_with_the_comparison_of_logits() -> None:
    """Accuracies, intervals and p-value are equal; losses up to float32."""
    paired = compare_paired(GOOD, WORSE, LABELS, model_temperature=1.2, baseline_temperature=0.9, seed=3)
    found = PairedOutcomes.of(kept(GOOD, 1.2), kept(WORSE, 0.9), seed=3)
    assert (paired.only_model_right, paired.only_baseline_right) == (found.only_model_right, found.only_rival_right)
    assert (paired.p_value, paired.accuracy_difference_interval) == (found.p_value, found.accuracy_interval)
    assert paired.nll_difference == pytest.approx(found.loss_difference, abs=1e-6)
    assert paired.nll_difference_interval.low == pytest.approx(found.loss_interval.low, abs=1e-5)


def test_better_in_one_and_worse_in_neither_is_better() -> None:
    """A model against a noisier one, against itself, and one that is right as often and less sure."""
    good, worse, unsure = kept(GOOD), kept(WORSE), kept(GOOD, temperature=20.0)
    assert PairedOutcomes.of(good, worse, seed=0).is_better
    assert PairedOutcomes.of(worse, good, seed=0).is_worse
    same = PairedOutcomes.of(good, good, seed=0)
    assert (False, False) == (same.is_better, same.is_worse)
    assert "no difference shown" in same.sentence("it", "itself")
    assert PairedOutcomes.of(good, unsure, seed=0).is_better  # by its loss alone
    against_itself = PairedOutcomes.of(unsure, worse, seed=0)  # more often right, at a higher loss
    assert (False, False) == (against_itself.is_better, against_itself.is_worse)
    assert "better than that in one and worse in the other" in against_itself.sentence("this", "that")


def test_without_right_or_wrong_the_loss_decides() -> None:
    """As in a regression."""
    nothing = np.zeros(0, dtype=np.bool_)
    low, high = (PerExample(RNG.exponential(scale, 500).astype(np.float32), nothing, "a") for scale in (1.0, 2.0))
    assert PairedOutcomes.of(low, high, seed=0).is_better
    assert PairedOutcomes.of(high, low, seed=0).is_worse


def test_a_file_gives_back_what_was_kept_and_a_damaged_one_nothing(tmp_path: Path) -> None:
    """A kilobyte for every two hundred examples."""
    assert PerExample.load(tmp_path) is None
    kept(GOOD).save(tmp_path)
    found = PerExample.load(tmp_path)
    assert found is not None
    np.testing.assert_array_equal(kept(GOOD).losses, found.losses)
    np.testing.assert_array_equal(kept(GOOD).is_wrong, found.is_wrong)
    assert "a" == found.examples_sha256
    path = tmp_path / OUTCOMES_FILE
    assert path.stat().st_size < 10_000
    path.write_bytes(path.read_bytes()[:100])
    assert PerExample.load(tmp_path) is None


def test_other_examples_are_not_compared() -> None:
    """The digest tells."""
    with pytest.raises(ValueError, match="same examples"):
        PairedOutcomes.of(kept(GOOD), kept(GOOD, digest="b"), seed=0)
