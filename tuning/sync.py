"""`python -m tuning.sync --study NAME`: send MLflow what it has missed of a study."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from tuning import cli
from tuning.errors import SettingsError, StudyError


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--study", metavar="NAME", required=True, help="Name of the study. Example: --study my-digits")
@cli.storage_option
@click.option(
    "--tracking-uri",
    metavar="URI",
    default=None,
    show_default="the one that the search had",
    help="MLflow store. Example: --tracking-uri http://127.0.0.1:5000",
)
@click.option(
    "--experiment",
    default=None,
    show_default="the one that the search had",
    help="MLflow experiment. Example: --experiment digits",
)
def sync(study: str, storage: str | None, tracking_uri: str | None, experiment: str | None) -> None:
    """Bring MLflow up to date with a study: its trials, its compared models and its result; nothing is sent twice."""
    from tuning.settings import OBJECTIVES, study_dir
    from tuning.study_store import close_killed, load_study, n_counted, others_running
    from tuning.tracking.mirror import PLACE, Place, open_mirror, read_end, shown_links
    from tuning.tracking.store import check
    from tuning.workers import Worker

    root, here = Path.cwd(), Worker.this()
    found = load_study(root, study, storage)
    if PLACE not in found.user_attrs:
        raise StudyError(f"The study {study!r} says nothing of MLflow: resume it with `python -m tuning.search` once.")
    if running := others_running(found, here):
        raise StudyError(f"The study {study!r} runs trial {running[0].number}: its search sends what is missing.")
    place = Place(**found.user_attrs[PLACE])
    place = replace(place, tracking_uri=tracking_uri or place.tracking_uri, experiment=experiment or place.experiment)
    if "***@" in (place.tracking_uri or ""):
        raise SettingsError("`--tracking-uri` must be given, because user names and passwords are not kept in a study.")
    check(place.store(root))
    close_killed(found, here)
    mirror = open_mirror(found, place, OBJECTIVES[place.objective], root)
    mirror.tracker.settle(0)  # look for every trial: somebody may have deleted runs by hand
    end = read_end(study_dir(root, study))
    if end is None or end.metrics["n_trials"] != n_counted(found):
        mirror.catch_up()
        mirror.tracker.end("KILLED")
        print(f"MLflow has all trials of {study}, which has no result yet: resume it with `python -m tuning.search`.")
        return
    print(shown_links(mirror.finish(end, study_dir(root, study)), place.tracking_uri))


if __name__ == "__main__":
    sys.exit(cli.run(sync))
