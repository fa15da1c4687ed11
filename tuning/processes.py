"""Processes that use TensorFlow, started within milliseconds: the study's own process never imports it.

TensorFlow takes four seconds to import, which is most of the time from the command to the first training step. On
Linux a *fork server* (Python's own, `multiprocessing.forkserver`) imports it once, beside everything that the study's
process has to do before it can begin, and every process that trains is forked from it. That is safe because the
server has imported TensorFlow but never used it: none of its thread pools exist yet (the one thread there is belongs to
jemalloc, inside pyarrow or TensorFlow, which looks after itself in a fork). Elsewhere every process imports it anew.

>>> warm_up()                                               # doctest: +SKIP
>>> answer = call("models.pretrained", "facts", "stand-in")   # doctest: +SKIP
>>> answer.result()                                         # doctest: +SKIP
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import signal
import sys
import threading
import types
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tuning.errors import SearchError, WorkerError

_PRELOADED = "tuning.worker_main"


@dataclass(frozen=True)
class Child:
    """A process and this end of the connection to it."""

    process: BaseProcess
    connection: Connection

    def end(self) -> None:
        """Kill the process if it still runs, and release what belongs to it."""
        self.process.kill()
        self.process.join()
        self.connection.close()


@dataclass(frozen=True)
class Answer:
    """The result of a function that another process computes."""

    child: Child

    def result(self) -> Any:  # noqa: ANN401 - whatever the function returns
        """Wait for the result.

        Raises:
            SearchError: The one that the function raised, or `WorkerError` if the process ended without an answer.
        """
        try:
            value = self.child.connection.recv()
        except EOFError:
            self.child.process.join()
            raise WorkerError(
                f"A process of this search {ending(self.child.process.exitcode)} before it had an answer: "
                "what it printed says why; run the search again."
            ) from None
        finally:
            self.child.end()
        if isinstance(value, SearchError):
            raise value
        return value


def warm_up() -> None:
    """Start the fork server, which imports TensorFlow in the background; nothing to do where there is none."""
    if _method() == "forkserver":
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([_PRELOADED])
        with _ctrl_c_ignored(), _importable():
            forkserver.ensure_running()


def start(module: str, function: str, *args: object, context: BaseContext | None = None) -> Child:
    """Start a process that calls a function by its name, so that its module is imported there and not here.

    Args:
        module: Dotted name of the function's module.
        function: Called with the process's end of the connection and `args`.
        args: Picklable.
        context: How to start a process; None for the best way of this system.
    """
    if context is None:
        warm_up()
        context = multiprocessing.get_context(_method())
    ours, theirs = context.Pipe()
    process: BaseProcess = context.Process(  # type: ignore[attr-defined]  # typeshed: only on its subclasses
        target=_run, args=(theirs, module, function, *args), daemon=True
    )
    with _ctrl_c_ignored() if _method() == "spawn" else contextlib.nullcontext(), _without_main():
        process.start()
    theirs.close()
    return Child(process, ours)


def call(module: str, function: str, *args: object, context: BaseContext | None = None) -> Answer:
    """Call a function in a process of its own; the answer is waited for when it is asked for its result."""
    return Answer(start(__name__, "_answer", module, function, *args, context=context))


def ending(exit_code: int | None) -> str:
    """How a process ended, as a clause."""
    if exit_code is not None and exit_code < 0:
        return f"was ended by {signal.Signals(-exit_code).name}"
    return f"ended with exit code {exit_code}"


def _method() -> str:
    # Forking without an exec is not safe with the frameworks of macOS, and Windows has no fork.
    return "forkserver" if sys.platform == "linux" else "spawn"


@contextlib.contextmanager
def _ctrl_c_ignored() -> Iterator[None]:
    """What starts here ignores Ctrl-C from its birth: it reaches the study's process alone, which ends the others."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """What starts here does not run the user's script again: it imports its function by name."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def _importable() -> Iterator[None]:
    """What starts here finds this very project; until Python 3.13 a fork server does not hear of `sys.path`."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[1]), *([before] if before else [])])
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def _run(connection: Connection, module: str, function: str, *args: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, ConnectionError):  # the study's process has closed the connection
        getattr(importlib.import_module(module), function)(connection, *args)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _answer(connection: Connection, module: str, function: str, *args: object) -> None:
    try:
        connection.send(getattr(importlib.import_module(module), function)(*args))
    except SearchError as error:
        connection.send(error)
