"""Roles by the usual names."""

import pytest

from search_spaces import Role
from search_spaces.roles import role_of

NAMES = {
    Role.CAPACITY: "units_0 filters n_neurons hidden_width num_layers depth conv_blocks numHeads embedding_dim",
    Role.REGULARIZATION: "dropout dropout_2 l1 l2 l2_reg weight_decay noise_stddev augmentation label_smoothing "
    "units_dropout embeddingDropout",
    Role.NUISANCE: "lr learning_rate momentum batch_size batchSize warmup_steps",
    None: "activation optimizer batch_norm pooling scale clr",
}


@pytest.mark.parametrize(("name", "role"), [(name, role) for role, names in NAMES.items() for name in names.split()])
def test_usual_names_tell_the_role(name: str, role: Role | None) -> None:
    """The dropout of a layer is regularization; what tells nothing has no role."""
    assert role == role_of(name)
