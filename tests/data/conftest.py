"""A small sound data set, for tests to spoil in one place, and the way a user's file is loaded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tuning.data import Dataset, load_dataset
from tuning.task import Task

Arrays = dict[str, NDArray[Any]]


@pytest.fixture
def sound() -> Arrays:
    """60 random grey pictures of three classes with 12 more for the test."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(72, 4, 4), dtype=np.uint8)
    labels = np.arange(72) % 3
    return {"x_train": images[:60], "y_train": labels[:60], "x_test": images[60:], "y_test": labels[60:]}


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Dataset]:
    """Saves arrays as a user's .npz file and loads that file."""

    def save_and_load(arrays: Arrays, seed: int = 0, task: Task | None = None) -> Dataset:
        path = tmp_path / "own.npz"
        np.savez(path, **arrays)  # type: ignore[arg-type]
        return load_dataset(str(path), seed=seed, environ={}, task=task)

    return save_and_load
