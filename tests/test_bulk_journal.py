"""A journal that is opened quickly comes to what Optuna makes of it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution, distribution_to_json
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._storage import JournalOperation
from optuna.trial import FrozenTrial, TrialState, create_trial

from tuning import bulk_journal
from tuning.bulk_journal import BulkJournalFile, BulkJournalStorage

DROPOUT = FloatDistribution(0.0, 0.8)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A journal with several studies."""
    path = tmp_path_factory.mktemp("written") / "journal"
    storage = JournalStorage(JournalFileBackend(str(path)))
    fill(storage, "first")
    fill(storage, "second")
    optuna.delete_study(study_name="first", storage=storage)
    fill(storage, "third")
    return path.read_bytes()


@pytest.fixture
def path(written: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of that journal, which is read a few lines at a time."""
    monkeypatch.setattr(bulk_journal, "_N_LINES", 3)
    (tmp_path / "journal").write_bytes(written)
    return tmp_path / "journal"


def fill(storage: JournalStorage, name: str) -> None:
    """A study with everything that a journal can say, and what another process said too late."""
    study = optuna.create_study(storage=storage, study_name=name)
    study.set_user_attr("data", {"name": "digits"})
    storage.set_study_system_attr(study._study_id, "study:metric_names", ["val_loss"])
    whole = create_trial(value=0.5, params={"units": 64}, distributions={"units": IntDistribution(16, 2048, log=True)})
    study.add_trial(whole)
    study.enqueue_trial({"dropout": 0.2})
    for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, None):
        trial = study.ask()
        trial.set_user_attr("levers", ["units"])
        trial.suggest_float("dropout", 0.0, 0.8)
        trial.suggest_int("units", 16, 2048, log=True)
        trial.report(0.5, 1)
        trial.report(0.25, 2)
        if state is not None:
            study.tell(trial, 0.25 if state is TrialState.COMPLETE else None, state=state)
    of = {"worker_id": "another process", "trial_id": trial._trial_id}
    late = {**of, "trial_id": trial._trial_id - 1}  # it has ended
    unlike = distribution_to_json(IntDistribution(1, 9))
    logs = [
        {**of, "op_code": JournalOperation.SET_TRIAL_PARAM, "param_name": "units", "param_value_internal": 3.0},
        {**late, "op_code": JournalOperation.SET_TRIAL_PARAM, "param_name": "x", "param_value_internal": 3.0},
    ]
    storage._backend.append_logs([{**log, "distribution": unlike} for log in logs])
    storage._backend.append_logs([{**late, "op_code": JournalOperation.SET_TRIAL_USER_ATTR, "user_attr": {"x": 1}}])
    storage._backend.append_logs([{**of, "op_code": JournalOperation.SET_TRIAL_USER_ATTR, "user_attr": {"x": 2}}])


def opened(path: Path) -> tuple[BulkJournalStorage, JournalStorage]:
    """The journal as this project opens it, and as Optuna does."""
    return BulkJournalStorage(BulkJournalFile(str(path))), JournalStorage(JournalFileBackend(str(path)))


def trials_of(storage: BaseStorage, name: str) -> list[FrozenTrial]:
    """Not copies."""
    return storage.get_all_trials(storage.get_study_id_from_name(name), deepcopy=False)


def assert_alike(found: BaseStorage, expected: BaseStorage) -> None:
    """All studies and all trials are the same, and so is the order of the parameters."""
    assert [vars(each) for each in found.get_all_studies()] == [vars(each) for each in expected.get_all_studies()]
    for name in ("second", "third"):
        ours, optunas = trials_of(found, name), trials_of(expected, name)
        assert ours == optunas
        assert [list(each.params) for each in ours] == [list(each.params) for each in optunas]


def test_it_comes_to_what_optuna_makes_of_it(path: Path) -> None:
    """Every state, value, parameter and attribute; what came too late, and what does not fit, changes nothing."""
    found, expected = opened(path)
    assert_alike(found, expected)
    states = {each.state for each in trials_of(found, "third")}
    assert states == {*TrialState} - {TrialState.WAITING}
    assert trials_of(found, "third")[-1].user_attrs == {"levers": ["units"], "x": 2}


def test_both_go_on_alike(path: Path) -> None:
    """What each of them writes the other one reads."""
    found, expected = opened(path)
    for storage in (found, expected):
        study = optuna.load_study(study_name="third", storage=storage)
        study.tell(study.ask({"dropout": DROPOUT}), 0.1)
        study.set_user_attr("again", True)
    assert_alike(found, expected)
    assert_alike(*opened(path))


def test_a_trial_that_was_given_out_stays_as_it_is(path: Path) -> None:
    """Who holds one compares it with a later one."""
    storage, _ = opened(path)
    before = trials_of(storage, "third")[-1]
    storage.set_trial_user_attr(before._trial_id, "new", 1)
    assert (None, 1) == tuple(each.user_attrs.get("new") for each in (before, trials_of(storage, "third")[-1]))


def test_a_last_line_that_is_not_whole_yet_is_read_when_it_is(path: Path) -> None:
    """Another process may be writing it."""
    study_id = JournalStorage(JournalFileBackend(str(path))).get_study_id_from_name("third")
    log = {"op_code": JournalOperation.SET_STUDY_USER_ATTR, "study_id": study_id, "worker_id": "another process"}
    line = json.dumps({**log, "user_attr": {"late": True}}).encode() + b"\n"
    with path.open("ab") as file:
        file.write(line[:20])
        file.flush()
        found, expected = opened(path)
        assert_alike(found, expected)
        file.write(line[20:])
    assert found.get_study_user_attrs(study_id)["late"]


def test_a_broken_line_is_the_same_error(path: Path) -> None:
    """Nothing is left out silently."""
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:10], b"{broken\n", *lines[10:]]))
    for storage, file in ((BulkJournalStorage, BulkJournalFile), (JournalStorage, JournalFileBackend)):
        with pytest.raises(json.JSONDecodeError):
            storage(file(str(path)))


def test_it_opens_a_long_journal_in_less_processor_time(path: Path) -> None:
    """Optuna copies the trial for each line that changes it; the ratio holds on a busy machine, too."""
    trial_id = trials_of(opened(path)[1], "third")[-1]._trial_id
    log = {"op_code": JournalOperation.SET_TRIAL_USER_ATTR, "worker_id": "another process", "trial_id": trial_id}
    JournalFileBackend(str(path)).append_logs([{**log, "user_attr": {f"x{n % 20}": n}} for n in range(20_000)])
    secs = []
    for storage, file in ((BulkJournalStorage, BulkJournalFile), (JournalStorage, JournalFileBackend)):
        begun = time.process_time()
        storage(file(str(path)))
        secs.append(time.process_time() - begun)
    assert secs[0] < 0.8 * secs[1], secs
