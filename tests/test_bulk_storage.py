"""A study read by plain rows is the study that Optuna reads."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from tests import postgresql
from tuning.bulk_storage import BulkRDBStorage

DISTRIBUTIONS = {
    "units": IntDistribution(16, 2048, log=True),
    "dropout": FloatDistribution(0.0, 0.8, step=0.1),
    "activation": CategoricalDistribution(("relu", None, 3)),
}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'study.db'}"
    elif (binaries := postgresql.binaries()) is None:
        pytest.skip("PostgreSQL is not installed (`apt-get install postgresql`), so no server can be started")
    else:
        with postgresql.server(binaries) as found:
            yield found


def fill(storage: RDBStorage, name: str) -> int:
    """A study with everything that a trial can carry; returns its id."""
    study = optuna.create_study(storage=storage, study_name=name)
    params = {"units": 256, "dropout": 0.3, "activation": None}
    steps = {0: 1.0, 1: math.inf, 2: -math.inf, 7: 0.25}
    attrs = {"outcome": "complete", "state": None, "worker": {"pid": 7}, "levers": ["units"], "long": "x" * 3000}
    for value in (0.25, math.inf, -math.inf):
        study.add_trial(create_trial(value=value, params=params, distributions=DISTRIBUTIONS, user_attrs=attrs))
    study.add_trial(create_trial(state=TrialState.PRUNED, intermediate_values={**steps, 8: 3.0}))
    study.add_trial(create_trial(state=TrialState.FAIL, system_attrs={"overfit_backoff:decision": {"base": 1}}))
    study.enqueue_trial(params)
    trial = optuna.trial.Trial(study, storage.create_new_trial(study._study_id))
    trial.suggest_float("dropout", 0.0, 0.8, step=0.1)
    trial.report(math.nan, 3)
    return study._study_id


def plain_data(trial: FrozenTrial) -> dict[str, object]:
    """Everything that a trial holds, in a form in which NaN equals NaN."""
    return {**vars(trial), "intermediate_values": repr(sorted(trial.intermediate_values.items()))}


def test_it_reads_what_optuna_reads(url: str) -> None:
    """Every state, value, parameter and attribute, of the one study that is asked for."""
    with postgresql.closing(RDBStorage(url)) as plain, postgresql.closing(BulkRDBStorage(url)) as bulk:
        ids = [fill(plain, "first"), fill(plain, "second")]

        for study_id in ids:
            expected, found = plain.get_all_trials(study_id), bulk.get_all_trials(study_id)
            assert list(map(plain_data, found)) == list(map(plain_data, expected))
            assert [list(each.params) for each in found] == [list(each.params) for each in expected]
            assert {each.state for each in found} == {*TrialState}
        running = bulk.get_all_trials(ids[0], states=(TrialState.RUNNING,))
        assert [each.number for each in running] == [6]


def test_trials_share_nothing_that_can_be_changed(url: str) -> None:
    """Who writes into a trial's lists changes no other trial."""
    with postgresql.closing(BulkRDBStorage(url)) as storage:
        first, second, *_ = storage.get_all_trials(fill(storage, "study"), deepcopy=False)

        first.user_attrs["levers"].append("layers")
        first.params["units"] = 16

        assert (second.user_attrs["levers"], second.params["units"]) == (["units"], 256)


def test_an_unknown_study_is_a_key_error_as_in_optuna(url: str) -> None:
    """An empty answer is asked again, of Optuna itself."""
    with postgresql.closing(BulkRDBStorage(url)) as storage, pytest.raises(KeyError):
        storage.get_all_trials(7)
