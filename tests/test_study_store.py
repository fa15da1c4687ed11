"""The Optuna study behind a search: fingerprint, killed trials, unusable storages, weights."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import psutil
import pytest
from optuna.trial import TrialState

from search_spaces import mlp_space
from tuning.errors import ExportError, StorageError, StudyError
from tuning.masking import masked
from tuning.sampler import OverfitBackoffSampler
from tuning.settings import Settings
from tuning.storages import open_storage
from tuning.strategy.records import Outcome
from tuning.study_store import close_killed, differing, load_study, n_before, n_counted, open_study, others_running
from tuning.trial_attrs import OUTCOME_REASON, best_of, outcome_of
from tuning.weights import WeightStore
from tuning.workers import WORKER, Witness, Worker, is_gone

HERE = Worker("here", 1, 0.0)


def opened(root: Path, **fingerprint: object) -> optuna.Study:
    """Open the study `mine` with a fingerprint."""
    return open_study(Settings(root, "mine"), OverfitBackoffSampler(mlp_space()), {"data": "digits", **fingerprint})


def test_a_study_is_resumed_by_its_name(tmp_path: Path) -> None:
    """The second opening finds the trials of the first."""
    opened(tmp_path).add_trial(optuna.trial.create_trial(value=1.0))
    assert [1.0] == [trial.value for trial in opened(tmp_path).trials]


def test_another_fingerprint_is_refused_with_the_difference(tmp_path: Path) -> None:
    """Only what differs is told."""
    opened(tmp_path, seed=0)
    with pytest.raises(StudyError, match="exists with seed 0 instead of 1: resume"):
        opened(tmp_path, seed=1)


def test_a_difference_names_what_is_missing_on_one_side() -> None:
    """A key that only one fingerprint has differs from null."""
    assert "" == differing({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1})
    assert "c null instead of 3" == differing({"a": 1}, {"a": 1, "c": 3})


def test_an_unknown_study_lists_the_known_ones(tmp_path: Path) -> None:
    """A slip of the pen is easy to mend."""
    opened(tmp_path)
    with pytest.raises(StudyError, match="no study 'yours'. Known studies: mine"):
        load_study(tmp_path, "yours", None)


@pytest.mark.parametrize("url", ["sqlite:////no/such/folder/x.db", "nonsense://me:secret@host/x"])
def test_an_unusable_storage_is_one_sentence_without_the_password(url: str, tmp_path: Path) -> None:
    """Whatever the driver raises, the user reads where and what to do."""
    with pytest.raises(StorageError, match="--storage") as raised:
        open_storage(url, tmp_path)
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_password_is_masked() -> None:
    """The host stays readable, also where the password holds what separates the parts of a URL."""
    assert "postgresql://***@host/db" == masked("postgresql://me:s3cr:et@host/db")
    assert "postgresql://***@host/db" == masked("postgresql://me:s3c@ret@host/db")
    assert "sqlite:///plain.db" == masked("sqlite:///plain.db")


def dead_worker() -> dict[str, Any]:
    """The attribute of a process that has ended."""
    code = "from tuning.workers import Worker; print(Worker.this().pid, Worker.this().started)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    return {**Worker.this().as_attr(), "pid": int(out[0]), "started": float(out[1])}


def test_only_a_process_that_is_certainly_gone_is_gone() -> None:
    """Alive, dead, another process under the same number, another host or container, nobody's."""
    this = Worker.this()
    assert not is_gone(this.as_attr(), this)
    assert is_gone(dead_worker(), this)
    assert is_gone({**this.as_attr(), "started": this.started - 100}, this)
    assert not is_gone({**dead_worker(), "host": "elsewhere"}, this)
    assert not is_gone({**dead_worker(), "system": "another container"}, this)
    assert not is_gone(None, this)


def test_a_clock_that_jumps_changes_no_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system tells a process's start by the clock of the wall; an hour more or less is the same process."""
    before = Worker.this()
    boot_time, create_time = psutil.boot_time, psutil.Process.create_time
    monkeypatch.setattr(psutil, "boot_time", lambda: boot_time() - 3600)
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: create_time(process) - 3600)
    assert before == Worker.this()
    assert not is_gone(before.as_attr(), Worker.this())


def test_the_trial_of_a_dead_process_is_closed_with_its_reason(tmp_path: Path) -> None:
    """It becomes a failed trial that uses up no budget; the trial of a living process is left alone."""
    study = opened(tmp_path)
    dead, alive = study.ask(), study.ask()
    dead.set_user_attr(WORKER, dead_worker())
    alive.set_user_attr(WORKER, Worker.this().as_attr())
    assert [dead.number] == [trial.number for trial in close_killed(study, Worker.this())]
    closed, running = study.trials
    assert (TrialState.FAIL, Outcome.KILLED) == (closed.state, outcome_of(closed))
    assert "the process that ran it is gone" == closed.user_attrs[OUTCOME_REASON]
    assert TrialState.RUNNING is running.state
    assert 0 == n_counted(study)


