"""`python -m tuning.search`: overfit, then back off, then compare with the baseline, then export."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from tuning import cli
from tuning.data.sources import KNOWN_NAMES
from tuning.settings import DEFAULT_WORKERS, OBJECTIVES, Settings, check_writable
from tuning.strategy.actions import DEFAULT_SHRINK
from tuning.task import Task

_OBJECTIVE_HELP = "; ".join(f"{o.name}: {o.meaning}, {o.direction}d" for o in OBJECTIVES.values())


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option(
    "--data",
    type=cli.path_text,
    metavar="NAME|FILE.npz|MODULE:LOAD",
    default=None,
    show_default="mnist where it can be had, otherwise mnist5k",
    help=f"{', '.join(KNOWN_NAMES)}, an .npz with x_train, y_train and optionally x_test, y_test, or a function of "
    "yours that returns arrays. Example: --data digits",
)
@click.option(
    "--model",
    metavar="NAME|MODULE:BUILD",
    default=None,
    show_default="mlp for images, tabular for features",
    help="mlp, cnn, tabular, or a model of your own: build(params), a KerasTuner build(hp) or HyperModel. "
    "Example: --model my_model:build",
)
@click.option(
    "--space",
    type=cli.path,
    metavar="FILE.toml",
    default=None,
    help="Levers of your own build(params), with range, scale and role. Example: --space space.toml",
)
@click.option(
    "--role",
    "roles",
    metavar="NAME=ROLE",
    multiple=True,
    help="Correct a lever's role: capacity, regularization, nuisance or none. Example: --role rate=regularization",
)
@click.option(
    "--accept-source",
    is_flag=True,
    help="Resume a study although the source of your model has changed since. Example: --accept-source",
)
@click.option(
    "--study",
    metavar="NAME",
    default=None,
    show_default="a fresh name from date and time",
    help="Name of the study; an existing one is resumed. Example: --study my-digits",
)
@click.option(
    "--trials", "n_trials", type=int, default=20, help="Trials the study is to have in the end. Example: --trials 40"
)
@click.option(
    "--timeout",
    "timeout_secs",
    type=float,
    metavar="SECONDS",
    default=None,
    show_default="no limit",
    help="Start no trial later than this. Example: --timeout 600",
)
@click.option(
    "--target",
    type=float,
    metavar="VALUE",
    default=None,
    show_default="none",
    help="Stop once the objective reaches this value. Example: --target 0.05",
)
@click.option(
    "--shrink",
    type=float,
    metavar="SHARE",
    default=None,
    is_flag=False,
    flag_value=DEFAULT_SHRINK,
    show_default="off",
    help="Spend the last tenth of the trials on the smallest network that is worse than the best by less than this "
    "share of its value, a tenth if none is given; it is reported beside the best. Example: --shrink 0.05",
)
@click.option("--epochs", "max_epochs", type=int, default=30, help="Maximum per trial. Example: --epochs 50")
@click.option("--seed", type=int, default=0, help="Of split, weights, order and dropout. Example: --seed 7")
@click.option(
    "--task",
    metavar="NAME",
    default=None,
    show_default="what the labels say: whole numbers are classes, rows of 0 and 1 labels, fractions a regression",
    help="multiclass, binary (one logit), multilabel or regression. Example: --task regression",
)
@click.option("--objective", default="val_loss", help=f"{_OBJECTIVE_HELP}. Example: --objective val_accuracy")
@click.option(
    "--baseline",
    type=cli.path_text,
    metavar="HANDLE|PATH",
    default=None,
    show_default="TF-GAN's MNIST classifier from TF Hub, or a stand-in",
    help="Pretrained baseline: a TF Hub handle, the folder of a SavedModel, or stand-in. Example: --baseline stand-in",
)
@cli.storage_option
@click.option("--experiment", default="overfit-backoff", help="MLflow experiment. Example: --experiment digits")
@click.option(
    "--tracking-uri",
    metavar="URI",
    default=None,
    show_default="sqlite:///mlflow.db",
    help="MLflow store. Example: --tracking-uri http://127.0.0.1:5000",
)
@click.option(
    "--tensorboard",
    type=cli.path,
    metavar="DIR",
    default=None,
    show_default="none",
    help="Log directory of TensorBoard: the learning curves of every trial, and a row of HPARAMS. "
    "Example: --tensorboard runs",
)
@cli.export_dir_option
@click.option(
    "--workers",
    "n_workers",
    type=int,
    metavar="N",
    default=DEFAULT_WORKERS,
    help="Processes that train at the same time, each with its share of the cores. Example: --workers 2",
)
@click.option(
    "--batch-size",
    type=int,
    metavar="N",
    default=None,
    show_default="about 400 steps an epoch, 32 to 128",
    help="Examples a step. Example: --batch-size 64",
)
@click.option(
    "--precision",
    metavar="NAME",
    default="auto",
    help="Of matrix products: float32, mixed_bfloat16, or auto for the faster one. Example: --precision float32",
)
@click.option(
    "--trial-timeout",
    "trial_timeout_secs",
    type=float,
    metavar="SECONDS",
    default=None,
    show_default="no limit",
    help="End a trial whose training takes longer; no larger network is tried then. Example: --trial-timeout 300",
)
@click.option(
    "--max-params",
    type=int,
    metavar="N",
    default=None,
    show_default="no limit",
    help="Refuse networks with more weights, before they are built. Example: --max-params 1000000",
)
@click.option(
    "--memory-limit",
    "memory_limit_mb",
    type=int,
    metavar="MB",
    default=None,
    show_default="no limit",
    help="Main memory that a worker may take for its trials; what needs more is out of memory, and no larger network "
    "is tried. Example: --memory-limit 2000",
)
@click.option(
    "--deterministic",
    is_flag=True,
    help="Let TensorFlow compute only what gives the same bits every time, on a GPU too; on a CPU, trials took 7 % "
    "longer. Example: --deterministic",
)
@click.option(
    "--trust",
    is_flag=True,
    help="Load the --baseline from its URL: a SavedModel is a program, which runs with your rights. Example: --trust",
)
@click.option("--quiet", is_flag=True, help="Print the result only. Example: --quiet")
def search(study: str | None, **options: Any) -> None:  # noqa: ANN401 - each named as the setting that it becomes
    """Tune units, layers, dropout and L2 of a Keras network: overfit on purpose, then back off.

    Every trial and the pretrained baseline are logged to MLflow (`mlflow ui` in the same folder shows them), the best
    model is compared with them on a test set that the search never saw, and exported.
    """
    name = f"search-{datetime.now():%Y-%m-%d-%H%M%S}" if study is None else study
    settings = Settings(root=Path.cwd(), study=name, **options)
    check_writable(settings.root)
    from tuning import garbage, processes  # each import is paid only once what comes before it was in order

    processes.warm_up()
    with garbage.held_back():
        from tuning.data import load_dataset

        told = Task(settings.task) if settings.task else None
        dataset = load_dataset(settings.data, seed=settings.seed, environ=os.environ, task=told)
        from tuning.study import run_search

    run_search(settings, dataset)


if __name__ == "__main__":
    sys.exit(cli.run(search))
