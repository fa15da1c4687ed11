"""Do four workers search as well as one? Recorded trainings with their seconds, replayed by a clock that jumps.

    python -m benchmarks.simulated_workers --repetitions 10

A worker that has nothing to do (the strategy waits for running trials) is idle until another one ends. Prints trials a
minute and the regret at the same number of trials, for one worker and for four, on the report tasks of
`benchmarks.samplers`.
"""

from __future__ import annotations

import heapq
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import click
import numpy as np

from benchmarks.arms import record
from benchmarks.samplers import tasks_of
from benchmarks.statistics import contrast
from benchmarks.tables import Replay, load
from tuning.strategy.actions import Goal, Plan, Stop
from tuning.strategy.history import History, Outcome, TrialRecord
from tuning.strategy.policy import leader_of, next_action


@dataclass
class Clock:
    """A simulated study: what ended, what runs until when, and the time."""

    replay: Replay
    plan: Plan
    finished: list[TrialRecord] = field(default_factory=list)
    running: list[tuple[float, int, TrialRecord]] = field(default_factory=list)
    now_secs: float = 0.0
    n_started: int = 0

    def start(self) -> bool:
        """Let one worker ask and begin; False if it has to wait."""
        as_running = [replace(trial, outcome=Outcome.RUNNING, value=None) for *_, trial in self.running]
        history = History.of([*self.finished, *as_running])
        action = next_action(history, self.replay.table.space, Goal("value"), self.plan)
        if isinstance(action, Stop):
            return False
        trial = record(self.n_started, action.point, action.seed_index, action.base, self.replay)
        heapq.heappush(self.running, (self.now_secs + (trial.secs or 0.0), self.n_started, trial))
        self.n_started += 1
        return True

    def end_next(self) -> None:
        """Jump to the next end of a trial."""
        self.now_secs, _, trial = heapq.heappop(self.running)
        self.finished.append(trial)


def simulate(replay: Replay, plan: Plan, n_workers: int) -> tuple[float, float]:
    """Trials a minute, and the regret of what is shipped in the end, in per cent."""
    clock, n_trials = Clock(replay, plan), plan.n_trials or 0
    while len(clock.finished) < n_trials:
        while len(clock.running) < n_workers and clock.n_started < n_trials and clock.start():
            pass
        if not clock.running:
            break
        clock.end_next()
    leader = leader_of(History.of(clock.finished), replay.table.space, plan)
    point = leader.configuration.point if leader else replay.table.space.start_point()
    return 60 * len(clock.finished) / clock.now_secs, replay.regret(point)


def table(names: Sequence[str], repetitions: int, n_trials: int) -> str:
    """One row a task, and the contrast over all."""
    lines = ["| task | trials a minute, 4 workers / 1 | regret, 4 workers | regret, 1 worker |", "|---|---|---|---|"]
    regrets: dict[int, list[np.ndarray]] = {1: [], 4: []}
    for name in names:
        plan = Plan(n_trials=n_trials)
        results = {
            n: np.array([simulate(Replay(load(name), i), replace(plan, seed=i), n) for i in range(repetitions)])
            for n in (1, 4)
        }
        speed = results[4][:, 0].mean() / results[1][:, 0].mean()
        for n, result in results.items():
            regrets[n].append(result[:, 1])
        lines.append(f"| {name} | {speed:.2f} | {results[4][:, 1].mean():.1f} | {results[1][:, 1].mean():.1f} |")
    found = contrast(regrets[4], regrets[1])
    lines.append(f"\nFour workers minus one: {found.difference:+.1f} [{found.low:+.1f}, {found.high:+.1f}]")
    return "\n".join(lines)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--repetitions", type=int, default=10, help="Of each task.")
@click.option("--trials", type=int, default=40, help="Of each study.")
def main(repetitions: int, trials: int) -> None:
    """Compare four workers with one at the same number of trials."""
    print(table(tasks_of("report", None), repetitions, trials))


if __name__ == "__main__":
    sys.exit(main())
