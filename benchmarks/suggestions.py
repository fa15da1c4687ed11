"""How long does a suggestion take, after 100 trials and after 10,000?

    python -m benchmarks.suggestions

Random trials in the four-lever MLP space, each with the attributes of a real one; then a trial is told and the next one
asked for, again and again: the decision is made in one of the two, so both count. Seconds of the deciding thread, which
another program on the core does not lengthen: median and largest of 20, the first suggestion (which reads the history)
apart. The journal is opened anew, as a resumed study opens it. "Direction" is the search without its model phase and
without repeats.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from search_spaces import mlp_space
from tuning import OverfitBackoffSampler
from tuning.strategy.example_losses import ExampleLosses
from tuning.trial_attrs import CROSSED_BORDER, EXAMPLE_LOSSES, FIT_STATE, VALUE_STDERR

MLP = mlp_space()
_N_ASKED = 20


def fill(storage: BaseStorage, n_trials: int, *, with_examples: bool = True) -> None:
    """Random trials that gave a value, with what a training writes down."""
    study = optuna.create_study(storage=storage, study_name="s")
    rng, distributions = np.random.default_rng(0), MLP.distributions()
    attrs: dict[str, Any] = {VALUE_STDERR: 0.02, FIT_STATE: "overfit_confidence", CROSSED_BORDER: True}
    if with_examples and (examples := ExampleLosses.of(rng.exponential(size=1_000))):
        attrs[EXAMPLE_LOSSES] = examples.as_attr()
    for value in rng.normal(size=n_trials):
        params = MLP.params(tuple(float(rng.choice(lever.grid())) for lever in MLP.levers))
        study.add_trial(
            optuna.trial.create_trial(params=params, distributions=distributions, value=float(value), user_attrs=attrs)
        )


def ask(storage: BaseStorage, *, use_model: bool, n_asked: int = _N_ASKED) -> tuple[float, list[float]]:
    """Seconds of the first suggestion, and of each later one."""
    sampler = OverfitBackoffSampler(MLP, seed=1, use_model=use_model, n_seeds=None if use_model else 1)
    study = optuna.load_study(storage=storage, study_name="s", sampler=sampler)
    begun = time.thread_time()
    trial = study.ask(MLP.distributions())
    first, later = time.thread_time() - begun, []
    for _ in range(n_asked):
        begun = time.thread_time()
        study.tell(trial, 0.5)
        trial = study.ask(MLP.distributions())
        later.append(time.thread_time() - begun)
    return first, later


def _row(name: str, open_storage: Callable[[], BaseStorage], *, use_model: bool) -> None:
    storage = open_storage()
    first, later = ask(storage, use_model=use_model)
    median, most = 1000 * statistics.median(later), 1000 * max(later)
    print(f"| {name} | {median:.0f} | {most:.0f} | {1000 * first:.0f} |", flush=True)


def _filled(n_trials: int) -> InMemoryStorage:
    storage = InMemoryStorage()
    fill(storage, n_trials)
    return storage


def _opening(path: Path, name: str) -> None:
    begun = time.thread_time()
    JournalStorage(JournalFileBackend(str(path))).get_all_trials(0, deepcopy=False)
    secs, size = time.thread_time() - begun, path.stat().st_size / 1e6
    print(f"{name}: {size:.1f} MB, read in {secs:.1f} s", flush=True)


def main() -> None:
    """Print the table as Markdown."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    ask(_filled(60), use_model=True, n_asked=1)  # imports
    print("| history | median, ms | largest, ms | the first one, ms |\n|---|---|---|---|")
    for use_model, phase in ((False, "direction"), (True, "model")):
        for n in (100, 10_000):
            _row(f"{n:,} trials in memory, {phase}", lambda n=n: _filled(n), use_model=use_model)  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as folder:
        path, bare = Path(folder, "examples.log"), Path(folder, "bare.log")
        fill(JournalStorage(JournalFileBackend(str(path))), 10_000)
        for use_model, phase in ((False, "direction"), (True, "model")):
            name = f"10,000 trials in a journal, {phase}"
            _row(name, lambda: JournalStorage(JournalFileBackend(str(path))), use_model=use_model)
        fill(JournalStorage(JournalFileBackend(str(bare))), 10_000, with_examples=False)
        print()
        _opening(path, "the journal with the losses on 1,000 examples a trial")
        _opening(bare, "without them")


if __name__ == "__main__":
    sys.exit(main())
