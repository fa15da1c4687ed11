"""Search spaces: ordered levers, each with a range, a scale and a role that gives every move its sign.

>>> from search_spaces import mlp_space
>>> mlp_space().start()
{'units': 256, 'layers': 2, 'dropout': 0.0, 'l2': 0.0, 'learning_rate_scale': 1.0}
"""

from search_spaces.cnn import cnn_space
from search_spaces.lever import Lever, Role, Scale, Value, choice, shown
from search_spaces.mlp import learning_rate, mlp_space
from search_spaces.space import Params, Point, SearchSpace
from search_spaces.tabular import tabular_space

SPACES = {"mlp": mlp_space, "cnn": cnn_space, "tabular": tabular_space}
"""The spaces of the families in `models/`, by name."""

__all__ = [
    "Lever",
    "SPACES",
    "Params",
    "Point",
    "Role",
    "Scale",
    "SearchSpace",
    "Value",
    "choice",
    "learning_rate",
    "mlp_space",
    "shown",
]
