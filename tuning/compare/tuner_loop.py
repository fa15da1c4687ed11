"""The study's side of a search by KerasTuner: its trials become trials of the Optuna study, and the budget ends it.

Every trial is asked for, reported and told like any other, so that it is in the study, in MLflow and in the record;
what is suggested comes from the other process (`tuner_process.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from optuna.exceptions import StorageInternalError

from tuning import processes
from tuning.compare.messages import Begun, TunerTask
from tuning.compare.opening import ComparedStudy
from tuning.compare.sampler import is_confirming, spent
from tuning.errors import StorageError, WorkerError
from tuning.pool import share_of_cores
from tuning.processes import Child, ending
from tuning.running import View
from tuning.strategy.actions import Stop
from tuning.trial_attrs import best_of
from tuning.trial_job import EpochReport, TrialEnd
from tuning.trials import RunningTrials
from tuning.workers import Worker


@dataclass
class TunerLoop:
    """Runs one study whose search is KerasTuner's.

    Args:
        compared: The study.
        view: Who watches.
    """

    compared: ComparedStudy
    view: View

    def __post_init__(self) -> None:
        held = self.compared
        n_val = len(held.dataset.validation.labels)
        self._trials = RunningTrials(held.study, held.space, held.settings.goal, Worker.this(), n_val)
        self._budget = held.plan.budget

    def run(self) -> str:
        """Search and confirm; returns why it stopped."""
        self._child = self._start()
        try:
            return self._run()
        except BaseException as error:
            self._abandon(error)
            raise
        finally:
            self._child.end()

    def _run(self) -> str:
        held = self.compared
        self._search()
        held.sampler.end_search(held.study)
        while not isinstance(stop := held.sampler.next_action(held.study), Stop):
            job = self._trials.ask()
            self.view.started(job.number, job.params, self._trials.decision(job.number))
            self._send(job)
            self._until_end(job.number)
        return stop.reason

    def _search(self) -> None:
        while (message := self._receive()) is not None:
            if not isinstance(message, Begun):
                raise WorkerError(f"KerasTuner's process said {message!r} before a trial.")
            if not self._budget.is_searching(spent(self.compared.study)):
                self._send(None)
                continue
            self.compared.sampler.decision_secs += message.decision_secs
            self.compared.study.enqueue_trial(dict(message.params))
            job = self._trials.ask()
            self.view.started(job.number, job.params, {"phase": "KerasTuner"})
            self._send(job.number)
            self._until_end(job.number)
            self._send(True)

    def _until_end(self, number: int) -> None:
        while not isinstance(message := self._receive(), TrialEnd):
            if isinstance(message, EpochReport):
                self.view.epoch(number, message.epoch, message.metrics)
        self._trials.tell(message)
        self.view.ended(self._trials.frozen(number), best_of(self.compared.study))
        if news := self.compared.mirror.trial(number):
            self.view.say(f"   note: {news}")
        for callback in self.compared.callbacks:
            callback(self.compared.study, self._trials.frozen(number))

    def _abandon(self, error: BaseException) -> None:
        why = "interrupted by Ctrl-C" if isinstance(error, KeyboardInterrupt) else f"ended by {type(error).__name__}"
        try:
            for number in self._trials.abandon(why):
                self.compared.mirror.trial(number)
            self.compared.mirror.abandon("KILLED")
        except (StorageError, StorageInternalError):
            return  # what is open is closed when the study is resumed

    def _start(self) -> Child:
        held = self.compared
        task = TunerTask(
            kind=held.engine.tuner or "",
            data=held.dataset.for_training,
            settings=held.settings,
            model=held.model,
            n_search=self._budget.n_search,
            folder=held.settings.study_dir,
            n_threads=share_of_cores(1),
            is_searched=is_confirming(held.study),
        )
        return processes.start("tuning.compare.tuner_process", "run_tuner", task, context=held.context)

    def _send(self, message: Any) -> None:  # noqa: ANN401 - of the protocol
        try:
            self._child.connection.send(message)
        except ConnectionError:
            self._receive()

    def _receive(self) -> Any:  # noqa: ANN401
        try:
            return self._child.connection.recv()
        except (EOFError, OSError):
            self._child.process.join()
            how = ending(self._child.process.exitcode)
            why = "what it printed says why; the comparison goes on where it was with the same command"
            raise WorkerError(f"KerasTuner's process {how}: {why}.") from None
