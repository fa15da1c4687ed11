"""Bad input in bulk: some cases of each kind; `python -m benchmarks.fuzz` runs a hundred thousand."""

import pytest

from benchmarks.fuzz import TARGETS, fuzz


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_bad_input_is_one_line_and_nothing_else(target: str) -> None:
    """No traceback, no hang, no password, no file touched; the same cases every time."""
    assert 40 <= fuzz(target, 40)
