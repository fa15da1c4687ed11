"""`python -m tuning.export --study NAME`: a trial's model as files that are used without this project."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from tuning import cli
from tuning.data import Dataset, load_dataset
from tuning.errors import SettingsError, StudyError
from tuning.export.formats import DEFAULT_FORMATS, FORMAT_NAMES, check_packages, formats_of
from tuning.export.options import DEFAULT_SEEDS, MAX_SEEDS, check_order
from tuning.task import Task


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--study", metavar="NAME", default=None, help="Name of the study. Example: --study my-digits")
@click.option(
    "--trial",
    type=int,
    metavar="K",
    default=None,
    show_default="the best one, confirmed at the study's end",
    help="Another trial. Example: --trial 7",
)
@click.option("--smallest", is_flag=True, help="The smallest network that is not worse by 10 %. Example: --smallest")
@click.option("--run", metavar="ID", default=None, help="The trial of an MLflow run. Example: --run 4d3aef20c1b84e0f")
@click.option(
    "--format",
    "names",
    metavar=FORMAT_NAMES,
    default=",".join(each.name for each in DEFAULT_FORMATS),
    help="File formats. Example: --format keras,tflite,onnx",
)
@click.option(
    "--quantize", is_flag=True, help="Also TFLite with weights in 8 bits. Example: --format tflite --quantize"
)
@click.option("--logits", is_flag=True, help="Raw logits instead of calibrated probabilities. Example: --logits")
@click.option("--force", is_flag=True, help="Replace an earlier export. Example: --force")
@click.option(
    "--final-fit",
    "n_seeds",
    metavar="[SEEDS]",
    type=click.IntRange(1, MAX_SEEDS),
    is_flag=False,
    flag_value=DEFAULT_SEEDS,
    default=None,
    show_default="the trial's own weights",
    help=f"Train it once more, on train and validation together; {DEFAULT_SEEDS} seeds, or: --final-fit 5",
)
@click.option(
    "--register",
    "register_as",
    metavar="[NAME]",
    is_flag=False,
    flag_value="",
    default=None,
    show_default="not registered",
    help="Register it in MLflow as EXPERIMENT-DATA, or under a name. Example: --register my-model",
)
@click.option(
    "--data",
    type=cli.path_text,
    metavar="NAME|FILE.npz",
    default=None,
    show_default="the data set the study was run on",
    help="Where the study's data is now, if it was a file that moved. Example: --data my.npz",
)
@cli.storage_option
@click.option(
    "--tracking-uri",
    metavar="URI",
    default=None,
    show_default="mlflow.db here, or where the study was mirrored",
    help="MLflow store of --run and --register. Example: --tracking-uri http://127.0.0.1:5000",
)
@click.option(
    "--export-dir",
    type=cli.path,
    metavar="FOLDER",
    default=None,
    show_default="exports/STUDY, or exports/STUDY-trial-K",
    help="Folder of the exported model. Example: --export-dir best-model",
)
def export(
    study: str | None,
    trial: int | None,
    smallest: bool,
    run: str | None,
    names: str,
    quantize: bool,
    logits: bool,
    force: bool,
    n_seeds: int | None,
    register_as: str | None,
    data: str | None,
    storage: str | None,
    tracking_uri: str | None,
    export_dir: Path | None,
) -> None:
    """Export a trial's model: raw inputs in, calibrated probabilities out, each file read back and compared."""
    formats = formats_of(names, quantize=quantize)
    check_packages(formats)
    check_order(logits, register_as)
    root = Path.cwd()
    if (trial is not None) + smallest + (run is not None) > 1:
        raise SettingsError("`--trial`, `--smallest` and `--run` each name a trial: give one of them.")
    if run is not None:
        from tuning.tracking.lookup import find_trial  # MLflow takes seconds to import

        study, trial = find_trial(root, tracking_uri, run, study)
    if study is None:
        raise SettingsError("`--study` must name a study, or `--run` an MLflow run of one.")

    from tuning.export.choice import chosen_trial  # Optuna: only after the options were parsed
    from tuning.export.target import check_target
    from tuning.settings import study_dir
    from tuning.study_store import DATA_ARGUMENT, SHIPPED_TRIAL, fingerprint_of, load_study

    found = load_study(root, study, storage)
    fingerprint = fingerprint_of(found)
    chosen = chosen_trial(found, trial, smallest=smallest)
    is_shipped = chosen.number == found.user_attrs.get(SHIPPED_TRIAL, chosen.number)
    folder_name = (study if is_shipped else f"{study}-trial-{chosen.number}") + ("-final-fit" if n_seeds else "")
    target = (export_dir or root / "exports" / folder_name).absolute()
    check_target(target, force=force)
    dataset = _dataset(data or found.user_attrs[DATA_ARGUMENT], fingerprint, study)

    cli.import_tensorflow()
    from tuning.export.run import Order, run_export
    from tuning.export.study import Chosen, Wanted

    order = Order(Wanted(formats, logits), n_seeds, register_as, tracking_uri)
    run_export(Chosen(found, chosen, dataset, study_dir(root, study)), target, order, root, click.echo)


def _dataset(name: str, fingerprint: Mapping[str, Any], study: str) -> Dataset:
    told = fingerprint.get("task")
    dataset = load_dataset(name, seed=fingerprint["seed"], environ=os.environ, task=Task(told) if told else None)
    if dataset.digest != fingerprint["data digest"]:
        raise StudyError(f"The study {study!r} was run on other data than {dataset.source}: name its data with --data.")
    return dataset


if __name__ == "__main__":
    sys.exit(cli.run(export))
