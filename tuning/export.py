"""`python -m tuning.export --study NAME`: export the best model of a study again, at any time."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from tuning import cli
from tuning.errors import StudyError


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--study", required=True, metavar="NAME", help="Name of the study. Example: --study my-digits")
@click.option(
    "--data",
    metavar="NAME|FILE.npz",
    default=None,
    show_default="the data set the study was run on",
    help="Where the study's data is now, if it was a file that moved. Example: --data my.npz",
)
@cli.storage_option
@cli.export_dir_option
def export(study: str, data: str | None, storage: str | None, export_dir: Path | None) -> None:
    """Export the best model of a study: model.keras and saved_model/, raw inputs in, probabilities out."""
    root = Path.cwd()
    target = (export_dir or root / "exports" / study).absolute()
    exported = export_best(root, study, data, storage, target)
    print(f"Exported the best model of {study} to {os.path.relpath(target)}: {', '.join(exported)}")


def export_best(root: Path, name: str, data: str | None, storage: str | None, target: Path) -> tuple[str, ...]:
    """Load a study's best weights and export them; returns the names of the files.

    Raises:
        SearchError: If the study, its data or its weights are not there, or the target is not ours to replace.
    """
    from tuning.study_store import (  # Optuna: only after the options were parsed
        DATA_ARGUMENT,
        FINGERPRINT,
        SHIPPED_TRIAL,
        load_study,
    )

    found = load_study(root, name, storage)
    if not any(trial.state.name == "COMPLETE" for trial in found.get_trials(deepcopy=False)):
        raise StudyError(f"The study {name!r} has no complete trial yet: resume it with `python -m tuning.search`.")
    fingerprint = found.user_attrs[FINGERPRINT]

    from tuning.data import load_dataset

    dataset = load_dataset(data or found.user_attrs[DATA_ARGUMENT], seed=fingerprint["seed"], environ=os.environ)
    if dataset.digest != fingerprint["data digest"]:
        raise StudyError(f"The study {name!r} was run on other data than {dataset.source}: name its data with --data.")

    cli.import_tensorflow()
    from tuning.evaluation.calibration import fit_temperature
    from tuning.export_target import TEMPERATURE, check_target
    from tuning.exporting import export_model
    from tuning.likeness import likeness_of
    from tuning.networks import best_model, keras_logits
    from tuning.settings import study_dir
    from tuning.weights import WeightStore

    check_target(target)
    number = found.user_attrs.get(SHIPPED_TRIAL, found.best_trial.number)  # before the study's end: the best so far
    best = found.get_trials(deepcopy=False)[number]
    model = best_model(dataset, best.params, fingerprint["seed"])
    WeightStore(study_dir(root, name) / "weights").load(best.number, model)
    validation = dataset.validation
    temperature = fit_temperature(keras_logits(model)(validation.inputs), validation.labels)
    about = {"study": name, "trial": best.number, "params": best.params, "data_sha256": dataset.digest}
    about[TEMPERATURE] = temperature
    return export_model(model, target, validation.inputs[:1000], about, likeness_of(dataset)).files


if __name__ == "__main__":
    sys.exit(cli.run(export))
