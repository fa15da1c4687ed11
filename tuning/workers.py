"""Which process began a trial, and is it still alive? A killed process leaves its trial running for ever.

It is the process that holds the study (asks, reports, tells), not the one that trains for it: the first notices by
itself when the second dies (`tuning/pool.py`).

Optuna's own heartbeats need an RDB storage; a process's host, number and start time tell the same for any storage.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import psutil

WORKER = "worker"  # user attribute of a trial: the `Worker` that runs it

# The system reports a process's start time to a hundredth of a second.
_SAME_START_SECS = 1.0


@dataclass(frozen=True)
class Worker:
    """One process that holds the study: the start time tells it from a later process with the same number."""

    host: str
    pid: int
    started: float  # seconds since the epoch

    @classmethod
    def this(cls) -> Worker:
        """The running process."""
        return cls(socket.gethostname(), os.getpid(), psutil.Process().create_time())

    def as_attr(self) -> dict[str, str | int | float]:
        """The worker as a trial's attribute."""
        return asdict(self)


def is_gone(attr: Mapping[str, object] | None, here: Worker) -> bool:
    """Whether the process that began a trial is certainly gone.

    A trial of another host is left alone: only that host can tell. A trial without the attribute was killed before
    it got one, which happens in the first milliseconds of a trial.
    """
    if attr is None:
        return True
    if attr["host"] != here.host:
        return False
    try:
        started = psutil.Process(int(str(attr["pid"]))).create_time()
    except psutil.NoSuchProcess:
        return True
    return abs(started - float(str(attr["started"]))) > _SAME_START_SECS


def is_alive_elsewhere(attr: Mapping[str, object] | None, here: Worker) -> bool:
    """Whether the process that began a trial is certainly another one of this host, and alive."""
    if attr is None or attr["host"] != here.host or attr["pid"] == here.pid:
        return False
    return not is_gone(attr, here)
