"""The search's own loop with workers that make up their results: all that a search does but train and tell MLflow."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

from optuna.study import Study
from optuna.trial import FrozenTrial

from search_spaces import mlp_space
from tuning import processes, search_loop
from tuning.console import SearchView
from tuning.data import load_dataset
from tuning.model_choice import ModelChoice
from tuning.opening import Search
from tuning.pool import Pool
from tuning.sampler import OverfitBackoffSampler
from tuning.search_loop import SearchLoop
from tuning.settings import Settings
from tuning.tracking.mirror import Mirror
from tuning.weights import WeightStore

FORK = multiprocessing.get_context("fork")


def light_pool(n_workers: int, epoch_secs: float = 0.01) -> Pool:
    """Workers that make up their results: ten epochs, each reported."""
    launch = partial(processes.start, "tests.light_worker", "run_epochs", epoch_secs, context=FORK)
    return Pool(lambda _: launch(), n_workers, max_trials=500)


def run_light_search(study: Study, sampler: OverfitBackoffSampler, folder: Path, secs: float) -> None:
    """Run the loop for so long, with one worker whose trials take no time."""
    search_loop.worker_pool = lambda search: light_pool(search.settings.n_workers, epoch_secs=0.0)
    settings = Settings(folder, study.study_name, "digits", 10**6, secs, max_epochs=10, quiet=True)
    dataset = load_dataset("digits", seed=0, environ=os.environ)
    search = Search(
        settings,
        dataset,
        ModelChoice("mlp", mlp_space()),
        None,
        study,
        WeightStore(folder / "weights"),
        lambda: cast("Mirror", NoMirror()),
        sampler,
        FORK,
    )
    with SearchView(settings.goal, settings.n_trials, settings.max_epochs, quiet=True) as view:
        SearchLoop(search, view, time.monotonic()).run()


class NoMirror:
    """Tells MLflow nothing."""

    def trial(self, number: int) -> str:
        """Nothing to say."""
        return ""

    def catch_up(self, which: Callable[[FrozenTrial], bool]) -> None:
        """Nothing to do."""

    def abandon(self, status: str) -> str:
        """Nothing to say."""
        return ""
