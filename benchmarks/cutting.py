"""What does cutting save, and does it ever cut a winner? Whole studies replayed on recorded learning curves.

    python -m benchmarks.cutting curves.npz --half held-out

Every study runs twice with the same seed: once with the pruner asked but not obeyed (so that what it would have cut
has its full value beside it), once obeyed. A cut trial is a *winner discarded* if its value would have been the best of
the un-cut study, a *new best discarded* if it would have been better than every complete trial before it.

The rule's constants were chosen on the development half: the configurations whose positions on the grid's axes add up
to an even number, and the starts for which those of units and layers do. Prints Markdown tables.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import optuna
from optuna.pruners import BasePruner, MedianPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from scipy import stats

from benchmarks.recorded import Recording, Replayed, Table, Watched, replay_trial
from search_spaces import SearchSpace
from tuning.engine.stopping import StopRule
from tuning.pruner import CatchUpPruner
from tuning.sampler import OverfitBackoffSampler
from tuning.strategy.catch_up import MIN_EPOCHS, Incumbent, judge
from tuning.strategy.policy import Stop

_ORDERS = (0, 1, 3)  # as they are; layers before units; L2 before dropout
_HALVES = {"development": 0, "held-out": 1}
_GOOD_SHARE = 0.3  # incumbents of the pair table: the best 30 % of the configurations


@dataclass(frozen=True)
class StudyCase:
    """One study to replay."""

    space: SearchSpace
    sampler: Callable[[], BaseSampler]


@dataclass(frozen=True)
class Cutting:
    """What cutting did to one study; seconds are epochs times the configuration's seconds an epoch.

    Args:
        full_secs: Every trial of the un-cut study to the last epoch.
        stopped_secs: As the stop rule ends them.
        cut_secs: As stop rule and pruner end them, on the same trials.
        cut_epochs: At which epoch each cut trial was cut.
        n_trials: Trials of the un-cut study.
        new_best_discarded: Cut trials whose value would have been a new best.
        winner_discarded: Whether the un-cut study's best trial was cut.
        obeyed_secs: Seconds of the study that obeys the pruner, on its own trials.
        change: Relative change of the best value when the pruner is obeyed; below 0 is better.
    """

    full_secs: float
    stopped_secs: float
    cut_secs: float
    cut_epochs: tuple[int, ...]
    n_trials: int
    new_best_discarded: int
    winner_discarded: bool
    obeyed_secs: float
    change: float


@dataclass(frozen=True)
class Replay:
    """How studies are replayed."""

    table: Table
    monitor: str
    n_trials: int
    stop: StopRule

    def run(self, case: StudyCase, pruner: BasePruner) -> list[Replayed]:
        """One study to its end."""
        study = optuna.create_study(sampler=case.sampler(), pruner=pruner)
        sampler, done = study.sampler, []
        while len(done) < self.n_trials:
            if isinstance(sampler, OverfitBackoffSampler) and isinstance(sampler.next_action(study), Stop):
                break
            done.append(replay_trial(study, self.table, case.space, self.monitor, self.stop))
        return done

    def cutting(self, case: StudyCase, new_pruner: Callable[[], BasePruner]) -> Cutting:
        """One study, un-cut and cut."""
        watched = Watched(new_pruner())
        uncut = self.run(case, watched)
        cuts = watched.cut_epochs
        obeyed = self.run(case, new_pruner())
        best = min(uncut, key=lambda trial: trial.value)
        best_value = min(trial.value for trial in obeyed if trial.value is not None)
        return Cutting(
            full_secs=sum(trial.epoch_secs for trial in uncut) * self.table.max_epochs,
            stopped_secs=sum(trial.epoch_secs * trial.epochs for trial in uncut),
            cut_secs=sum(trial.epoch_secs * cuts.get(trial.number, trial.epochs) for trial in uncut),
            cut_epochs=tuple(cuts.values()),
            n_trials=len(uncut),
            new_best_discarded=sum(trial.number in cuts for trial in new_bests(uncut)),
            winner_discarded=best.number in cuts,
            obeyed_secs=sum(trial.epoch_secs * trial.epochs for trial in obeyed),
            change=best_value / best.value - 1,
        )


def new_bests(trials: Sequence[Replayed]) -> Iterator[Replayed]:
    """The trials that were the best so far when they ended."""
    best = float("inf")
    for trial in trials:
        if trial.value < best:
            best = trial.value
            yield trial


def backoff_cases(table: Table, parity: int) -> list[StudyCase]:
    """The project's sampler from every start of one half, in three orders of the levers."""
    starts = itertools.product(enumerate(table.arrays["units"]), enumerate(table.arrays["layers"]))
    chosen = [(int(units), int(layers)) for (i, units), (j, layers) in starts if (i + j) % 2 == parity]
    spaces = [table.space(units, layers, order) for units, layers in chosen for order in _ORDERS]
    return [StudyCase(space, lambda space=space: OverfitBackoffSampler(space)) for space in spaces]


