"""TensorBoard's event files, read back by TensorBoard itself; its server is asked in test_dashboards.py."""

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from tuning.errors import SettingsError, StorageError
from tuning.tensorboard_log import TensorBoardCallback, learning_curves
from tuning.trial_attrs import DECISION, OUTCOME

PARAMS = {"units": 64, "l2": 1e-4, "activation": "relu", "dropout": None}
DISTRIBUTIONS = {
    "units": IntDistribution(8, 512, log=True),
    "l2": FloatDistribution(0.0, 0.1),
    "activation": CategoricalDistribution(("relu", "tanh")),
    "dropout": CategoricalDistribution((None, 0.2)),
}
CURVES = {
    "train_loss": [0.5, 0.25, math.nan],
    "train_error": [0.25, 0.125, 0.0],
    "val_loss": [0.75, 0.5, 1.0],
    "val_error": [0.5, 0.25, 0.25],
    "val_loss_sd": [1.0, 1.0, 1.0],
}
FOUND = {OUTCOME: "complete", "curves": CURVES, "best_epoch": 2, "n_params": 4810, "diagnosis": {"sentence": "fits"}}


def a_study() -> optuna.Study:
    """A complete trial with curves, a pruned one that only reported, and one that failed at once."""
    decision = {DECISION: {"phase": "back off", "move": "poll", "reason": "more dropout"}}
    study = optuna.create_study(study_name="s")
    study.add_trial(
        create_trial(params=PARAMS, distributions=DISTRIBUTIONS, value=0.5, user_attrs=FOUND, system_attrs=decision)
    )
    reported = {1: 0.75, 2: 0.625}
    pruned, failed = TrialState.PRUNED, TrialState.FAIL
    study.add_trial(
        create_trial(state=pruned, params=PARAMS, distributions=DISTRIBUTIONS, intermediate_values=reported)
    )
    study.add_trial(create_trial(state=failed))
    return study


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_curves_are_named_as_keras_names_them() -> None:
    """By run, epoch from 1 and tag; spreads of examples are no curves, and a foreign attribute is none either."""
    complete, pruned, failed = a_study().trials
    found = learning_curves(complete, "val_loss")
    assert ["train", "validation"] == list(found)
    assert {"epoch_loss": 0.5, "epoch_error": 0.25} == found["validation"][2]
    assert {"reported": {1: {"val_loss": 0.75}, 2: {"val_loss": 0.625}}} == learning_curves(pruned, "val_loss")
    assert {} == learning_curves(failed, "val_loss")
    foreign = create_trial(value=1.0, user_attrs={"curves": "steep"})
    assert {} == learning_curves(foreign, "val_loss")


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    """With the option and the value."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"`--tensorboard` must be a folder that can be written, got .*file"):
        TensorBoardCallback(tmp_path / "file")
    with pytest.raises(StorageError, match="File name too long"):
        TensorBoardCallback(tmp_path / ("a" * 300))
    assert {"file": b""} == files(tmp_path)


def test_without_tensorboard_the_way_to_install_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is optional."""
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    for name in [name for name in sys.modules if name.startswith("tensorboard.") or name == "tuning.event_files"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("tuning.event_files", raising=False)
    with pytest.raises(SettingsError, match=r'pip install "overfit-backoff\[tensorboard\]"'):
        TensorBoardCallback(tmp_path)


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The log directory of the study."""
    folder = tmp_path_factory.mktemp("runs")
    TensorBoardCallback(folder, "val_loss").catch_up(a_study())
    yield folder


def test_a_trial_is_written_once(logged: Path) -> None:
    """Whoever writes the study again, in this process or another, doubles nothing."""
    before = files(logged)
    again = TensorBoardCallback(logged, "val_loss")
    again.catch_up(a_study())
    again.catch_up(a_study())
    assert before == files(logged)
    runs = ("trial-0", "trial-0/train", "trial-0/validation", "trial-1", "trial-1/reported", "trial-2")
    assert sorted(f"s/{run}/events.out.tfevents.{run.split('/')[0]}" for run in runs) == sorted(before)


def test_a_trial_that_was_cut_off_in_the_middle_is_written_anew(logged: Path) -> None:
    """Its own run is the last of its files."""
    before = files(logged)
    (logged / "s/trial-0/events.out.tfevents.trial-0").unlink()
    TensorBoardCallback(logged, "val_loss").catch_up(a_study())
    assert before.keys() == files(logged).keys()


def accumulated(run: Path) -> Any:  # noqa: ANN401 - tensorboard has no types
    """A run as TensorBoard reads it."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(run))
    return accumulator.Reload()


@pytest.mark.slow
def test_tensorboard_reads_the_scalars(logged: Path) -> None:
    """Learning curves with their epochs, NaN included, and the numbers of HPARAMS at the best epoch."""

    def scalars(run: str, tag: str) -> list[tuple[int, float]]:
        return [(each.step, each.value) for each in accumulated(logged / run).Scalars(tag)]

    assert [(1, 0.75), (2, 0.5), (3, 1.0)] == scalars("s/trial-0/validation", "epoch_loss")
    assert [0.5, 0.25] == [value for _, value in scalars("s/trial-0/train", "epoch_loss")][:2]
    assert math.isnan(scalars("s/trial-0/train", "epoch_loss")[2][1])
    assert [(2, 0.5)] == scalars("s/trial-0", "val_loss")
    assert [(2, 4810.0)] == scalars("s/trial-0", "n_params")
    assert [(1, 0.75), (2, 0.625)] == scalars("s/trial-1/reported", "val_loss")


@pytest.mark.slow
def test_tensorboard_reads_hyperparameters_status_and_note(logged: Path) -> None:
    """Numbers as numbers, words as words; only a failed trial is a failure."""
    from tensorboard.plugins.hparams import api_pb2, metadata
    from tensorboard.util.tensor_util import make_ndarray

    runs = [accumulated(logged / f"s/trial-{number}") for number in range(3)]
    contents = [run.PluginTagToContent("hparams") for run in runs]
    ends = [metadata.parse_session_end_info_plugin_data(each[metadata.SESSION_END_INFO_TAG]) for each in contents]
    ok, failure = api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE
    assert [ok, ok, failure] == [end.status for end in ends]
    start = metadata.parse_session_start_info_plugin_data(contents[0][metadata.SESSION_START_INFO_TAG])
    assert "s trial-0" == start.group_name
    assert (64.0, 1e-4) == (start.hparams["units"].number_value, start.hparams["l2"].number_value)
    assert ("relu", "None") == (start.hparams["activation"].string_value, start.hparams["dropout"].string_value)
    (note,) = runs[0].Tensors("note")
    assert b"**Why it was tried:** more dropout." in make_ndarray(note.tensor_proto).item()
