"""Runs searches in forked processes that kill themselves with `kill -9` at a given line; used by test_kill.py.

Usage: python kill_driver.py FOLDER DATA N_TRIALS search|workers LINE [LINE ...]

TensorFlow is imported once and never used in this process, so each fork starts within milliseconds. A process counts
the lines that it executes in the project's own files and kills itself at the given one. `search`: one search for each
line, which kills the process that holds the study, and a last one that runs to the end. `workers`: one search, in
which one worker after the other kills itself.
"""

import multiprocessing
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from tuning import cli
from tuning.data import load_dataset
from tuning.settings import Settings

cli.import_tensorflow()
import tuning.worker_main  # noqa: E402, F401 - what a worker needs
from tuning.study import run_search  # noqa: E402

OURS = str(Path(cli.__file__).parent)


def kill_at(line: int, beginning_in: str = "") -> None:
    """Kill this process when it has executed `line` lines of the project's own code, from a function's begin on."""
    count, counts = 0, not beginning_in

    def trace(frame: FrameType, event: str, arg: Any) -> Any:  # noqa: ANN401 - the signature of sys.settrace
        nonlocal count, counts
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        counts = counts or frame.f_code.co_name == beginning_in
        if counts and event == "line":
            count += 1
            if count == line:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)


def kill_next_worker(lines: Path) -> None:
    """In a worker that was just forked: take a line from the file, if there is one left, and die there."""
    sys.settrace(None)
    first, *rest = lines.read_text().split() or [""]
    if first:
        kill_at(int(first), beginning_in="run_trials")
        lines.write_text(" ".join(rest))


def run(folder: Path, data: str, n_trials: int, kill_line: int | None) -> int:
    """Fork one search; returns how it ended (negative: the signal that killed it)."""
    pid = os.fork()
    if pid == 0:
        os.chdir(folder)
        settings = Settings(folder, "killed", data, n_trials, max_epochs=3, n_workers=1, quiet=True)
        dataset = load_dataset(data, seed=0, environ=os.environ)
        if kill_line is not None:
            kill_at(kill_line)
        run_search(settings, dataset, multiprocessing.get_context("fork"))
        sys.settrace(None)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def main(folder: Path, data: str, n_trials: int, who: str, lines: list[int]) -> None:
    """Run the searches and print how they ended."""
    if who == "search":
        os.register_at_fork(after_in_child=lambda: sys.settrace(None))
        ends = [run(folder, data, n_trials, line) for line in lines]
    else:
        left = folder / "lines"
        left.write_text(" ".join(map(str, lines)))
        os.register_at_fork(after_in_child=lambda: kill_next_worker(left) if os.getppid() != driver else None)
        ends = []
    print("ends", *ends, run(folder, data, n_trials, None))


if __name__ == "__main__":
    driver = os.getpid()
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4], [int(line) for line in sys.argv[5:]])
