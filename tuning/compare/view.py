"""What a person sees of a comparison: a bar over its studies, one over the trials of the running one, a line each."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from optuna.trial import FrozenTrial
from rich.console import Console
from rich.progress import TaskID, TimeElapsedColumn

from search_spaces import Value
from tuning.compare.record import StudyRecord
from tuning.console import new_progress, print_plainly
from tuning.engine.metrics import EpochMetrics
from tuning.settings import Objective
from tuning.trial_attrs import outcome_of


class CompareView:
    """Shows a comparison while it runs; quiet shows nothing.

    Args:
        goal: The objective.
        n_studies: Engines times repeats.
        n_trials: Of each study; None where only seconds limit it.
        quiet: Show nothing.
    """

    def __init__(self, goal: Objective, n_studies: int, n_trials: int | None, *, quiet: bool = False) -> None:
        self._goal, self._n_trials, self._quiet = goal, n_trials, quiet
        self._console = Console(highlight=False)
        self._progress = new_progress(self._console, TimeElapsedColumn(), quiet=quiet)
        self._studies: TaskID = self._progress.add_task("studies", total=n_studies, info="")
        self._trials: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._progress.stop()

    def say(self, line: str) -> None:
        """Print one line, unless quiet."""
        if not self._quiet:
            print_plainly(self._console, line)

    def begin_study(self, name: str) -> None:
        """A study begins, or goes on."""
        self._end_trials()
        self._trials = self._progress.add_task(name, total=self._n_trials, info="")

    def end_study(self, record: StudyRecord, *, is_known: bool = False) -> None:
        """A study has ended, now or in an earlier run."""
        self._end_trials()
        self._progress.advance(self._studies)
        spent = f"{record.n_trials:g} trials, {record.secs:.0f} s"
        known = " (known)" if is_known else ""
        self.say(f"repeat {record.repeat + 1}  {record.sampler}: {spent}, {record.result}{known}")

    def resume(self, n_counted: int) -> None:
        """Trials that there are already."""
        if self._trials is not None:
            self._progress.update(self._trials, completed=n_counted)

    def started(self, number: int, params: Mapping[str, Value], decision: Mapping[str, Any]) -> None:
        """A trial begins."""
        if self._trials is not None:
            self._progress.update(self._trials, info=f"trial {number} {decision.get('phase', '')}")

    def epoch(self, number: int, epoch: int, metrics: EpochMetrics) -> None:
        """An epoch of a trial is over."""
        if self._trials is not None:
            value = self._goal.value(getattr(metrics, self._goal.metric))
            self._progress.update(self._trials, info=f"trial {number}, epoch {epoch}: {self._goal.name} {value:.4f}")

    def ended(self, trial: FrozenTrial, best: FrozenTrial | None) -> None:
        """A trial has ended."""
        if self._trials is not None and outcome_of(trial).counts:
            info = "" if best is None else f"best {self._goal.name} {best.value:.4f}"
            self._progress.update(self._trials, advance=1, info=info)

    def result(self, text: str) -> None:
        """Print the result; also when quiet."""
        self._console.print()
        print_plainly(self._console, text)

    def _end_trials(self) -> None:
        if self._trials is not None:
            self._progress.remove_task(self._trials)
            self._trials = None
