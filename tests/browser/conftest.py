"""One real study, MLflow's own server on it, and a real browser; each test looks at another page."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

import tuning
from tests.mlflow_server import free_port, mlflow_server

if TYPE_CHECKING:
    from playwright.sync_api import Page

PROJECT = Path(tuning.__file__).parents[1]
N_TRIALS = 8
_PAGE_TIMEOUT_MS = 9_000


@dataclass(frozen=True)
class Study:
    """A finished study as MLflow has it."""

    folder: Path
    printed: str
    client: MlflowClient
    experiment_id: str
    runs: dict[str, Run]

    @property
    def parent(self) -> Run:
        """The run of the study itself."""
        return self.runs["seen"]

    def link(self, name: str) -> str:
        """One of the addresses that the search printed, without the server."""
        (found,) = re.findall(rf"^  {name}\s+http://127.0.0.1:5000/(\S+)$", self.printed, flags=re.MULTILINE)
        return str(found)


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A search on 5,000 images of MNIST, as a user runs it; `TUNING_BROWSER_STUDY` keeps it in a folder."""
    kept = os.environ.get("TUNING_BROWSER_STUDY")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("seen")
    args = ["--data", "mnist5k", "--study", "seen", "--trials", str(N_TRIALS), "--epochs", "12"]
    environ = {**os.environ, "PYTHONPATH": str(PROJECT), "COLUMNS": "80"}
    command = [sys.executable, "-m", "tuning.search", *args, "--quiet"]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=600)
    assert 0 == done.returncode, done.stderr
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("overfit-backoff")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    return Study(folder, done.stdout, client, experiment.experiment_id, {str(run.info.run_name): run for run in found})


@pytest.fixture(scope="session")
def site(study: Study) -> Iterator[str]:
    """The address of MLflow's pages on this study."""
    port = free_port()
    with mlflow_server(study.folder, port):
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a browser."""
    pytest.importorskip("playwright", reason="playwright is not installed: pip install -e .[test]")
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("there is no browser: install chromium, as `.ci/run` does where it may")
    return found


@pytest.fixture(scope="session")
def page(chromium: str, site: str) -> Iterator[Page]:
    """A browser's window, wide enough for a table."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        window = browser.new_page(viewport={"width": 1700, "height": 950})
        window.set_default_timeout(_PAGE_TIMEOUT_MS)
        # The assistant beside every page opens by itself once.
        window.add_init_script("localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')")
        yield window
        browser.close()


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures of the pages go; `TUNING_SCREENSHOTS` names a folder to keep them."""
    folder = Path(os.environ.get("TUNING_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
