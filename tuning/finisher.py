"""Of several processes that ran a study to its end, one compares and exports: so that the test set is opened once.

It has to have the weights of the best trial, which lie on the machine that trained it. Where several have them (they
share a folder, or a machine), the first to say so does it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from optuna.study import Study

from tuning.study_store import is_others, n_counted
from tuning.weights import WeightStore
from tuning.workers import WORKER, Worker, is_gone, is_other

FINISHER = "finisher"  # user attribute of a study: the worker that compares and exports, and after how many trials

# Two that say so at the same moment see each other after this long: a storage that takes longer is not usable anyway.
_SETTLING_SECS = 1.0


def left_to_another(
    study: Study, best: int, weights: WeightStore, sleep: Callable[[float], None] = time.sleep
) -> str | None:
    """Who else compares and exports this study, in a sentence; None if this process is to do it.

    Args:
        study: It has come to its end.
        best: Number of its best trial.
        weights: The weights on this machine.
        sleep: Waits some seconds.
    """
    here, trials = Worker.this(), study.get_trials(deepcopy=False)
    if all(not is_others(trial, here) or is_gone(trial.user_attrs.get(WORKER), here) for trial in trials):
        return None
    trained_by = trials[best].user_attrs.get(WORKER)
    if not weights.has(best) and is_other(trained_by, here) and not is_gone(trained_by, here):
        host = "another machine" if trained_by is None else trained_by["host"]
        return (
            f"The study is complete. Its best trial, {best}, has its weights on {host}, which compares and exports: "
            "if its search was ended there, start it again there with the same command."
        )
    return _claimed(study, here, sleep)


def _claimed(study: Study, here: Worker, sleep: Callable[[float], None]) -> str | None:
    n_trials = n_counted(study)
    for has_claimed in (False, True):
        claim = study.user_attrs.get(FINISHER, {})
        worker = claim.get("worker")
        is_free = claim.get("n_trials") != n_trials or is_gone(worker, here)
        if not is_free and is_other(worker, here):
            return (
                f"The study is complete. Process {worker['pid']} on {worker['host']} compares and exports: if it was "
                "ended, start it again there with the same command."
            )
        if not has_claimed:
            study.set_user_attr(FINISHER, {"worker": here.as_attr(), "n_trials": n_trials})
            sleep(_SETTLING_SECS)
    return None
