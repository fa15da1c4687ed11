"""What are paired per-example differences worth to the decisions? On a development task, `mnist1k`.

    TUNING_MNIST=mnist.npz python -m benchmarks.paired_examples record --limit-secs 400   # until nothing is left
    python -m benchmarks.paired_examples show

Trains the task's grid again (432 trainings, four minutes of one core) and keeps what each network lost on each of the
1,000 validation examples. Then every move of one rung on one lever is judged on one seed, with that and without: is
what looks like a gain one on the *test* examples, with the two other seeds?
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from benchmarks.arms import record as trial_record
from benchmarks.tables import Replay, Table, load
from tuning.strategy.configuration import Configuration
from tuning.strategy.evidence import Noise
from tuning.strategy.reaction import Reaction, assumed_stderr, measure, paired_stderr, react

NAME = "mnist1k"
_PATH = Path(__file__).with_name(".results") / f"examples-{NAME}.npz"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
def main() -> None:
    """Measure what paired per-example differences are worth."""


@main.command("record")
@click.option("--limit-secs", type=float, default=float("inf"), help="Begin no training later than this.")
def record(limit_secs: float) -> None:
    """Train what is missing of the grid."""
    from benchmarks.curve_tasks import TASKS  # loads TensorFlow
    from benchmarks.curves import Table as Recording
    from benchmarks.curves import Trainer

    deadline, task = time.monotonic() + limit_secs, TASKS[NAME]
    data = task.read(os.environ)
    shape, kept = (*task.grid.shape, 3), _kept()
    losses = kept.get("val_losses", np.full((*shape, len(data.validation)), np.nan, np.float16))
    test = kept.get("test_loss", np.full(shape, np.nan))
    order, trainer = Recording(_PATH.with_suffix(".none"), task.grid, (0, 0, 0, 0)), Trainer(data)
    missing = [place for place in order.missing() if np.isnan(test[place])]
    for n_done, place in enumerate(missing):
        if time.monotonic() > deadline:
            print(f"{len(missing) - n_done} trainings are left: run it again")
            break
        training = trainer.train(order.params(place), place[-1], task.grid.n_epochs)
        losses[place], test[place] = training.val_losses, training.curves[np.argmin(training.curves[:, 2]), 4]
    _PATH.parent.mkdir(exist_ok=True)
    np.savez_compressed(_PATH, val_losses=losses, test_loss=test)


def _kept() -> dict[str, np.ndarray]:
    if not _PATH.exists():
        return {}
    with np.load(_PATH) as file:
        return {name: file[name] for name in file.files}


@main.command("show")
def show() -> None:
    """Print the table as Markdown."""
    kept, table = _kept(), load(NAME)
    table = replace(table, examples=kept["val_losses"].astype(float))
    print("| differences | reaction | moves | better on test, % | mean change of the test loss | z of it |")
    print("|---|---|---|---|---|---|")
    for name, stderr_of in (("unpaired", assumed_stderr), ("paired", paired_stderr)):
        moves = [
            (react(measure(base, moved).improvement / stderr_of(base, moved, Noise(), 1)), truth)
            for base, moved, truth in _moves(table, kept["test_loss"])
        ]
        for reaction in Reaction:
            print(_row(name, reaction, np.array([truth for found, truth in moves if found is reaction])))


def _row(name: str, reaction: Reaction, truths: np.ndarray) -> str:
    if len(truths) < 2:
        return f"| {name} | {reaction} | {len(truths)} | - | - | - |"
    stderr = truths.std(ddof=1) / np.sqrt(len(truths))
    share, mean = 100 * (truths > 0).mean(), truths.mean()
    return f"| {name} | {reaction} | {len(truths)} | {share:.0f} | {-mean:+.4f} | {mean / stderr:+.1f} |"


def _moves(table: Table, test_loss: np.ndarray) -> Iterator[tuple[Configuration, Configuration, float]]:
    """Every move of a rung, both ways, on each seed: before, after, and what the test loss fell by with other seeds."""
    for seed in range(table.n_seeds):
        replay = Replay(table, _order_with_first(table, seed))
        others = [other for other in range(table.n_seeds) if other != seed]
        found = {
            at: Configuration((trial_record(i, tuple(map(float, at)), 0, None, replay),))
            for i, at in enumerate(np.ndindex(table.values.shape[:-1]))
        }
        for at, base in found.items():
            for j in range(len(at)):
                for step in (-1, 1):
                    to = (*at[:j], at[j] + step, *at[j + 1 :])
                    if to in found:
                        fall = test_loss[at][others].mean() - test_loss[to][others].mean()
                        yield base, found[to], float(fall)


def _order_with_first(table: Table, seed: int) -> int:
    """A repetition whose first seed is this one."""
    return next(i for i in range(100) if np.random.default_rng([i, 1]).permutation(table.n_seeds)[0] == seed)


if __name__ == "__main__":
    sys.exit(main())
