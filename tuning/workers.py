"""Which process began a trial, and is it still alive? A killed process leaves its trial running for ever.

It is the process that holds the study (asks, reports, tells), not the one that trains for it: the first notices by
itself when the second dies (`tuning/pool.py`).

On the same machine the process table tells. Of another machine nothing is known but what it writes: every process
*beats* (changes an attribute of its running trials now and then), and who sees no sign of life for long enough takes
the trial for lost. Optuna's own heartbeats do this for an RDB storage alone, not for its gRPC proxy or a journal, and
compare clocks; here every process counts on its own monotonic clock how long it has *seen* nothing, so that neither a
clock that jumps nor a storage that was away for an hour costs a trial.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

WORKER = "worker"  # user attribute of a trial: the `Worker` that runs it
BEAT = "beat"  # user attribute of a running trial: a number that grows as long as its worker lives

BEAT_SECS = 20.0
_GRACE_SECS = 120.0

# The system reports a process's start time to a hundredth of a second.
_SAME_START_SECS = 1.0


@dataclass(frozen=True)
class Worker:
    """One process that holds the study.

    Args:
        host: Name of its machine.
        pid: Its number.
        started: Seconds after the machine's start: tells it from a later process with the same number, and does not
            depend on what time the machine takes it to be.
        system: Which start of which machine, and which of its process tables (every container has one): the number
            means nothing elsewhere. Empty where the system does not tell.
    """

    host: str
    pid: int
    started: float
    system: str = ""

    @classmethod
    def this(cls) -> Worker:
        """The running process."""
        return cls(socket.gethostname(), os.getpid(), _started(os.getpid()), _system())

    def as_attr(self) -> dict[str, str | int | float]:
        """The worker as a trial's attribute."""
        return asdict(self)


def is_gone(attr: Mapping[str, object] | None, here: Worker) -> bool:
    """Whether the process that began a trial is certainly gone.

    Of another machine only that machine can tell, and of a trial without the attribute (a trial of a script of the
    user's own, say) nobody.
    """
    if attr is None or not _is_here(attr, here):
        return False
    try:
        started = _started(int(str(attr["pid"])))
    except psutil.NoSuchProcess:
        return True
    return abs(started - float(str(attr["started"]))) > _SAME_START_SECS


def is_other(attr: Mapping[str, object] | None, here: Worker) -> bool:
    """Whether another process than this one began a trial."""
    return attr is None or not (_is_here(attr, here) and attr["pid"] == here.pid) or is_gone(attr, here)


@dataclass
class Witness:
    """How long each running trial of other processes has shown no sign of life while this process was looking.

    Args:
        grace_secs: A trial that shows none for longer is lost.
        clock: Seconds; only differences count.
    """

    grace_secs: float = _GRACE_SECS
    clock: Callable[[], float] = time.monotonic
    _last_look: float | None = field(default=None, init=False)
    _seen: dict[int, tuple[object, float]] = field(default_factory=dict, init=False)

    def look(self, signs: Mapping[int, object]) -> None:
        """Note what each trial, by its number, shows now: anything that changes as long as its worker lives."""
        now = self.clock()
        # However long nobody looked (a storage that was away, a machine that slept), nothing was missed but one beat.
        passed = 0.0 if self._last_look is None else min(now - self._last_look, 2 * BEAT_SECS)
        before, self._last_look = self._seen, now
        self._seen = {
            number: (sign, before[number][1] + passed if number in before and before[number][0] == sign else 0.0)
            for number, sign in signs.items()
        }

    def is_lost(self, number: int) -> bool:
        """Whether a trial has shown no sign of life for too long."""
        return number in self._seen and self._seen[number][1] > self.grace_secs


def _is_here(attr: Mapping[str, object], here: Worker) -> bool:
    # A study from before there was `system` was held by a process that is gone by now.
    return attr["host"] == here.host and attr.get("system", here.system) == here.system


def _started(pid: int) -> float:
    booted = psutil.boot_time()  # by the same clock as the process's start: their difference is the same for ever
    return psutil.Process(pid).create_time() - booted


def _system() -> str:
    with contextlib.suppress(OSError):
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot_id}:{Path('/proc/self/ns/pid').stat().st_ino}"
    return ""
