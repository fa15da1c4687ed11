"""The collector of cyclic garbage is held back for a while, and only then."""

from __future__ import annotations

import gc

import pytest

from tuning import garbage


def test_it_collects_again_also_after_an_error() -> None:
    """However the block is left."""
    with pytest.raises(ValueError, match="wrong"), garbage.held_back():
        assert not gc.isenabled()
        raise ValueError("wrong")

    assert gc.isenabled()


def test_who_switched_it_off_finds_it_off() -> None:
    """It restores what it found."""
    gc.disable()
    try:
        with garbage.held_back():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