def seeded_cases(table: Table, kind: type[BaseSampler], parity: int, n_studies: int = 20) -> list[StudyCase]:
    """A sampler of Optuna's with seeds of one half: even or odd ones."""
    seeds = range(parity, 2 * n_studies, 2)
    return [StudyCase(table.space(), lambda seed=seed: kind(seed=seed)) for seed in seeds]


def percent(shares: Sequence[float]) -> str:
    """Mean and its 95 % t-interval over the studies, in per cent."""
    values = 100 * np.asarray(shares)
    if np.ptp(values) == 0:
        return f"{values[0]:+.1f} (all)"
    low, high = stats.ttest_1samp(values, 0).confidence_interval()
    return f"{values.mean():.1f} ({low:.1f} to {high:.1f})"


def at_most(n_discarded: int, n: int) -> str:
    """A count with the upper end of its exact 95 % interval."""
    high = stats.binomtest(n_discarded, n).proportion_ci().high
    return f"{n_discarded} of {n} (at most {100 * high:.0f} %)"


def study_row(name: str, found: Sequence[Cutting]) -> str:
    """The table's row of one sampler with one pruner."""
    epochs = [epoch for each in found for epoch in each.cut_epochs]
    cells = [
        name,
        percent([1 - each.stopped_secs / each.full_secs for each in found]),
        percent([1 - each.cut_secs / each.stopped_secs for each in found]),
        percent([1 - each.obeyed_secs / each.stopped_secs for each in found]),
        percent([len(each.cut_epochs) / each.n_trials for each in found]),
        f"{np.median(epochs):.0f} ({min(epochs)} to {max(epochs)})" if epochs else "-",
        at_most(sum(each.winner_discarded for each in found), len(found)),
        f"{sum(each.new_best_discarded for each in found)}",
        percent([each.change for each in found]),
    ]
    return "| " + " | ".join(cells) + " |"


@dataclass(frozen=True)
class Stopped:
    """One configuration as the stop rule ends it."""

    values: tuple[float, ...]
    epoch_secs: float
    incumbent: Incumbent

    @classmethod
    def of(cls, recording: Recording, monitor: str, stop: StopRule) -> Stopped:
        """End a recorded training."""
        values = recording.curves[monitor].tolist()
        ends = (epoch for epoch in range(1, len(values) + 1) if stop.reason_to_stop(values[:epoch]))
        kept = tuple(values[: next(ends, len(values))])
        stderr = recording.value_stderr(monitor, len(kept))
        return cls(kept, recording.epoch_secs, Incumbent(kept, min(kept), stderr))


