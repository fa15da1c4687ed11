"""Do four workers search as well as one? Recorded trainings with their seconds, replayed by a clock that jumps.

    python -m benchmarks.simulated_workers run --limit-secs 400      # again until it says that all is done
    python -m benchmarks.simulated_workers show

A worker that has nothing to do (the strategy waits for running trials) is idle until another one ends. Reported at the
same number of trials, for one worker and for four: trials a minute, the share of their time that the four were busy,
and the regret. The seconds of the tables depend on the configuration by up to a hundred times, so trials a minute say
as much of *which* configurations were tried as of how many workers tried them; with `--alike` every training takes
about as long as any other one (a lognormal of 0.3), which leaves the workers alone.
"""

from __future__ import annotations

import heapq
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import click
import numpy as np

from benchmarks.arms import record
from benchmarks.results import Results
from benchmarks.samplers import tasks_of
from benchmarks.statistics import contrast
from benchmarks.tables import Replay, load
from tuning.strategy.actions import Goal, Plan, Stop
from tuning.strategy.history import History
from tuning.strategy.policy import leader_of, next_action
from tuning.strategy.records import Outcome, TrialRecord

MANY = 4
_SPREAD = 0.3  # of the logarithm of the seconds, where trainings are alike


@dataclass(frozen=True)
class Cell:
    """One simulated study."""

    task: str
    repetition: int
    n_workers: int
    n_trials: int
    alike: bool


_RESULTS = Results.of("simulated_workers", Cell)


@dataclass
class Clock:
    """A simulated study: what ended, what runs until when, and the time."""

    replay: Replay
    plan: Plan
    alike: bool
    finished: list[TrialRecord] = field(default_factory=list)
    running: list[tuple[float, int, TrialRecord]] = field(default_factory=list)
    now_secs: float = 0.0
    busy_secs: float = 0.0
    n_started: int = 0

    def start(self) -> bool:
        """Let one worker ask and begin; False if it has to wait."""
        as_running = [replace(trial, outcome=Outcome.RUNNING, value=None) for *_, trial in self.running]
        history = History.of([*self.finished, *as_running])
        action = next_action(history, self.replay.table.space, Goal("value"), self.plan)
        if isinstance(action, Stop):
            return False
        trial = record(self.n_started, action.point, action.seed_index, action.base, self.replay)
        secs = self._alike_secs() if self.alike else trial.secs or 0.0
        heapq.heappush(self.running, (self.now_secs + secs, self.n_started, trial))
        self.n_started += 1
        self.busy_secs += secs
        return True

    def end_next(self) -> None:
        """Jump to the next end of a trial."""
        self.now_secs, _, trial = heapq.heappop(self.running)
        self.finished.append(trial)

    def _alike_secs(self) -> float:
        rng = np.random.default_rng([self.replay.repetition, 4, self.n_started])
        return float(np.exp(_SPREAD * rng.normal()))


def simulate(cell: Cell) -> dict[str, float]:
    """Trials, seconds until the last one ended, seconds of all trials, and the regret of what is shipped (per cent)."""
    replay, plan = Replay(load(cell.task), cell.repetition), Plan(n_trials=cell.n_trials, seed=cell.repetition)
    clock = Clock(replay, plan, cell.alike)
    while len(clock.finished) < cell.n_trials:
        while len(clock.running) < cell.n_workers and clock.n_started < cell.n_trials and clock.start():
            pass
        if not clock.running:
            break
        clock.end_next()
    leader = leader_of(History.of(clock.finished), plan)
    point = leader.configuration.point if leader else replay.table.space.start_point()
    return {
        "n_trials": len(clock.finished),
        "secs": clock.now_secs,
        "busy_secs": clock.busy_secs,
        "regret": replay.regret(point),
    }


Row = Mapping[str, float]


