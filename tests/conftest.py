"""What all tests share: quiet libraries, and where full MNIST is."""

import os
from pathlib import Path

import pytest

# Both are read when the library is imported.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture
def full_mnist() -> Path:
    """The file of full MNIST; tests that need it are skipped where `TUNING_MNIST` names none."""
    path = os.environ.get("TUNING_MNIST")
    if not path:
        pytest.skip("full MNIST is not here: set TUNING_MNIST to Keras' mnist.npz")
    return Path(path)
