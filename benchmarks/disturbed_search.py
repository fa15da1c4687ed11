"""Searches in forked processes that are killed at random moments, while what they depend on goes away and comes back.

    search = ForkedSearch(settings, dataset)
    disturbance = Disturbance(random.Random(0), {"kill": 20})
    n_searches = run([search], disturbance)

A *light* search is the real one (loop, storage, MLflow, sampler), but its workers make up their results within 0.15 s,
and it does not compare models at its end. Otherwise all of it is real, and TensorFlow must have been imported before
(and never used), so that a fork starts within milliseconds.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import psutil
import time_machine
from optuna.trial import FrozenTrial

from benchmarks.disturbed_study import ended_trials
from benchmarks.light_search import light_pool
from benchmarks.surroundings import Needed
from tuning import search_loop, study
from tuning.data import Dataset
from tuning.errors import SearchError
from tuning.opening import Search
from tuning.pool import Pool
from tuning.settings import Settings

_FORK = multiprocessing.get_context("fork")
_POLL_SECS = 0.02
_SHORTEST_SECS, _LONGEST_SECS = 0.1, 1.5  # between two disturbances
_OUTAGE_SECS = 0.3, 2.0
_MOST_SEARCHES = 500
_MOST_IN_A_ROW = 2  # a configuration that costs three workers is not tried again, by rule

_JUMP_HOURS = (1.0, -3.0, 48.0, -24.0, 0.5, -48.0)  # trials last for hours, or end before they begin
_FAILED, _REFUSED = 1, 2


@dataclass(frozen=True)
class ForkedSearch:
    """A search that can be started again and again.

    Args:
        settings: Of the search.
        dataset: Its data.
        epoch_secs: How long its workers take for an epoch that they make up; None trains, and compares in the end.
    """

    settings: Settings
    dataset: Dataset
    epoch_secs: float | None = 0.01

    @property
    def log(self) -> Path:
        """What its processes print; not on the small disk."""
        return self.settings.root.parent.with_suffix(".log")

    def start(self) -> int:
        """Fork it; returns its process number."""
        pid = os.fork()
        if pid:
            return pid
        code = _FAILED
        try:
            self._run()
            code = 0
        except SearchError as error:
            print(f"   a search ended: {error}", flush=True)
            code = _REFUSED
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)

    def _light_pool(self, search: Search) -> Pool:
        return light_pool(search.settings.n_workers, self.epoch_secs or 0.0)

    def _run(self) -> None:
        os.chdir(self.settings.root)
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        if self.epoch_secs is not None:
            search_loop.worker_pool = self._light_pool
            study._result = lambda *_: "not compared"
        with time_machine.travel(time.time(), tick=True) as traveller:
            signal.signal(signal.SIGUSR1, _jumping(traveller))
            study.run_search(self.settings, self.dataset, _FORK)


def _jumping(traveller: time_machine.Traveller) -> Callable[[int, FrameType | None], None]:
    """What a signal does: the clock of the wall jumps. The monotonic one goes on, as it does in a real jump."""
    jumps = iter(_JUMP_HOURS * _MOST_SEARCHES)
    return lambda _number, _frame: traveller.shift(3600 * next(jumps))


@dataclass
class Disturbance:
    """What is done to searches, and what came of it.

    Args:
        rng: Decides when, what, and to whom.
        planned: How often to `kill` a process, to let what is needed go away (`outage`), to let the clock `jump`.
        needed: What goes away.
    """

    rng: random.Random
    planned: dict[str, int]
    needed: Needed | None = None
    done: Counter[str] = field(default_factory=Counter)
    ends: Counter[int] = field(default_factory=Counter)  # exit codes of the searches, negative for signals
    n_lost: int = 0
    _n_workers_in_a_row: int = 0
    _next: str = ""

    @property
    def left(self) -> list[str]:
        """What is still to be done, each as often as it is."""
        return [what for what, n in self.planned.items() for _ in range(n - self.done[what])]

    def disturb(self, pid: int) -> bool:
        """Do one of the things that are left to the search with this process number; returns whether it could be."""
        what = self._next = self._next or self._drawn()
        workers = [child.pid for child in psutil.Process(pid).children(recursive=True)]
        if what == "worker" and not workers:
            return False  # there will be one: it is what was drawn
        if what in ("study", "worker"):
            os.kill(pid if what == "study" else self.rng.choice(workers), signal.SIGKILL)
            self.done["kill"] += 1
        elif what == "jump":
            os.kill(pid, signal.SIGUSR1)
        elif self.needed is not None:
            self.needed.stop()
            time.sleep(self.rng.uniform(*_OUTAGE_SECS))
            self.needed.start()
        self.done[what] += 1
        self._next = ""
        return True

    def _drawn(self) -> str:
        """What happens next; a kill is one of the study's process or of a worker."""
        what = self.rng.choice(self.left)
        if what != "kill":
            return what
        is_worker = self._n_workers_in_a_row < _MOST_IN_A_ROW and self.rng.random() < 0.6
        self._n_workers_in_a_row = self._n_workers_in_a_row + 1 if is_worker else 0
        return "worker" if is_worker else "study"


def run(searches: Sequence[ForkedSearch], disturbance: Disturbance) -> int:
    """Run searches of one study, each again and again until it ends by itself; returns how many were started."""
    running = {search.start(): search for search in searches}
    n_started, known = len(searches), dict[int, FrozenTrial]()
    next_at = _next_moment(disturbance)
    while running:
        time.sleep(_POLL_SECS)
        for pid in [pid for pid in running if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE]:
            search, code = running.pop(pid), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            disturbance.ends[code] += 1
            known = _compared(search.settings, known, disturbance)
            if code != 0:
                n_started += 1
                running[search.start()] = search
        if n_started > _MOST_SEARCHES or disturbance.ends[_FAILED] > 2:
            raise RuntimeError(f"The study does not come to an end:\n{searches[0].log.read_text()[-3000:]}")
        if running and disturbance.left and time.monotonic() >= next_at:
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                if disturbance.disturb(disturbance.rng.choice(sorted(running))):
                    next_at = _next_moment(disturbance)
    return n_started


def _next_moment(disturbance: Disturbance) -> float:
    return time.monotonic() + disturbance.rng.uniform(_SHORTEST_SECS, _LONGEST_SECS)


def _compared(settings: Settings, known: dict[int, FrozenTrial], disturbance: Disturbance) -> dict[int, FrozenTrial]:
    """All trials that ended so far; those that were known and are not there any more, or not the same, are lost."""
    now = {trial.number: trial for trial in ended_trials(settings)}
    disturbance.n_lost += sum(now.get(number) != trial for number, trial in known.items())
    return {**known, **now}