def pair_row(replay: Replay, parity: int) -> str:
    """Every good configuration as the incumbent of every other: savings, and how many better ones would be cut."""
    table = replay.table
    half = [index for index in np.ndindex(table.shape) if sum(index) % 2 == parity]
    trials = [Stopped.of(table.at(index), replay.monitor, replay.stop) for index in half]
    good = sorted(trials, key=lambda trial: trial.incumbent.value)[: int(_GOOD_SHARE * len(trials))]
    n_better = n_discarded = 0
    saved, all_secs = 0.0, sum(trial.epoch_secs * len(trial.values) for trial in trials)
    reaches = [forecasts(trial, table.max_epochs) for trial in trials]
    for incumbent in (trial.incumbent for trial in good):
        for trial, reach in zip(trials, reaches, strict=True):
            cut = next((epoch for epoch, value in reach if value > incumbent.target), None)
            is_better = trial.incumbent.value < incumbent.value
            n_better += is_better
            n_discarded += is_better and cut is not None
            saved += 0 if cut is None else trial.epoch_secs * (len(trial.values) - cut) / all_secs
    cells = [len(trials), len(good), f"{100 * saved / len(good):.1f}", f"{n_discarded} of {n_better}"]
    return "| " + " | ".join(map(str, cells)) + " |"


def forecasts(trial: Stopped, max_epochs: int) -> list[tuple[int, float]]:
    """What the curve could reach, as the rule says after each epoch but the last."""
    verdicts = (judge(trial.values[:n], trial.incumbent, max_epochs) for n in range(MIN_EPOCHS, len(trial.values)))
    return [(verdict.epoch, verdict.could_reach) for verdict in verdicts if verdict]


def pruners(max_epochs: int) -> dict[str, Callable[[], BasePruner]]:
    """The project's pruner, and Optuna's usual one after a warm-up of four epochs and one trial."""
    return {
        "`CatchUpPruner`": lambda: CatchUpPruner(max_epochs),
        "`MedianPruner`": lambda: MedianPruner(n_startup_trials=1, n_warmup_steps=MIN_EPOCHS - 1),
    }


_STUDY_HEAD = (
    "| sampler, pruner | stop rule saves, % of full length | pruner saves more, % | ... obeyed, % | trials cut, % "
    "| cut at epoch | winner discarded | new bests discarded | change of the best value, % |"
)


@click.command()
@click.argument("curves", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--half", type=click.Choice(list(_HALVES)), default="held-out", show_default=True)
@click.option(
    "--monitor",
    type=click.Choice(["val_loss", "val_error", "test_loss", "test_error"]),
    default="val_loss",
    show_default=True,
)
@click.option("--trials", default=30, show_default=True, help="Trials a study has at most.")
@click.option("--patience", default=StopRule.patience, show_default=True, help="Of the stop rule.")
@click.option("--turn", default=StopRule.generalization_loss_percent, show_default=True, help="GL of the stop rule, %.")
def main(curves: Path, half: str, monitor: str, trials: int, patience: int, turn: float) -> None:
    """Replay the studies and print the tables."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    table, parity = Table.load(curves), _HALVES[half]
    replay = Replay(table, monitor, trials, StopRule(patience, turn))
    print(f"{half} half, {monitor}, {trials} trials, stop rule: patience {patience}, turn at {turn:g} %\n")
    print("| configurations | incumbents | pruner saves, % | better ones discarded |\n|---|---|---|---|")
    print(pair_row(replay, parity), "\n")
    print(_STUDY_HEAD + "\n" + "|---" * 9 + "|")
    samplers = {
        "overfit, back off": backoff_cases(table, parity),
        "TPE": seeded_cases(table, TPESampler, parity),
        "random": seeded_cases(table, RandomSampler, parity),
    }
    for (name, cases), (pruner, new_pruner) in itertools.product(samplers.items(), pruners(table.max_epochs).items()):
        found = [replay.cutting(case, new_pruner) for case in cases]
        print(study_row(f"{name}, {pruner}", found), flush=True)


if __name__ == "__main__":
    sys.exit(main())
