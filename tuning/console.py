"""What a person sees: a progress bar, the search as an argument, the result table."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from optuna.trial import FrozenTrial
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, SpinnerColumn, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from search_spaces import Value, shown
from tuning.engine.metrics import EpochMetrics
from tuning.evaluation import AnyEvaluation
from tuning.plain_text import table_text
from tuning.result import ModelResult, SearchResult
from tuning.settings import Objective
from tuning.strategy.records import Outcome
from tuning.trial_attrs import OUTCOME_REASON, decision_of, outcome_of

_TEXT_WIDTH = 100  # of the table, however wide the terminal


def new_progress(console: Console, *columns: ProgressColumn, quiet: bool) -> Progress:
    """Bars that vanish in the end, one a task, with these columns and the task's field `info`; quiet shows none."""
    begin = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn())
    info = TextColumn("{task.fields[info]}")
    return Progress(*begin, *columns, info, console=console, transient=True, disable=quiet)


def print_plainly(console: Console, text: str) -> None:
    """Print a text in which nothing is markup: a terminal gets its words wrapped, a log in a file keeps whole lines."""
    console.print(Text(text), soft_wrap=not console.is_terminal)


class SearchView:
    """Shows a search while it runs; quiet prints the result only.

    Args:
        goal: The objective, for its name.
        n_trials: Trials the study is to have in the end.
        max_epochs: Maximum per trial.
        quiet: Print neither progress nor trials.
        clock: Seconds; only differences count.
    """

    def __init__(
        self,
        goal: Objective,
        n_trials: int,
        max_epochs: int,
        *,
        quiet: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._goal, self._max_epochs, self._quiet, self._clock = goal, max_epochs, quiet, clock
        self._console = Console(highlight=False)
        self._progress = new_progress(self._console, quiet=quiet)
        self._trials: TaskID = self._progress.add_task("trials", total=n_trials, info="")
        self._bars: dict[int, TaskID] = {}  # of the running trials, by number
        self._told: int | None = None  # the trial of which the last lines told
        self._begun: float | None = None
        self._n_ended = 0
        self._best = ""

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._progress.stop()

    def say(self, line: str) -> None:
        """Print one line, unless quiet."""
        if not self._quiet:
            print_plainly(self._console, line)

    def resume(self, n_counted: int) -> None:
        """Set the bar to the trials that a resumed study has already."""
        self._progress.update(self._trials, completed=n_counted)

    def started(self, number: int, params: Mapping[str, Value], decision: Mapping[str, Any]) -> None:
        """Print what is tried and why, before it runs."""
        self._begun = self._clock() if self._begun is None else self._begun
        phase = decision.get("phase", "enqueued")
        base = decision.get("base")
        origin = "" if base is None else f" from trial {base}"
        config = ", ".join(f"{name} {shown(value)}" for name, value in params.items())
        self.say(f"\ntrial {number}  {phase}: {decision.get('move', '')}{origin}  [{config}]")
        if decision.get("reason"):
            self.say(f"   why  {decision['reason']}")
        self._told = number
        self._progress.update(self._trials, info=self._info(str(phase)))
        self._bars[number] = self._progress.add_task(f"trial {number}, epoch", total=self._max_epochs, info="")

    def epoch(self, number: int, epoch: int, metrics: EpochMetrics) -> None:
        """Move the epoch bar of a trial."""
        info = f"{self._goal.name} {self._goal.value(getattr(metrics, self._goal.metric)):.4f}"
        self._progress.update(self._bars[number], completed=epoch, info=info)

    def ended(self, trial: FrozenTrial, best: FrozenTrial | None) -> None:
        """Print what was seen, and move the trial bar, unless the trial was killed and will be tried again."""
        self._progress.remove_task(self._bars.pop(trial.number))
        if best is not None:
            self._best = f"best {self._goal.name} {best.value:.4f} (trial {best.number})"
        if self._told != trial.number:
            self.say(f"\ntrial {trial.number}")
            self._told = trial.number
        self.say(f"   saw  {self._seen(trial, best)}")
        if outcome_of(trial).counts:
            self._n_ended += 1
            self._progress.advance(self._trials)
        self._progress.update(self._trials, info=self._info(str(decision_of(trial).get("phase", ""))))

    def result(self, text: str) -> None:
        """Print the result; also when quiet."""
        self._console.print()
        print_plainly(self._console, text)

    def _seen(self, trial: FrozenTrial, best: FrozenTrial | None) -> str:
        outcome, attrs = outcome_of(trial), trial.user_attrs
        if outcome is not Outcome.COMPLETE or trial.value is None:
            return f"{outcome.value.replace('_', ' ')}: {attrs.get(OUTCOME_REASON, '')}"
        mark = " (new best)" if best is not None and best.number == trial.number else ""
        error = attrs["curves"]["val_error"][attrs["best_epoch"] - 1]
        curve = f"epoch {attrs['best_epoch']} of {len(attrs['curves']['val_loss'])}, {attrs['train_secs']:.1f} s"
        sentence = attrs["diagnosis"]["sentence"]
        return f"{self._goal.name} {trial.value:.4f}{mark}, error {100 * error:.2f} % ({curve}); it {sentence}"

    def _info(self, phase: str) -> str:
        parts = [phase, self._best, self._time_left()]
        return " | ".join(part for part in parts if part)

    def _time_left(self) -> str:
        task = self._progress.tasks[self._trials]
        if self._begun is None or self._n_ended == 0 or task.total is None:
            return ""
        secs = (self._clock() - self._begun) / self._n_ended * (task.total - task.completed)
        return f"about {secs / 60:.0f} min left" if secs >= 90 else f"about {secs:.0f} s left"


def comparison_table(result: SearchResult) -> Table:
    """The models side by side on the test set, one row each; fits a terminal of 80 columns."""
    openings = result.n_test_openings
    how_often = "once" if openings == 1 else f"{openings} times"
    title = f"Test set of {result.data['name']}, opened {how_often} for this study"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("model", no_wrap=True)
    for header in (*(head for head, _ in result.tuned.evaluation.cells()), "weights", "ms 1/256"):
        table.add_column(header, justify="right", no_wrap=True)
    for model in result.models:
        table.add_row(*_row(model))
        if model.naive is not None:
            table.add_row("  read naively", *_numbers(model.naive.evaluation), "", "")
    n_examples = result.tuned.evaluation.n_examples
    table.caption = f"{n_examples} examples, {result.tuned.evaluation.caption}"
    return table


def _row(model: ModelResult) -> list[str]:
    first, *_, last = model.latency
    weights = f"{model.n_params:,}" if model.n_params else "-"
    return [model.name, *_numbers(model.evaluation), weights, f"{first.median_ms:.1f}/{last.median_ms:.1f}"]


def _numbers(evaluation: AnyEvaluation) -> list[str]:
    return [text for _, text in evaluation.cells()]


def result_text(result: SearchResult, exported: str) -> str:
    """The comparison table and what follows from it, as plain text."""
    said = (*result.sentences(), *result.loss_sentences(), *result.findings())
    lines = [f"{sentence}." for sentence in said]
    lines.append(f"The search stopped because {result.stop_reason}.")
    lines += [f"Note: {note}." for note in result.notes]
    lines.append(f"Exported: {exported}")
    return table_text(comparison_table(result), _TEXT_WIDTH) + "\n".join(lines)
