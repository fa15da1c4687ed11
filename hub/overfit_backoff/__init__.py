"""OverfitBackoffSampler for OptunaHub: start from a network that overfits, then back off by levers with roles.

In the project's repository this file imports the project; `python -m hub.build` puts the imported files beside it.
"""

from search_spaces import Lever, Role, Scale, SearchSpace, choice
from tuning.history_fit import diagnose_history
from tuning.sampler import OverfitBackoffSampler
from tuning.trial_attrs import CROSSED_BORDER, FIT_STATE, VALUE_STDERR, seed_index

__all__ = [
    "CROSSED_BORDER",
    "FIT_STATE",
    "VALUE_STDERR",
    "Lever",
    "OverfitBackoffSampler",
    "Role",
    "Scale",
    "SearchSpace",
    "choice",
    "diagnose_history",
    "seed_index",
]
