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


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = " + "[" * 3000, "nested too deeply"),
        ("x = " + "9" * 5000, "must be TOML"),
        ("[units]\nrange = [false, true]", r"`range` must be \[low, high\]"),
        ("[units]\nscale = 'linear'\nrange = [0, 1e400]", "both finite"),
        ("[units]\nscale = 'linear'\nrange = [1, 1" + "0" * 400 + "]", "lever 'units'"),
        ("[units]\nscale = 'integer'\nrange = [0, 2000000]", "more than 1,000,000 steps"),
        ("[units]\nscale = 'linear'\nrange = [0, 1]\nstep = inf", "positive and finite"),
        ("[units]\nscale = 'linear'\nrange = [0, 1]\nfirst_step = nan", "finite, must hold"),
        ("[units]\nchoices = [1, 1979-05-27]", "texts, finite numbers, true or false"),
        ("[units]\nchoices = [1, nan]", "texts, finite numbers, true or false"),
        ("\n".join(f"[u{i}]\nchoices = [1, 2]" for i in range(101)), "at most 100 levers"),
    ],
)
def test_what_no_search_could_use_is_told_at_once(text: str, told: str) -> None:
    """Numbers without an end, grids that fill the memory, text that exhausts the reader."""
    with pytest.raises(SpaceFileError, match=told):
        read_space(text, "mine")
