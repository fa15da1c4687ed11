"""`python -m tuning.compare`: the same model, data, space, budget and confirmation under several engines."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from tuning import cli
from tuning.data.sources import KNOWN_NAMES
from tuning.settings import OBJECTIVES, Settings, check_writable

_DEFAULT = "overfit-backoff,tpe,random,kt-bayesian"
_ENGINES = "overfit-backoff; tpe, gp, random; the same from our start: tpe-start, gp-start, random-start; kt-bayesian, "
_ENGINES += "kt-hyperband, kt-random"


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option(
    "--samplers",
    metavar="A,B,...",
    default=_DEFAULT,
    help=f"Engines, the reference first: {_ENGINES}. Example: --samplers overfit-backoff,tpe",
)
@click.option("--trials", type=int, default=None, show_default="no limit", help="Of each study. Example: --trials 20")
@click.option(
    "--timeout",
    type=float,
    metavar="SECONDS",
    default=None,
    show_default="no limit",
    help="Of each study: no training begins later. Example: --timeout 300",
)
@click.option(
    "--confirm",
    type=int,
    metavar="N",
    default=None,
    show_default="a fifth of 15 trials or more",
    help="Trials of the budget that train the best configurations again, on fresh seeds. Example: --confirm 4",
)
@click.option(
    "--repeats", "n_repeats", type=int, default=1, help="Studies of each engine, with splits and seeds of their own."
)
@click.option(
    "--data",
    type=cli.path_text,
    metavar="NAME|FILE.npz|MODULE:LOAD",
    default=None,
    show_default="as in tuning.search",
    help=f"{', '.join(KNOWN_NAMES)}, an .npz, or a function of yours. Example: --data digits",
)
@click.option(
    "--model",
    metavar="NAME|MODULE:BUILD",
    default=None,
    show_default="as in tuning.search",
    help="mlp, cnn, tabular, or a model of your own, KerasTuner hypermodels too. Example: --model my_model:build",
)
@click.option("--space", type=cli.path, metavar="FILE.toml", default=None, help="As in tuning.search.")
@click.option("--role", "roles", metavar="NAME=ROLE", multiple=True, help="As in tuning.search.")
@click.option("--task", metavar="NAME", default=None, show_default="what the labels say", help="As in tuning.search.")
@click.option("--objective", default="val_loss", help=f"One of {', '.join(OBJECTIVES)}.")
@click.option("--epochs", "max_epochs", type=int, default=30, help="Maximum per trial. Example: --epochs 10")
@click.option("--seed", type=int, default=0, help="Of the first repeat; each further one adds 100. Example: --seed 7")
@click.option(
    "--study",
    metavar="NAME",
    default=None,
    show_default="a fresh name from date and time",
    help="Name of the comparison, with which its studies' names begin; an existing one goes on. Example: --study peers",
)
@cli.storage_option
@click.option("--experiment", default="overfit-backoff-compare", help="MLflow experiment. Example: --experiment peers")
@click.option("--tracking-uri", metavar="URI", default=None, show_default="sqlite:///mlflow.db", help="MLflow store.")
@click.option(
    "--batch-size", type=int, metavar="N", default=None, show_default="as in tuning.search", help="Of a step."
)
@click.option("--quiet", is_flag=True, help="Print the result only.")
def compare(
    samplers: str,
    trials: int | None,
    timeout: float | None,
    confirm: int | None,
    n_repeats: int,
    study: str | None,
    **options: Any,  # noqa: ANN401 - each named as the setting that it becomes
) -> None:
    """Compare engines: every one gets the same model, data, space, seeds and budget, its repeats included.

    The first one is the reference. Each study is logged to MLflow; the test set is opened once for each study, at its
    end. It ends with one table and one picture.
    """
    from tuning.compare.budget import Budget
    from tuning.compare.engines import engines_of
    from tuning.compare.plan import ComparePlan

    name = f"compare-{datetime.now():%Y-%m-%d-%H%M%S}" if study is None else study
    settings = Settings(root=Path.cwd(), study=name, **options)
    plan = ComparePlan(settings, engines_of(samplers), Budget(trials, timeout, confirm), n_repeats)
    plan.study_settings(max(plan.engines, key=lambda engine: len(engine.name)), n_repeats - 1)  # is the name too long?
    check_writable(settings.root)
    from tuning import processes  # each import is paid only once what comes before it was in order

    processes.warm_up()
    from tuning.compare.comparison import run_comparison

    run_comparison(plan)


if __name__ == "__main__":
    sys.exit(cli.run(compare))
