"""Runs searches in forked processes that kill themselves with `kill -9` at a given line; used by test_kill.py.

Usage: python kill_driver.py FOLDER DATA N_TRIALS LINE [LINE ...]

TensorFlow is imported once and never used in this process, so each fork starts within milliseconds. Every fork but
the last counts the lines it executes in the project's own files and kills itself at the given one; the last one runs
to the end.
"""

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
from tuning.study import run_search  # noqa: E402

OURS = str(Path(cli.__file__).parent)


def kill_at(line: int) -> None:
    """Kill this process when it has executed `line` lines of the project's own code."""
    count = 0

    def trace(frame: FrameType, event: str, arg: Any) -> Any:  # noqa: ANN401 - the signature of sys.settrace
        nonlocal count
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        if event == "line":
            count += 1
            if count == line:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)


def run(folder: Path, data: str, n_trials: int, kill_line: int | None) -> int:
    """Fork one search; returns how it ended (negative: the signal that killed it)."""
    pid = os.fork()
    if pid == 0:
        os.chdir(folder)
        settings = Settings(folder, "killed", data, n_trials, max_epochs=3, quiet=True)
        dataset = load_dataset(data, seed=0, environ=os.environ)
        if kill_line is not None:
            kill_at(kill_line)
        run_search(settings, dataset)
        sys.settrace(None)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    target, name, trials = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    ends = [run(target, name, trials, int(line)) for line in sys.argv[4:]]
    print("ends", *ends, run(target, name, trials, None))
