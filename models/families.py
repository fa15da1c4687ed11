"""The families that ship, by name. The names alone, without Keras: `search_spaces.SPACES`."""

from __future__ import annotations

from models.cnn import cnn_family
from models.family import Family
from models.mlp import mlp_family
from models.tabular import tabular_family

_FAMILIES = {family().name: family for family in (mlp_family, cnn_family, tabular_family)}


def family_named(name: str) -> Family:
    """The family of a name.

    Raises:
        KeyError: If there is none; `search_spaces.SPACES` holds the names.
    """
    return _FAMILIES[name]()
