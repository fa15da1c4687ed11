"""Exports are whole or absent, and never take the place of what is not ours."""

from pathlib import Path

import keras
import numpy as np
import pytest

from models.mlp import InputFormat, build_mlp
from tuning.errors import ExportError
from tuning.export import round_trip, writing

INPUTS = np.random.default_rng(0).integers(0, 256, (8, 4, 4), dtype=np.uint8)


@pytest.fixture
def model() -> keras.Model:
    """A small network with preprocessing inside."""
    params = {"units": 5, "layers": 1, "dropout": 0.2, "l2": 0.0}
    return build_mlp(params, InputFormat((4, 4), "uint8", 0.0, 1 / 255), n_classes=3, seed=0)


def test_an_export_replaces_an_earlier_one(model: keras.Model, tmp_path: Path) -> None:
    """What it wrote is in place, nothing else is left beside it, and it reproduces the model."""
    for _ in range(2):
        exported = writing.export_model(model, tmp_path / "out", INPUTS, {"study": "x"})
    assert ["out"] == [path.name for path in tmp_path.iterdir()]
    assert {"model.keras", "saved_model", "overfit-backoff.json"} == {
        path.name for path in (tmp_path / "out").iterdir()
    }
    assert exported.max_difference <= round_trip.TOLERANCE
    assert len(INPUTS) == exported.n_checked


def test_a_difference_fails_and_leaves_the_earlier_export(
    model: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a tolerance that nothing can meet, the old files stay and no half export remains."""
    writing.export_model(model, tmp_path / "out", INPUTS, {"study": "first"})
    monkeypatch.setattr(round_trip, "TOLERANCE", -1.0)
    with pytest.raises(ExportError, match="differs from the scored model"):
        writing.export_model(model, tmp_path / "out", INPUTS, {"study": "second"})
    assert ["out"] == [path.name for path in tmp_path.iterdir()]
    assert '"first"' in (tmp_path / "out" / "overfit-backoff.json").read_text()


def test_a_folder_of_somebody_else_is_left_alone(model: keras.Model, tmp_path: Path) -> None:
    """Even where the check before the first trial was long ago."""
    (tmp_path / "thesis.txt").write_text("five years of work")
    with pytest.raises(ExportError, match="not an export of ours"):
        writing.export_model(model, tmp_path, INPUTS, {})
    assert ["thesis.txt"] == [path.name for path in tmp_path.iterdir()]
