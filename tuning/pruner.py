"""`CatchUpPruner`: end a trial of the back-off whose learning curve cannot catch up with the best trial's.

A learning curve flattens as it falls, so going on at its recent pace is more than it will do. A trial is pruned when
even that pace, kept up to the last epoch, would leave it above the best value by more than the noise. Trials of phase
1 are never pruned, since they are there to overfit, not to win; nor are repeats.
"""

from __future__ import annotations

from collections.abc import Sequence

from optuna.pruners import BasePruner
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from tuning.strategy.actions import REPEAT, Phase
from tuning.trial_attrs import VALUE_STDERR, decision_of, is_maximized

_PACE_EPOCHS = 3
_MIN_EPOCHS = 5
_N_STDERRS = 2.0  # of the best trial's value, unpaired: more than the noise between two curves


class CatchUpPruner(BasePruner):
    """Prune what cannot win; stateless, so it resumes and parallelises like the sampler.

    Args:
        max_epochs: The last epoch a trial could reach.
    """

    def __init__(self, max_epochs: int) -> None:
        self._max_epochs = max_epochs

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether the trial's reported values cannot catch up with the best complete trial's value."""
        decision = decision_of(trial)
        # A repeat is there for its value: pruned, it would leave the configuration with its lucky runs alone.
        if decision.get("phase") not in (Phase.BACK_OFF, Phase.MODEL) or decision.get("move") == REPEAT:
            return False
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if not complete:
            return False
        sign = -1.0 if is_maximized(study) else 1.0
        best = min(complete, key=lambda other: sign * float(other.value or 0.0))
        values = [sign * trial.intermediate_values[step] for step in sorted(trial.intermediate_values)]
        margin = _N_STDERRS * float(best.user_attrs.get(VALUE_STDERR, 0.0))
        return not can_catch_up(values, sign * float(best.value or 0.0) + margin, self._max_epochs)


def can_catch_up(values: Sequence[float], target: float, max_epochs: int) -> bool:
    """Whether a curve (to be minimised, one value an epoch) can reach `target` by `max_epochs` at its recent pace."""
    n_epochs = len(values)
    if n_epochs < _MIN_EPOCHS or n_epochs >= max_epochs:
        return True
    lowest = min(values)
    pace = (min(values[:-_PACE_EPOCHS]) - lowest) / _PACE_EPOCHS
    return lowest - pace * (max_epochs - n_epochs) <= target
