"""Which trial of a study is exported: the shipped one, a numbered one, or the smallest that is not worse."""

from __future__ import annotations

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from tuning.errors import SettingsError, StudyError
from tuning.settings import OBJECTIVES
from tuning.strategy.actions import DEFAULT_SHRINK, Goal
from tuning.strategy.configuration import configurations_of
from tuning.strategy.policy import smaller_of
from tuning.study_model import space_of
from tuning.study_store import SHIPPED_TRIAL, fingerprint_of
from tuning.trial_attrs import best_of, history_of


def chosen_trial(study: Study, number: int | None, *, smallest: bool) -> FrozenTrial:
    """The trial to export.

    Args:
        study: The study.
        number: A trial's number; None for the shipped one, before the study's end for the best one so far.
        smallest: Whether the smallest network that is not worse than the shipped one is taken.

    Raises:
        StudyError: If the study has no complete trial, or none is smaller and not worse.
        SettingsError: If that trial is not a complete one; the complete ones are listed.
    """
    trials, best = study.get_trials(deepcopy=False), best_of(study)
    if best is None:
        name = study.study_name
        raise StudyError(
            f"The study {name!r} has no complete trial yet: resume it with `python -m tuning.search --study {name}`."
        )
    shipped = int(study.user_attrs.get(SHIPPED_TRIAL, best.number))
    if smallest:
        return trials[_smallest(study, trials, shipped)]
    complete = [trial.number for trial in trials if trial.state is TrialState.COMPLETE]
    wanted = shipped if number is None else number
    if wanted not in complete:
        known = ", ".join(map(str, complete))
        raise SettingsError(
            f"`--trial` must be a complete trial of {study.study_name!r}, got {wanted}. Known: {known}."
        )
    return trials[wanted]


def _smallest(study: Study, trials: list[FrozenTrial], shipped: int) -> int:
    objective = OBJECTIVES[fingerprint_of(study)["objective"]]
    space, goal = space_of(study), Goal(objective.name, objective.maximize)
    history = history_of(trials, space, maximize=goal.maximize)
    found = configurations_of(history.finished)
    best = next(each for each in found if any(run.number == shipped for run in each.runs))
    smaller = smaller_of(history, space, goal, best, DEFAULT_SHRINK)
    if smaller is None:
        raise StudyError(
            f"No trial of {study.study_name!r} is smaller than the shipped trial {shipped} and not worse by "
            f"{100 * DEFAULT_SHRINK:g} %: resume the study with --shrink and more trials, or name one with --trial."
        )
    return smaller.configuration.first_complete
