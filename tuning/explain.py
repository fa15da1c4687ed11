"""`python -m tuning.explain --study NAME [--trial K]`: why the study went where it went, as text and as a picture."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from tuning import cli
from tuning.errors import StudyError


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--study", metavar="NAME", required=True, help="Name of the study. Example: --study my-digits")
@click.option("--trial", type=int, metavar="K", default=None, help="One trial in detail. Example: --trial 7")
@cli.storage_option
def explain(study: str, trial: int | None, storage: str | None) -> None:
    """Tell a study as an argument: state, experiment, reaction, next; and draw each lever's measured response."""
    # Optuna and matplotlib: only after the options were parsed
    from tuning.argument import argument, detail, smaller_sentence, text
    from tuning.settings import OBJECTIVES, PICTURES, study_dir
    from tuning.strategy.actions import Goal
    from tuning.study_model import space_of
    from tuning.study_pictures import LEVER_PICTURE, save_lever_picture
    from tuning.study_store import FINGERPRINT, SHIPPED_TRIAL, load_study
    from tuning.trial_attrs import best_of

    root = Path.cwd()
    found = load_study(root, study, storage)
    space = space_of(found)
    objective = OBJECTIVES[found.user_attrs[FINGERPRINT]["objective"]]
    goal = Goal(objective.name, objective.maximize)
    steps = list(argument(found.get_trials(deepcopy=False), space, goal))
    if trial is not None:
        chosen = next((step for step in steps if step.trial.number == trial), None)
        if chosen is None:
            known = ", ".join(str(step.trial.number) for step in steps) or "none yet"
            raise StudyError(f"`--trial` must be a finished trial of {study!r}, got {trial}. Finished trials: {known}.")
        print(detail(chosen))
        return
    print(text(steps) or f"The study {study!r} has no finished trial yet.")
    best = best_of(found)
    if best is not None:
        shipped = found.user_attrs.get(SHIPPED_TRIAL, best.number)
        if smaller := smaller_sentence(found.get_trials(deepcopy=False), space, goal, shipped):
            print(f"\n{smaller}")
    picture = save_lever_picture(study_dir(root, study) / PICTURES / LEVER_PICTURE, steps, goal, study)
    print(f"\nEach lever's measured response: {os.path.relpath(picture)}")


if __name__ == "__main__":
    sys.exit(cli.run(explain))
