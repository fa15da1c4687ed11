"""The loading snippets of a model card, each in a virtual environment that holds numpy and that format's runtime alone.

python -m benchmarks.card_snippets exports/my-digits

An environment with TensorFlow takes a minute to install; `tests/test_export.py` does the two quick ones.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuning.export.formats import ALL_FORMATS, TFLITE_8BIT, Format

CARD = "MODEL_CARD.md"
_IMPORTED = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
_PROJECT = ("tuning", "models", "search_spaces", "optuna", "mlflow")


class NoPackages(Exception):
    """The packages cannot be installed: no package index is in reach."""


def snippets_of(folder: Path) -> list[tuple[Format, str]]:
    """What defines `inputs`, under the first format's name, and then each format's snippet, in the card's order."""
    card = (folder / CARD).read_text(encoding="utf-8")
    setup, *blocks = re.findall(r"```python\n(.*?)```", card.split("## How to load it")[1], flags=re.DOTALL)
    found = [(next(format for format in ALL_FORMATS if f'"{format.file}"' in code), code) for code in blocks]
    return [(ALL_FORMATS[0], setup), *found]


def run_snippet(code: str, folder: Path, inputs: NDArray[Any]) -> NDArray[np.float32]:
    """Run a snippet in this process, in the export's folder; returns what it computed."""
    names: dict[str, Any] = {"inputs": inputs}
    before = Path.cwd()
    os.chdir(folder)
    try:
        exec(code, names)
    finally:
        os.chdir(before)
    return np.asarray(names["probabilities"])


def run_alone(folder: Path, format: Format, inputs: NDArray[Any], environment: Path) -> NDArray[np.float32]:
    """Run a format's snippet, with the packages that stand above it in the card, in a new virtual environment.

    Args:
        folder: Of the export.
        format: One of those in its card.
        inputs: Raw inputs, shape (n, ...).
        environment: Folder of the environment, which does not exist yet.

    Raises:
        NoPackages: If they cannot be installed.
        RuntimeError: If the snippet fails, or the environment holds something of this project.
    """
    card = (folder / CARD).read_text(encoding="utf-8")
    (packages,) = re.findall(rf"^`{re.escape(format.file)}`: `pip install (.*)`$", card, flags=re.MULTILINE)
    code = next(code for found, code in snippets_of(folder)[1:] if found == format)
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "numpy", *packages.split()]
    installed = subprocess.run(pip, capture_output=True, text=True)
    if installed.returncode:
        raise NoPackages(f"pip cannot install {packages}: {installed.stderr.strip().splitlines()[-1]}")
    np.save(environment / "inputs.npy", inputs)
    script = "\n".join(
        [
            "import numpy as np",
            f"inputs = np.load({str(environment / 'inputs.npy')!r})",
            code,
            f"np.save({str(environment / 'outputs.npy')!r}, probabilities)",
            _IMPORTED,
        ]
    )
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
        "TF_CPP_MIN_LOG_LEVEL": "3"
    }
    done = subprocess.run([python, "-c", script], cwd=folder, env=environ, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"The snippet of {format.name} fails: {done.stderr}")
    if foreign := set(json.loads(done.stdout.splitlines()[-1])) & set(_PROJECT):
        raise RuntimeError(f"The environment of {format.name} holds {sorted(foreign)}.")
    return np.asarray(np.load(environment / "outputs.npy"))


def main(folder: Path) -> None:
    """Run every snippet of an export, on random inputs, and compare the outputs with the first one's."""
    setup, *snippets = snippets_of(folder)
    names: dict[str, Any] = {}
    exec(setup[1], names)
    shape, dtype = names["inputs"].shape[1:], names["inputs"].dtype
    inputs = np.random.default_rng(0).integers(0, 256, (100, *shape)).astype(dtype)
    expected = None
    for format, _ in snippets:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as environment:
            found = run_alone(folder, format, inputs, Path(environment) / "v")
        expected = found if expected is None else expected
        difference, limit = float(np.abs(found - expected).max()), 0.2 if format == TFLITE_8BIT else 1e-5
        print(f"{format.file}: differs by {difference:.1e}, {time.monotonic() - begun:.0f} s with its environment")
        if not difference <= limit:
            raise SystemExit(f"{format.file} differs by more than {limit:g}.")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
