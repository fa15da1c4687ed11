"""`CatchUpPruner`: end a trial whose learning curve cannot catch up with the best trial's. The rule in Optuna's words.

>>> import optuna
>>> study = optuna.create_study(pruner=CatchUpPruner(max_epochs=30))

The rule itself is `tuning/strategy/catch_up.py`. Trials of phase 1 are never pruned, since they are there to overfit,
not to win; nor are repeats, nor smaller networks, which need not win. A study without phases is pruned from its first
complete trial on.
"""

from __future__ import annotations

import math

from optuna.pruners import BasePruner
from optuna.study import Study
from optuna.trial import FrozenTrial

from tuning.strategy.actions import REPEAT, Phase
from tuning.strategy.catch_up import MIN_EPOCHS, Incumbent, Verdict, judge
from tuning.trial_attrs import VALUE_STDERR, best_of, decision_of, is_maximized

_N_REMEMBERED = 64  # trials that run at the same time, at most


class CatchUpPruner(BasePruner):
    """Prune what cannot win; what it remembers of running trials follows from the history, so it resumes exactly.

    Args:
        max_epochs: How many values a trial reports at most, one an epoch, >= 1.

    Raises:
        ValueError: If `max_epochs` is out of its range.
    """

    def __init__(self, max_epochs: int) -> None:
        if max_epochs < 1:
            raise ValueError(f"`max_epochs` must be >= 1, got {max_epochs}.")
        self._max_epochs = max_epochs
        self._incumbents: dict[tuple[str, int], Incumbent] = {}

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether the trial's reported values cannot catch up with the best complete trial's."""
        verdict = self.verdict(study, trial)
        return verdict is not None and not verdict.can_catch_up

    def verdict(self, study: Study, trial: FrozenTrial) -> Verdict | None:
        """What the trial's reported values say; None where nothing can be said yet, or the trial is not judged.

        Raises:
            RuntimeError: If the study has more than one objective.
        """
        # The cheap questions first: this runs after every epoch.
        if not MIN_EPOCHS <= len(trial.intermediate_values) < self._max_epochs:
            return None
        decision = decision_of(trial)
        # A repeat is there for its value: pruned, it would leave the configuration with its lucky runs alone.
        if decision.get("phase") in (Phase.CROSS_BORDER, Phase.SHRINK) or decision.get("move") == REPEAT:
            return None
        maximize = is_maximized(study)
        incumbent = self._incumbent_of(study, trial)
        if incumbent is None:
            return None
        return judge(_losses(trial, maximize), incumbent, self._max_epochs, maximize=maximize)

    def _incumbent_of(self, study: Study, trial: FrozenTrial) -> Incumbent | None:
        """The best trial when this one is judged for the first time; one that ends meanwhile has no say.

        Looking for it goes over all trials: after every epoch, that would be most of what Optuna costs in a long study.
        """
        key = (study.study_name, trial.number)
        if key not in self._incumbents:
            best = best_of(study)
            if best is None:
                return None
            while len(self._incumbents) >= _N_REMEMBERED:
                del self._incumbents[next(iter(self._incumbents))]
            self._incumbents[key] = _incumbent(best, is_maximized(study))
        return self._incumbents[key]


def _incumbent(best: FrozenTrial, maximize: bool) -> Incumbent:
    value, stderr = float(best.value or 0.0), float(best.user_attrs.get(VALUE_STDERR, 0.0))
    known = stderr if 0 <= stderr < math.inf else 0.0
    return Incumbent(_losses(best, maximize), -value if maximize else value, known)


def _losses(trial: FrozenTrial, maximize: bool) -> tuple[float, ...]:
    """The reported values in order, to be minimised."""
    sign = -1.0 if maximize else 1.0
    return tuple(sign * trial.intermediate_values[step] for step in sorted(trial.intermediate_values))
