"""Read an exported file back, in a process that has nothing but its runtime: its outputs and its latency.

`read_back` starts the process; `python -m tuning.export.read_back` is that process. It imports numpy and the file's
runtime; the model's own code does not exist there, so a file that needs it fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuning.errors import ExportError
from tuning.evaluation import Latency, measure_latency
from tuning.export.formats import ALL_FORMATS, Format
from tuning.export.runtimes import load_file, runtime_version

_BATCH = 1_000
_TIMEOUT_SECS = 300.0


@dataclass(frozen=True, eq=False)
class ReadBack:
    """What a file gives: outputs of shape (n, classes), latency, and the runtime with its version."""

    outputs: NDArray[np.float32]
    latency: tuple[Latency, ...]
    runtime: str


def read_back(format: Format, path: Path, inputs: NDArray[Any], n_threads: int) -> ReadBack:
    """Load a file in a fresh process, run it on all inputs and measure its latency.

    Args:
        format: Of the file.
        path: The file, or the folder of a SavedModel.
        inputs: Raw inputs, shape (n, ...).
        n_threads: Threads of the runtime, >= 1.

    Raises:
        ExportError: If the process cannot load or run it.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "inputs.npy", inputs)
        command = [sys.executable, "-m", "tuning.export.read_back", format.name, str(path), name, str(n_threads)]
        environ = {**os.environ, "PYTHONPATH": _python_path(), "TF_CPP_MIN_LOG_LEVEL": "3"}
        try:
            done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=_TIMEOUT_SECS)
        except subprocess.TimeoutExpired as error:
            raise ExportError(f"{path.name} gave no answer within {_TIMEOUT_SECS:g} s in a fresh process.") from error
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise ExportError(f"{path.name} cannot be loaded and run in a fresh process ({reason}).")
        facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
        return ReadBack(
            np.load(folder / "outputs.npy"), tuple(Latency(**each) for each in facts["latency"]), facts["runtime"]
        )


def _python_path() -> str:
    """What makes this very project importable in the new process."""
    known = os.environ.get("PYTHONPATH")
    return os.pathsep.join([str(Path(__file__).parents[1]), *([known] if known else [])])


def main(args: Sequence[str]) -> None:
    """Load, run, measure, and write both into a folder: format, path, folder, number of threads."""
    name, path, folder, n_threads = args[0], Path(args[1]), Path(args[2]), int(args[3])
    format = next(each for each in ALL_FORMATS if each.name == name)
    inputs = np.load(folder / "inputs.npy", mmap_mode="r")
    predict = load_file(format, path, n_threads)
    batches = [np.array(inputs[i : i + _BATCH]) for i in range(0, len(inputs), _BATCH)]
    np.save(folder / "outputs.npy", np.concatenate([predict(batch) for batch in batches]))
    latency = measure_latency(predict, np.array(inputs[:_BATCH]))
    facts = {"latency": [asdict(each) for each in latency], "runtime": runtime_version(format)}
    (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