def table(results: Mapping[str, Mapping[int, Sequence[Row]]]) -> str:
    """One row a task (task to workers to studies), and the contrast over all."""
    lines = [
        "| task | studies | trials a minute, 4 workers / 1 | 4 busy, % | trials, 4 / 1 | regret, 4 | regret, 1 |",
        "|---|---|---|---|---|---|---|",
    ]
    regrets: dict[int, list[np.ndarray]] = {1: [], MANY: []}
    logs = []
    for name, by_workers in results.items():
        one, many = by_workers[1], by_workers[MANY]
        faster = _rate(many) / _rate(one)
        logs.append(math.log(faster))
        busy = 100 * _sum(many, "busy_secs") / MANY / _sum(many, "secs")
        trials = " / ".join(f"{_sum(rows, 'n_trials') / len(rows):.0f}" for rows in (many, one))
        for n, rows in by_workers.items():
            regrets[n].append(np.array([row["regret"] for row in rows]))
        means = " | ".join(f"{regrets[n][-1].mean():.1f}" for n in (MANY, 1))
        lines.append(f"| {name} | {len(many)} | {faster:.2f} | {busy:.0f} | {trials} | {means} |")
    found = contrast(regrets[MANY], regrets[1], is_paired=True)  # the same repetitions, with the same seeds
    of_one = float(np.mean([each.mean() for each in regrets[1]]))
    lines.append(
        f"\nGeometric mean of the ratios {math.exp(np.mean(logs)):.2f}. Regret of four workers minus that of one:"
        f" {found.difference:+.1f} [{found.low:+.1f}, {found.high:+.1f}] on {of_one:.1f};"
        f" {found.wins}/{found.ties}/{found.losses}"
    )
    return "\n".join(lines)


def _sum(rows: Sequence[Row], key: str) -> float:
    return math.fsum(row[key] for row in rows)


def _rate(rows: Sequence[Row]) -> float:
    return 60 * _sum(rows, "n_trials") / _sum(rows, "secs")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
def main() -> None:
    """Compare four workers with one at the same number of trials."""


_TASKS = click.option("--tasks", type=click.Choice(["development", "report"]), default="report")
_TRIALS = click.option("--trials", type=int, default=40, help="Of each study.")
_ALIKE = click.option("--alike", is_flag=True, help="Every training takes about as long.")


def _names(tasks: str) -> list[str]:
    return [name for name in tasks_of(tasks, None) if not name.startswith("curves")]


@main.command()
@_TASKS
@_TRIALS
@_ALIKE
@click.option("--repetitions", type=int, default=10, help="Of each task.")
@click.option("--limit-secs", type=float, default=float("inf"), help="Begin no study later than this.")
def run(tasks: str, trials: int, alike: bool, repetitions: int, limit_secs: float) -> None:
    """Run what is missing."""
    begun, known = time.monotonic(), _RESULTS.kept()
    cells = (Cell(name, i, n, trials, alike) for i in range(repetitions) for name in _names(tasks) for n in (MANY, 1))
    missing = [cell for cell in cells if cell not in known]
    for n_done, cell in enumerate(missing):
        if time.monotonic() - begun > limit_secs:
            print(f"{len(missing) - n_done} of {len(missing)} studies are left: run it again")
            return
        _RESULTS.keep(cell, simulate(cell))
    print("all is done")


@main.command()
@_TASKS
@_TRIALS
@_ALIKE
def show(tasks: str, trials: int, alike: bool) -> None:
    """Print the table as Markdown, of the studies that both one and four workers have done."""
    kept = _RESULTS.kept()
    results: dict[str, dict[int, list[Row]]] = {}
    for name in _names(tasks):
        for i in range(1_000):
            pair = {n: kept.get(Cell(name, i, n, trials, alike)) for n in (1, MANY)}
            if all(row is not None for row in pair.values()):
                for n, row in pair.items():
                    results.setdefault(name, {}).setdefault(n, []).append(row)
    print(table(results))


if __name__ == "__main__":
    sys.exit(main())
