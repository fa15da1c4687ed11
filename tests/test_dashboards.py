"""docs/dashboards.md for a study of one's own; what it says of a search is tested on the search of test_search.py."""

import sys
from pathlib import Path

import pytest
from optuna.storages import RDBStorage

from hub.build import PLACE
from tests.dashboard_servers import GUIDE, answering, details
from tests.docs import blocks, command, ran

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the guide's own study ran."""
    where = tmp_path_factory.mktemp("own")
    ran([sys.executable, "-c", blocks(GUIDE, "python")[-1]], where)
    return where


def test_optuna_dashboard_shows_the_notes_in_a_database(folder: Path) -> None:
    """Every trial has one, by the callback."""
    from optuna_dashboard import wsgi  # which no other test needs

    storage = RDBStorage(f"sqlite:///{folder / 'optuna.db'}")
    with answering(wsgi(storage)) as dashboard:
        study = details(dashboard)
    storage.engine.dispose()
    assert "own" == study["name"]
    assert 5 == len(study["trials"])
    assert all("**Why it was tried:**" in trial["note"]["body"] for trial in study["trials"])


def test_tensorboards_files_of_the_study_are_there(folder: Path) -> None:
    """A run a trial."""
    runs = sorted(str(path.parent.relative_to(folder)) for path in folder.glob("runs/own/*/events.out.tfevents.*"))
    assert [f"runs/own/trial-{number}" for number in range(5)] == runs


def test_the_package_is_built(folder: Path) -> None:
    """The guide's last command."""
    built = ran([sys.executable, *command(GUIDE, "hub.build")[1:]], folder).strip()
    assert str(Path("out") / PLACE) == built
    assert (folder / built / "tuning" / "sampler.py").is_file()
