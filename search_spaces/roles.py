"""Roles by the usual names: what `dense_units_2` or `dropout_rate` is, without being told.

>>> role_of("dense_units_2"), role_of("dropout_rate"), role_of("batchSize"), role_of("activation")
(<Role.CAPACITY: 'capacity'>, <Role.REGULARIZATION: 'regularization'>, <Role.NUISANCE: 'nuisance'>, None)
"""

from __future__ import annotations

import re

from search_spaces.lever import Role

# In this order: the dropout of a layer is no layer, the warm-up of a learning rate is nuisance whatever it is called.
_WORDS = {
    Role.REGULARIZATION: (
        r"dropout|drop_rate|l1|l2|weight_?decay|noise|augment|augmentation|label_smoothing|smoothing|"
        r"reg|regularizer|regularization|mixup|cutmix"
    ),
    Role.NUISANCE: r"learning_rate|lr|momentum|batch_?size|warm_?up",
    Role.CAPACITY: (
        r"units?|filters?|neurons?|width|layers?|depth|blocks?|heads?|embedding|embed_dim|embedding_dim|hidden|channels"
    ),
}

KNOWN_NAMES = {
    Role.CAPACITY: "units, filters, neurons, width, layers, depth, blocks, heads, embedding, hidden, channels",
    Role.REGULARIZATION: "dropout, l1, l2, weight_decay, noise, augmentation, label_smoothing, regularization",
    Role.NUISANCE: "learning_rate, lr, momentum, batch_size, warmup",
}


def role_of(name: str) -> Role | None:
    """The role that a hyperparameter of this name has usually; None for a name that tells nothing."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", name).lower()
    return next((role for role, known in _WORDS.items() if _names(known, words)), None)


def _names(known: str, words: str) -> bool:
    return re.search(rf"(?<![a-z])(?:{known})(?![a-z])", words) is not None
