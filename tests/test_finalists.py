"""The models that are compared: what is to be known when reading the hand-made one's numbers."""

import re

import pytest

from tuning.data import load_dataset
from tuning.engine.training import Engine
from tuning.finalists import hand_made_finalist

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("mnist5k", r"best of 5 epochs by validation loss"),
        (
            "digits",
            r"best of 5 epochs by validation loss, which still fell by [1-9]\d % in the last one: "
            r"trained for longer it would be better",
        ),
    ],
)
def test_five_epochs_of_few_examples_are_not_called_a_training(name: str, note: str) -> None:
    """They are 36 steps an epoch on the digits, whose hand-made model is no fair rival."""
    data = load_dataset(name, seed=0, environ={}).for_training
    engine = Engine(data.train.inputs, data.train.labels, data.validation.inputs, data.validation.labels)
    assert re.fullmatch(note, hand_made_finalist(engine, data, seed=0).note)