class Model:
    """Two arrays of weights."""

    def __init__(self, *weights: np.ndarray) -> None:
        self.weights = list(weights)

    def get_weights(self) -> list[np.ndarray]:
        """Keras' name for it."""
        return self.weights

    def set_weights(self, weights: list[np.ndarray]) -> None:
        """Keras' name for it."""
        self.weights = weights


def test_cleaning_keeps_the_best_and_what_is_not_told_yet(tmp_path: Path) -> None:
    """Another worker may have written the weights of a running trial, which may become the best one."""
    study, store = optuna.create_study(), WeightStore(tmp_path / "weights")
    for value in (2.0, 1.0, 3.0):
        store.write(len(study.trials), Model(np.full(3, value), np.eye(2)))
        study.add_trial(optuna.trial.create_trial(value=value))
    for _ in range(2):
        store.write(study.ask().number, Model(np.zeros(1)))
    (tmp_path / "weights" / ".trial-0.99.npz").write_bytes(b"half of a trial that was killed while it wrote")
    best = best_of(study)
    assert best is not None
    # The last trial is not in the list: it began after the list was read.
    store.clean(study.trials[:-1], [best.number])
    assert ["trial-1.npz", "trial-3.npz", "trial-4.npz"] == sorted(path.name for path in store.folder.iterdir())
    assert [False, True] == [store.has(number) for number in (0, 1)]
    model = Model()
    store.load(1, model)
    np.testing.assert_array_equal(np.full(3, 1.0), model.weights[0])
    with pytest.raises(ExportError, match="weights of trial 0 are not in weights/ \\(kept: 1, 3, 4\\)"):
        store.load(0, model)


def test_the_best_trial_is_the_first_of_equals_in_the_study_s_direction() -> None:
    """As Optuna's own; None where no trial is complete."""
    for direction, expected in (("minimize", 1), ("maximize", 0)):
        study = optuna.create_study(direction=direction)
        assert best_of(study) is None
        study.add_trials([optuna.trial.create_trial(value=value) for value in (3.0, 1.0, 1.0, 3.0)])
        best = best_of(study)
        assert best is not None
        assert expected == best.number == study.best_trial.number


def test_trials_of_other_living_processes_are_waited_for(tmp_path: Path) -> None:
    """Not those of this process or of a dead one; of one that has not said who it is nothing is known."""
    study = opened(tmp_path)
    this = Worker.this()
    init = Worker(this.host, 1, psutil.Process(1).create_time() - psutil.boot_time(), this.system)
    for attr in (this.as_attr(), dead_worker(), init.as_attr(), {**this.as_attr(), "host": "elsewhere"}, None):
        study.ask().set_user_attr(WORKER, attr)
    assert [2, 3, 4] == [trial.number for trial in others_running(study, this)]


def test_a_trial_is_signed_when_it_is_created(tmp_path: Path) -> None:
    """There is no moment in which it has no worker, so no other process takes it for one that nobody runs."""
    study = opened(tmp_path)
    study._storage.create_new_trial(study._study_id)
    signature = study.trials[0].user_attrs[WORKER]
    assert Worker.this().as_attr().items() <= signature.items()
    assert [] == close_killed(study, Worker.this())


def test_a_trial_of_another_machine_without_a_sign_of_life_is_lost(tmp_path: Path) -> None:
    """Counted on this process's clock, and only while it looked; a sign of life begins the count anew."""
    study, now = opened(tmp_path), [0.0]
    witness = Witness(grace_secs=100, clock=lambda: now[0])
    here = Worker.this()
    dead, alive = study.ask(), study.ask()
    for trial in (dead, alive):
        trial.set_user_attr(WORKER, {**here.as_attr(), "host": "elsewhere"})
    seen = []
    for now[0] in (0.0, 7200.0, 7240.0, 7280.0):  # the storage, or this machine, was away for two hours
        alive.report(1.0, int(now[0]))
        seen.append([trial.number for trial in others_running(study, here, witness)])
    assert [[0, 1], [0, 1], [0, 1], [1]] == seen
    (closed,) = close_killed(study, here, witness)
    reason = f"process {here.pid} on elsewhere has shown no sign of life for 100 s"
    assert (0, reason) == (closed.number, study.trials[0].user_attrs[OUTCOME_REASON])
    assert Outcome.KILLED is outcome_of(study.trials[0])


def test_trials_before_a_number_count_unless_they_were_killed(tmp_path: Path) -> None:
    """Running ones count: they may use up budget yet."""
    study = opened(tmp_path)
    study.add_trial(optuna.trial.create_trial(value=1.0))
    study.add_trial(optuna.trial.create_trial(state=TrialState.FAIL, user_attrs={"outcome": "killed"}))
    study.ask()
    assert [0, 1, 1, 2] == [n_before(study, number) for number in range(4)]
