"""A search space in a TOML file: what it describes, and how a mistake is told."""

import pytest

from search_spaces import Role, Scale
from search_spaces.space_file import SpaceFileError, read_space

GOOD = """
[units]
role = "capacity"
scale = "log2_integer"
range = [16, 256]

[l2]
role = "regularization"
scale = "log10_or_zero"
range = [1e-6, 1e-2]

[activation]
choices = ["relu", "tanh"]
"""


def test_levers_get_sensible_starts_and_steps() -> None:
    """Capacity begins in the middle, regularization at its least, a choice at its first."""
    space = read_space(GOOD, "mine")
    assert {"units": 64, "l2": 0.0, "activation": "relu"} == space.start()
    assert [Role.CAPACITY, Role.REGULARIZATION, None] == [lever.role for lever in space.levers]
    assert [Scale.LOG2_INTEGER, Scale.LOG10_OR_ZERO, Scale.CHOICE] == [lever.scale for lever in space.levers]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('role = "capacity"', 'role = "size"', r"line 3, lever 'units': `role` must be one of capacity, .*'size'"),
        ('"log2_integer"', '"log2"', r"line 4, lever 'units': `scale` must be one of integer, .*got 'log2'"),
        ("range = [16, 256]", "range = [256, 16]", r"line 2, lever 'units': `low < high`"),
        ("range = [16, 256]", "range = 16", r"line 5, lever 'units': `range` must be \[low, high\]"),
        (
            "range = [16, 256]",
            "rnage = [16, 256]",
            r"line 5, lever 'units': 'rnage' is no setting .*known: role, scale",
        ),
        ("range = [16, 256]", "range = [16, 256]\nstart = 999", r"line 2, lever 'units': `start` .* lie in its range"),
        (
            'choices = ["relu", "tanh"]',
            'choices = ["relu"]',
            r"line 12, lever 'activation': `choices` must be at least",
        ),
        ("[units]", "units = 3\n[other]", r"line 2, lever 'units': a lever is a table"),
        ("[units]", "[units", r"it must be TOML: .*line 2"),
    ],
)
def test_a_mistake_is_told_with_line_rule_and_known_words(old: str, new: str, told: str) -> None:
    """Whoever reads the message knows where to look and what to write."""
    with pytest.raises(SpaceFileError, match=told):
        read_space(GOOD.replace(old, new), "mine")


def test_an_empty_file_says_what_it_should_hold() -> None:
    """An empty space searches nothing."""
    with pytest.raises(SpaceFileError, match=r"a table for each lever, such as \[units\]"):
        read_space("", "mine")
