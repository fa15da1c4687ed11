"""Whole studies on real data: ours against TPE from the same start and KerasTuner's tuners, under the same seconds.

    python -m benchmarks.live run --data mnist5k --limit-secs 400     # again until it says that all is done
    python -m benchmarks.live show                                    # the tables, as Markdown

A study of ours has 20 trials; the seconds that it takes are what every other arm gets on the same split. All tune the
levers of `search_spaces.mlp` for the validation loss without its L2 term, for at most 30 epochs a training. Ours and
TPE train with the project's engine, stop rule and pruner; KerasTuner trains as it does, with `fit` and Keras' early
stopping. Each arm's best model by validation, the very weights, is tested once, with Keras' `predict`. The start is
tested as well: the model of ours' first trial.

Results are kept, one line an arm and study, in `benchmarks/.results/live.jsonl`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click
import numpy as np
import optuna

from benchmarks.live_report import live_tables
from benchmarks.results import Results

DATA = ("digits", "mnist5k")
OURS = "ours"
OTHERS = ("TPE + start", "KerasTuner BayesianOptimization", "KerasTuner Hyperband")


@dataclass(frozen=True)
class Cell:
    """One arm of one study; the seed decides split, weights and sampler."""

    data: str
    seed: int
    arm: str


_RESULTS = Results.of("live", Cell)


def cells(data: tuple[str, ...], n_studies: int) -> Iterator[Cell]:
    """All arms of a study, ours first, before the next study."""
    for seed in range(n_studies):
        for name in data:
            yield from (Cell(name, seed, arm) for arm in (OURS, *OTHERS))


def run_cell(cell: Cell, limit_secs: float) -> dict[str, Any]:
    """Search, then test the best model once."""
    from benchmarks import live_arms  # imports TensorFlow
    from tuning.data import load_dataset

    dataset = load_dataset(cell.data, seed=cell.seed, environ=os.environ)
    arms: Mapping[str, Callable[[], live_arms.Searched]] = {
        OURS: lambda: live_arms.ours(dataset, cell.seed),
        OTHERS[0]: lambda: live_arms.tpe_from_start(dataset, cell.seed, limit_secs),
        OTHERS[1]: lambda: live_arms.keras_tuner_arm("BayesianOptimization", dataset, cell.seed, limit_secs),
        OTHERS[2]: lambda: live_arms.keras_tuner_arm("Hyperband", dataset, cell.seed, limit_secs),
    }
    searched = arms[cell.arm]()
    test = dataset.test.open()
    losses, is_wrong = live_arms.tested(searched.best, test)
    result = {
        "secs": round(searched.secs, 2),
        "n_trials": searched.n_trials,
        "params": searched.params,
        "val_loss": searched.val_loss,
        "test_loss": float(losses.mean()),
        "test_error": float(is_wrong.mean()),
    }
    if searched.start is not None:
        start_losses, start_is_wrong = live_arms.tested(searched.start, test)
        gain = start_losses - losses
        result["start"] = {
            "test_loss": float(start_losses.mean()),
            "test_error": float(start_is_wrong.mean()),
            "loss_above_ours": float(gain.mean()),
            "loss_above_ours_stderr": float(gain.std(ddof=1) / np.sqrt(len(gain))),
        }
    return result


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Compare whole studies on real data."""


@main.command()
@click.option("--data", type=click.Choice(DATA), default=None, help="Both by default.")
@click.option("--studies", default=10, show_default=True, help="Of each data set.")
@click.option("--limit-secs", type=float, default=float("inf"), help="Begin nothing that would likely end later.")
def run(data: str | None, studies: int, limit_secs: float) -> None:
    """Run what is missing."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    begun, known = time.monotonic(), _RESULTS.kept()
    missing = [cell for cell in cells((data,) if data else DATA, studies) if cell not in known]
    longest = 0.0
    for n_done, cell in enumerate(missing):
        cell_begun = time.monotonic()
        if cell_begun - begun + longest > limit_secs:
            click.echo(f"{len(missing) - n_done} of {len(missing)} are left: run it again")
            return
        ours = known.get(Cell(cell.data, cell.seed, OURS), {})
        known[cell] = run_cell(cell, ours.get("secs", float("inf")))
        _RESULTS.keep(cell, known[cell])
        longest = max(longest, time.monotonic() - cell_begun)
        click.echo(f"{cell}: {known[cell]}")
    click.echo("all is done")


@main.command()
def show() -> None:
    """Print the tables as Markdown."""
    known = _RESULTS.kept()
    for data in DATA:
        seeds = sorted({cell.seed for cell in known if cell.data == data})
        whole = [seed for seed in seeds if all(Cell(data, seed, arm) in known for arm in (OURS, *OTHERS))]
        rows = {arm: [known[Cell(data, seed, arm)] for seed in whole] for arm in (OURS, *OTHERS)}
        click.echo(f"{data}, {len(whole)} studies\n\n{live_tables(rows)}\n")


if __name__ == "__main__":
    sys.exit(main())
