"""What the options of `python -m tuning.export` may be together. Needs neither TensorFlow nor MLflow."""

from __future__ import annotations

import re

from tuning.errors import SettingsError

DEFAULT_SEEDS = 3  # of a final fit: enough to see how far apart seeds are
MAX_SEEDS = 100


def check_order(logits: bool, register_as: str | None) -> None:
    """Refuse what cannot be registered.

    Args:
        logits: Whether the files are to give raw logits.
        register_as: Name of the registered model, empty for the default; None for not to register.

    Raises:
        SettingsError: If MLflow's registry would refuse the name, or logits would be registered.
    """
    if register_as is None:
        return
    if re.search(r"[/:]", register_as) or (register_as and not register_as.strip()):
        raise SettingsError(f"`--register` must be a name without '/' and ':', got {register_as!r}.")
    if logits:
        raise SettingsError("`--register` is for models that give probabilities: leave --logits out.")
