"""Optuna's own conformance suites for samplers, on every storage that a study of ours may use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.testing.pytest_samplers import BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase

from search_spaces import Lever, Role, Scale, SearchSpace
from tests import postgresql
from tuning import OverfitBackoffSampler, seed_index
from tuning.bulk_storage import BulkRDBStorage

# No name of the suites': they suggest one name with many distributions, which a space of fixed levers cannot serve.
SPACE = SearchSpace(
    "suite",
    (
        Lever("size", Role.CAPACITY, 1, 9, Scale.INTEGER, step=1.0, start=8),
        Lever("restraint", Role.REGULARIZATION, 0.0, 1.0, Scale.LINEAR, step=0.1, start=0.0),
    ),
)
STORAGES = ["memory", "journal", *(pytest.param(name, marks=pytest.mark.slow) for name in ("sqlite", "postgresql"))]


@pytest.fixture(scope="module", params=STORAGES)
def storage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaseStorage | None]:
    """One storage for all studies of the suites; None for a fresh one in memory each."""
    folder: Path = tmp_path_factory.mktemp("storage")
    if request.param == "memory":
        yield None
    elif request.param == "journal":
        yield JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    elif request.param == "sqlite":
        yield BulkRDBStorage(f"sqlite:///{folder / 'study.db'}")
    elif (binaries := postgresql.binaries()) is None:
        pytest.skip("PostgreSQL is not installed (`apt-get install postgresql`), so no server can be started")
    else:
        with postgresql.server(binaries) as url, postgresql.closing(BulkRDBStorage(url)) as rdb:
            yield rdb


@pytest.fixture(autouse=True)
def studies_in_the_storage(storage: BaseStorage | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The suites create their studies without a storage."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    create = optuna.study.create_study

    def create_in_storage(**options: Any) -> optuna.Study:  # noqa: ANN401 - Optuna's own options
        return create(**{"storage": storage or InMemoryStorage(), **options})

    monkeypatch.setattr(optuna.study, "create_study", create_in_storage)
    monkeypatch.setattr(optuna, "create_study", create_in_storage)


class SamplerUnderTest:
    """The one fixture that the suites ask for."""

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        """Makes a sampler."""
        return lambda: OverfitBackoffSampler(SPACE, seed=0)


class TestBasic(SamplerUnderTest, BasicSamplerTestCase):
    """Every kind of distribution and objective."""


class TestRelative(SamplerUnderTest, RelativeSamplerTestCase):
    """Values of the right type and range for any search space."""


class TestSingleOnly(SamplerUnderTest, SingleOnlySamplerTestCase):
    """More than one objective is refused."""


def configurations(study: optuna.Study) -> list[tuple[Any, ...]]:
    """Run twenty trials of a noisy bowl and return what was decided."""
    for number in range(20):
        trial = study.ask(SPACE.distributions())
        luck = ((7 * number) % 5 - 2) / 20
        study.tell(trial, (trial.params["size"] - 5) ** 2 / 9 + (trial.params["restraint"] - 0.4) ** 2 + luck)
    return [(*trial.params.values(), seed_index(trial)) for trial in study.get_trials(deepcopy=False)]


def test_decisions_do_not_depend_on_the_storage(storage: BaseStorage | None) -> None:
    """Direction, repeats, model and confirmation: the same as in memory."""
    here, there = (
        optuna.create_study(sampler=OverfitBackoffSampler(SPACE, n_trials=20), storage=each)
        for each in (storage or InMemoryStorage(), InMemoryStorage())
    )
    assert configurations(there) == configurations(here)
