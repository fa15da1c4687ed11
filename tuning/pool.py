"""The worker processes of a search: handing out trials, hearing of epochs and ends, replacing workers.

    with Pool(launch, n_workers=2) as pool:
        pool.submit(TrialJob(0, params))
        for event in pool.wait():
            ...                                  # EpochReport: pool.answer(event, ""); TrialEnd; WorkerDied

A worker is *recycled* (ended after a trial; the next one gets a fresh one) once it has trained 50 trials, or once its
resident memory has grown by a quarter over what it was after its first five: what TensorFlow, Keras and a user's own
model leave behind goes with the process. Workers are started when a trial needs one, so one that died is replaced by
the next trial. One whose trial takes longer than it may is ended with it.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import wait
from types import TracebackType
from typing import Self

import psutil

from tuning.errors import WorkerError
from tuning.processes import Child, ending
from tuning.strategy.records import Outcome
from tuning.trial_job import READY, EpochReport, Event, TrialEnd, TrialJob, WorkerDied

_MAX_TRIALS = 50
_SETTLING_TRIALS = 5  # the first ones load libraries and fill the cache of compiled architectures
_MAX_GROWTH = 1.25

# A worker that cannot even begin will not begin the next time either.
_MAX_FAILED_STARTS = 3


@dataclass
class _Worker:
    """One process, and what it does."""

    child: Child
    slot: int  # smallest number that no other running worker has: which GPU it takes
    is_ready: bool = False
    number: int | None = None  # of the trial that it trains
    n_trials: int = 0
    settled_bytes: int = 0
    begun: float | None = None  # when its trial did: not before the worker was ready

    def resident_bytes(self) -> int:
        try:
            return int(psutil.Process(self.child.process.pid).memory_info().rss)
        except psutil.NoSuchProcess:
            return 0

    def has_grown(self) -> bool:
        """Whether it holds much more memory than after its first trials; called after each of its trials."""
        resident = self.resident_bytes()
        if self.n_trials <= _SETTLING_TRIALS:
            self.settled_bytes = max(self.settled_bytes, resident)
        return resident > _MAX_GROWTH * self.settled_bytes


class Pool:
    """Worker processes that train one trial each at a time.

    Args:
        launch: Starts one worker process, given its slot from 0 to `n_workers` - 1.
        n_workers: How many run at the same time, >= 1.
        max_trials: After so many trials a worker is recycled, >= 1.
        trial_timeout_secs: A trial that takes longer is ended, > 0; None for no limit.
        clock: Seconds; only differences count.
    """

    def __init__(
        self,
        launch: Callable[[int], Child],
        n_workers: int,
        max_trials: int = _MAX_TRIALS,
        trial_timeout_secs: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._launch = launch
        self._max_trials = max_trials
        self._trial_timeout_secs = trial_timeout_secs
        self._clock = clock
        self._n_workers = n_workers
        self._workers: list[_Worker] = []
        self._n_failed_starts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for worker in self._workers:
            worker.child.end()

    @property
    def is_full(self) -> bool:
        """Whether every worker has a trial."""
        return len(self.running) >= self._n_workers

    @property
    def running(self) -> list[int]:
        """Numbers of the trials that run."""
        return [worker.number for worker in self._workers if worker.number is not None]

    @property
    def resident_bytes(self) -> int:
        """Resident memory of all workers together."""
        return sum(worker.resident_bytes() for worker in self._workers)

    def submit(self, job: TrialJob) -> None:
        """Give a trial to a worker that has none.

        Raises:
            RuntimeError: If the pool is full.
        """
        if self.is_full:
            raise RuntimeError("Every worker has a trial: wait until one has ended.")
        worker = next((worker for worker in self._workers if worker.number is None), None)
        if worker is None:
            slot = min(set(range(self._n_workers)) - {other.slot for other in self._workers})
            worker = _Worker(self._launch(slot), slot)
            self._workers.append(worker)
        worker.number, worker.begun = job.number, self._clock() if worker.is_ready else None
        with contextlib.suppress(ConnectionError):  # it has died: `wait` will tell
            worker.child.connection.send(job)

    def answer(self, report: EpochReport, reason_to_prune: str) -> None:
        """Let the worker of a trial go on with the next epoch, or prune the trial."""
        worker = next(worker for worker in self._workers if worker.number == report.number)
        with contextlib.suppress(ConnectionError):  # it has died: `wait` will tell
            worker.child.connection.send(reason_to_prune)

    def wait(self, timeout_secs: float | None = None) -> list[Event]:
        """Wait until something happens, and return it; several things may have happened at once.

        Args:
            timeout_secs: How long to wait at most; None for as long as it takes.

        Raises:
            WorkerError: If workers die again and again before they can begin.
        """
        left = (timeout_secs, *(self._secs_left(worker) for worker in self._workers))
        limits = [secs for secs in left if secs is not None]
        ready = wait([worker.child.connection for worker in self._workers], min(limits, default=None))
        heard = [self._hear(worker) for worker in list(self._workers) if worker.child.connection in ready]
        late = [self._end_late(worker) for worker in list(self._workers) if self._secs_left(worker) == 0]
        return [event for event in (*heard, *late) if event is not None]

    def _secs_left(self, worker: _Worker) -> float | None:
        """Of a worker's trial; None where there is no limit."""
        if self._trial_timeout_secs is None or worker.number is None or worker.begun is None:
            return None
        return max(0.0, worker.begun + self._trial_timeout_secs - self._clock())

    def _end_late(self, worker: _Worker) -> TrialEnd:
        self._remove(worker)
        reason = f"its training took longer than {self._trial_timeout_secs:g} s"
        return TrialEnd(worker.number or 0, Outcome.TIMED_OUT, reason)

    def _hear(self, worker: _Worker) -> Event | None:
        try:
            message = worker.child.connection.recv()
        except (EOFError, OSError):
            return self._bury(worker)
        if message == READY:
            worker.is_ready, self._n_failed_starts = True, 0
            worker.begun = self._clock()
            return None
        if isinstance(message, TrialEnd):
            worker.number, worker.begun, worker.n_trials = None, None, worker.n_trials + 1
            # What is left of a worker after memory was refused to it may not be enough for anything.
            is_spoilt = message.outcome is Outcome.OUT_OF_MEMORY
            if is_spoilt or worker.has_grown() or worker.n_trials >= self._max_trials:
                self._remove(worker)
        event: Event = message
        return event

    def _bury(self, worker: _Worker) -> WorkerDied:
        worker.child.process.join()
        how = ending(worker.child.process.exitcode)
        self._n_failed_starts += not worker.is_ready
        if self._n_failed_starts >= _MAX_FAILED_STARTS:
            raise WorkerError(
                f"A worker process cannot begin: it {how}, {_MAX_FAILED_STARTS} times; see what it printed."
            )
        self._remove(worker)
        return WorkerDied(worker.number, how)

    def _remove(self, worker: _Worker) -> None:
        worker.child.end()
        self._workers.remove(worker)


def share_of_cores(n_workers: int) -> int:
    """Threads of each worker, at least 1: the cores that this process may use, divided."""
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, n_cores // n_workers)
