"""What the hand-made model and the stand-in reach on full MNIST, by the code that the end of a study runs."""

from pathlib import Path

import pytest

from models.pretrained import load_baseline
from tuning.data import load_dataset
from tuning.engine.training import Engine
from tuning.finalists import baseline_finalist, hand_made_finalist
from tuning.finals import compare


@pytest.mark.slow
def test_hand_made_model_and_stand_in_reach_their_known_scores(full_mnist: Path, tmp_path: Path) -> None:
    """Flatten-Dense(128)-Dense(10) has about 97.5 % and a loss of about 0.09, the stand-in 99.26 %."""
    dataset = load_dataset("mnist", seed=0, environ={"TUNING_MNIST": str(full_mnist)})
    data, train, validation = dataset.for_training, dataset.train, dataset.validation
    engine = Engine(train.inputs, train.labels, validation.inputs, validation.labels)
    stand_in = baseline_finalist(load_baseline("stand-in", cache_dir=tmp_path), data)
    results, paired, _ = compare([stand_in, hand_made_finalist(engine, data, seed=0)], data, dataset.test.open())
    baseline, hand_made = (result.evaluation for result in results)
    assert 10_000 == hand_made.n_examples
    assert hand_made.accuracy == pytest.approx(0.975, abs=0.004)
    assert hand_made.nll == pytest.approx(0.085, abs=0.015)
    assert baseline.accuracy == pytest.approx(0.9926, abs=0.0005)
    assert "is worse than baseline-stand-in" in paired["baseline-stand-in"].sentence(
        "the hand-made", "baseline-stand-in"
    )
