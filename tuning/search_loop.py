"""The loop of a search: decide, hand out, hear, record, mirror, until nothing is left to start and nothing runs.

One process decides, records and mirrors, whatever the number of workers; they train.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import methodcaller

from optuna.study import Study
from optuna.trial import FrozenTrial

from tuning import garbage, processes
from tuning.callbacks import TrialCallback
from tuning.errors import ModelError, StorageError, is_disk_full
from tuning.pool import Pool, share_of_cores
from tuning.processes import Child
from tuning.running import Running, View
from tuning.strategy.policy import Stop
from tuning.strategy.records import Outcome
from tuning.study_store import close_killed, has_enqueued, n_counted, others_running
from tuning.trial_attrs import best_of
from tuning.trial_job import EpochReport, Event, TrialEnd, WorkerDied
from tuning.trials import RunningTrials
from tuning.workers import BEAT_SECS, WORKER, Witness, Worker, is_gone

# How often a search that waits for the trials of another process looks whether they have ended.
_POLL_SECS = 1.0

# Weights of so many configurations stay on disk, and of the start: repeats may still change which is the best.
_N_KEPT = 30


@dataclass(frozen=True)
class Halt:
    """Why no trial is started now; `is_final` where the end of a running trial would change nothing."""

    reason: str
    is_final: bool


@dataclass
class SearchLoop:
    """Runs the trials of one search on its workers.

    Args:
        search: What is searched.
        view: Who watches.
        begun: When the search began, on the clock of `time.monotonic`.
        witness: Watches the trials of other machines.
    """

    search: Running
    view: View
    begun: float
    witness: Witness = field(default_factory=Witness)
    _to_mirror: list[int] = field(default_factory=list)
    _has_mirror: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        search = self.search
        self._here = Worker.this()
        self._beaten = time.monotonic()
        self._pool = worker_pool(search)
        n_val = len(search.dataset.validation.labels)
        limit = search.settings.memory_limit_mb
        self._trials = RunningTrials(search.study, search.space, search.settings.goal, self._here, n_val, limit)

    def run(self) -> str:
        """Run trials until the budget is used up, the time is over, or nothing is left to try; returns which."""
        with self._pool:
            try:
                reason = self._until_halt()
                self._call_back(methodcaller("catch_up", self._study))
                return reason
            except BaseException as error:
                self._abandon(error)
                raise

    def _abandon(self, error: BaseException) -> None:
        """Close what runs, as far as the storage lets: what it does not is closed when the study is resumed."""
        is_ctrl_c = isinstance(error, KeyboardInterrupt)
        why = "interrupted by Ctrl-C" if is_ctrl_c else f"the search ended by {type(error).__name__}"
        try:
            self._to_mirror += self._trials.abandon(why)
            if self._has_mirror:  # otherwise MLflow has not heard yet that the study goes on
                self._mirror()
                self.search.mirror.abandon("KILLED" if is_ctrl_c else "FAILED")
        except Exception as again:
            if not isinstance(again, StorageError) and not is_disk_full(again):
                raise

    @property
    def _study(self) -> Study:
        return self.search.study

    def _until_halt(self) -> str:
        with garbage.held_back():  # all trials so far are read, and the first decision makes their history
            self.view.resume(n_counted(self._study))
            halt = self._fill()
            self._catch_up()
        while True:
            self._mirror()  # while the workers train
            if self._pool.running:
                has_ended = [self._handle(event) for event in self._pool.wait(self._secs_to_beat())]
                halt = self._fill() if any(has_ended) else halt
            elif halt is not None and (halt.is_final or not self._others_may_change_that()):
                return halt.reason
            else:
                halt = self._fill()

    def _catch_up(self) -> None:
        """Tell what processes that are gone have left untold, while the first trial is trained."""
        mirror = self.search.mirror
        self._has_mirror = True
        mirror.catch_up(lambda trial: is_gone(trial.user_attrs.get(WORKER), self._here))
        self._call_back(methodcaller("catch_up", self._study))

    def _secs_to_beat(self) -> float:
        """Seconds until other machines want to hear of the running trials again; tells them when it is time."""
        now = time.monotonic()
        if now - self._beaten >= BEAT_SECS:
            self._trials.beat()
            self._beaten = now
        return self._beaten + BEAT_SECS - now

    def _fill(self) -> Halt | None:
        """Give every idle worker a trial; returns why that was not possible."""
        close_killed(self._study, self._here, self.witness)
        while not self._pool.is_full:
            if halt := self._halt():
                return halt
            self._start()
        return None

    def _halt(self) -> Halt | None:
        """Why no further trial can be started now."""
        settings = self.search.settings
        n_ended = n_counted(self._study)
        if n_ended + len(self._pool.running) + len(self._others_running()) >= settings.n_trials:
            return Halt(f"its budget of {settings.n_trials} trials is used up", n_ended >= settings.n_trials)
        if settings.timeout_secs is not None and time.monotonic() - self.begun > settings.timeout_secs:
            return Halt(f"its time of {settings.timeout_secs:g} s is over", True)
        action = self.search.sampler.next_action(self._study)
        return Halt(action.reason, False) if isinstance(action, Stop) and not has_enqueued(self._study) else None

    def _start(self) -> None:
        job = self._trials.ask_within(self.search.settings.n_trials)
        if job is None:
            return
        self._pool.submit(job)
        self.view.started(job.number, job.params, self._trials.decision(job.number))

    def _handle(self, event: Event) -> bool:
        """Record what happened; returns whether a trial has ended."""
        if event.number is None:
            return False
        if isinstance(event, EpochReport):
            self._pool.answer(event, self._trials.report(event))
            self.view.epoch(event.number, event.epoch, event.metrics)
            return False
        self._record(event.number, event)
        best = best_of(self._study)
        self.view.ended(self._trials.frozen(event.number), best)
        ranking = self.search.sampler.ranking(self._study)
        kept = [*ranking[:_N_KEPT], *sorted(ranking)[:1]]
        if smaller := self.search.sampler.smallest(self._study):  # for `tuning.export --smallest`
            kept.append(smaller.configuration.first_complete)
        self.search.weights.clean(self._study.get_trials(deepcopy=False), kept)
        if isinstance(event, TrialEnd) and event.why_hopeless:
            raise ModelError(*event.why_hopeless.split("\n", 1))
        return True

    def _record(self, number: int, event: TrialEnd | WorkerDied) -> None:
        if isinstance(event, WorkerDied):
            is_told = self._trials.tell_died(number, event.how)
        else:
            is_told = self._trials.tell(event)
        if is_told:  # otherwise who closed it mirrors it
            self._to_mirror.append(number)
        if isinstance(event, TrialEnd) and event.outcome is Outcome.KILLED:  # by its worker, which cannot go on
            raise StorageError(f"The study stopped in trial {number}: {event.reason}.")

    def _mirror(self) -> None:
        while self._to_mirror:
            number = self._to_mirror.pop(0)
            if news := self.search.mirror.trial(number):
                self.view.say(f"   note: {news}")
            self._call_back(methodcaller("__call__", self._study, self._trials.frozen(number)))

    def _call_back(self, call: Callable[[TrialCallback], None]) -> None:
        """Call every callback; one that cannot write its files costs no trial, and catches up later."""
        for callback in self.search.callbacks:
            try:
                call(callback)
            except StorageError as error:
                self.view.say(f"   note: {error}")

    def _others_may_change_that(self) -> bool:
        """Wait a moment for the trials of other processes; returns whether there are any, or were until now."""
        if self._others_running():
            time.sleep(_POLL_SECS)
            return True
        return bool(close_killed(self._study, self._here, self.witness))

    def _others_running(self) -> list[FrozenTrial]:
        return others_running(self._study, self._here, self.witness)


def worker_pool(search: Running) -> Pool:
    """The workers of a search, each with its share of the cores; they start when the pool is entered."""
    settings = search.settings
    data, folder = search.dataset.for_training, search.weights.folder
    n_threads = share_of_cores(settings.n_workers)

    def launch(slot: int) -> Child:
        args = (data, settings, search.model, folder, n_threads, slot)
        return processes.start("tuning.worker_main", "run_trials", *args, context=search.context)

    return Pool(launch, settings.n_workers, trial_timeout_secs=settings.trial_timeout_secs)
