"""What a study costs on each storage, without any training, and how much of it many searches can share.

    python -m benchmarks.storages cost                     # one worker: a suggestion, an epoch's report, a trial's end
    python -m benchmarks.storages rate                     # 1, 8 and 32 searches at the same time on one database
    python -m benchmarks.storages rate --searches 1 --others 0 --others 100 --others 1000
    python -m benchmarks.storages mlflow                   # a trial on MLflow's server, its runs in PostgreSQL

Trials are made up: ten epochs, and the attributes of a real trial. Everything runs on this machine. `cost` times the
parts of a trial. `rate` runs whole search loops, with workers that make up their results at once, and says how much
processor time a trial costs the database and the search: a core has 1000 milliseconds a second, whoever uses them.
`--others` are trials that other machines run meanwhile: every look at the study reads them anew.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import numpy as np
import optuna
import psutil
from optuna.storages import RDBStorage, get_storage
from optuna.trial import TrialState, create_trial
from sqlalchemy import create_engine, text

import tuning.strategy.local_model  # noqa: F401 - loaded here, not once in every search
from benchmarks.light_search import FORK, run_light_search
from benchmarks.overhead import known_trials
from benchmarks.surroundings import MlflowServer, database, place
from search_spaces import mlp_space
from tests import light_worker, postgresql
from tests.mlflow_server import free_port
from tuning.sampler import OverfitBackoffSampler
from tuning.settings import OBJECTIVES
from tuning.steady_storage import SteadyStorage
from tuning.storages import open_storage
from tuning.strategy.actions import Action, Phase, Stop, Suggest
from tuning.strategy.records import Outcome
from tuning.tracking.mirror import Mirror
from tuning.tracking.tracker import DatasetFacts, Store, Tracker
from tuning.trial_attrs import REASON
from tuning.trial_job import EpochReport, TrialEnd, TrialJob
from tuning.trials import RunningTrials
from tuning.workers import WORKER, Worker

KINDS = ("journal", "sqlite", "postgresql", "grpc")
_N_EPOCHS = light_worker.N_EPOCHS
_SPACE, _GOAL = mlp_space(), OBJECTIVES["val_loss"]


def study_on(url: str | None, folder: Path, sampler: OverfitBackoffSampler) -> optuna.Study:
    """The study as a search opens it."""
    inner: Any = SteadyStorage(open_storage(url, folder), Worker.this().as_attr())
    return optuna.create_study(study_name="made", storage=inner, sampler=sampler, load_if_exists=True)


class Tireless(OverfitBackoffSampler):
    """Goes on at random where the strategy would end the search."""

    def next_action(self, study: optuna.Study) -> Action:
        """Never a stop."""
        action = super().next_action(study)
        return Suggest(_SPACE.start_point(), Phase.BACK_OFF, "random", None, "") if isinstance(action, Stop) else action


def trial(trials: RunningTrials) -> tuple[float, float, float]:
    """One trial; returns the milliseconds of its suggestion, of one of its reports, and of its end."""
    moments = [time.perf_counter()]
    job = trials.ask()
    moments.append(time.perf_counter())
    value = light_worker.made_up_loss(TrialJob(job.number, job.params, job.seed_index))
    losses = [value + 0.1 / epoch for epoch in range(1, _N_EPOCHS + 1)]
    for epoch, loss in enumerate(losses, start=1):
        trials.report(EpochReport(job.number, epoch, light_worker.epoch_metrics(loss)))
    moments.append(time.perf_counter())
    attrs = {**light_worker.ATTRS, "curves": light_worker.curves(losses)}
    trials.tell(TrialEnd(job.number, Outcome.COMPLETE, "", value, attrs))
    moments.append(time.perf_counter())
    suggest, reports, tell = 1000 * np.diff(moments)
    return float(suggest), float(reports) / _N_EPOCHS, float(tell)


@contextlib.contextmanager
def storage_of(kind: str, folder: Path) -> Iterator[str | None]:
    """The URL of a storage of a kind."""
    with place("postgresql" if kind == "grpc" else kind, folder) as there:
        if kind != "grpc":
            yield there.storage
        else:
            with proxy(str(there.storage)) as address:
                yield address


def serve(url: str, port: int) -> None:
    """Optuna's gRPC proxy, in a process of its own."""
    from optuna.storages._grpc.server import make_server

    server = make_server(get_storage(RDBStorage(url)), "127.0.0.1", port, ThreadPoolExecutor(10))
    server.start()
    server.wait_for_termination()


@contextlib.contextmanager
def proxy(url: str) -> Iterator[str]:
    """Run the proxy in front of a database."""
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(url, port), daemon=True)
    process.start()
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        process.kill()
        process.join()


@click.group()
def main() -> None:
    """Measure, and print rows of the tables in benchmarks/RESULTS.md."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@main.command()
@click.option("--trials", "n_trials", default=60, show_default=True)
@click.option("--storage", "kinds", multiple=True, default=KINDS, show_default=True)
def cost(n_trials: int, kinds: Sequence[str]) -> None:
    """Medians of one worker's milliseconds: in the first twelve trials, and with the local model after them."""
    print("| storage | suggest (directional) | suggest (local model) | report | tell | trial of 10 epochs |")
    for kind in kinds:
        with tempfile.TemporaryDirectory(prefix="storages-") as name, storage_of(kind, Path(name)) as url:
            study = study_on(url, Path(name), OverfitBackoffSampler(_SPACE))
            trials = RunningTrials(study, _SPACE, _GOAL, Worker.this(), n_val=10_000)
            rows = [trial(trials) for _ in range(n_trials)]
        early, late = (statistics.median(row[0] for row in part) for part in (rows[1:12], rows[12:]))
        report, tell = (statistics.median(row[i] for row in rows) for i in (1, 2))
        whole = early + _N_EPOCHS * report + tell
        print(f"| {kind} | {early:.1f} | {late:.0f} | {report:.2f} | {tell:.1f} | {whole:.0f} |", flush=True)


@main.command()
@click.option("--searches", "counts", multiple=True, default=(1, 8, 32), show_default=True, help="At the same time.")
@click.option("--others", "others", multiple=True, default=(0,), show_default=True, help="Trials that others run.")
@click.option("--secs", default=20.0, show_default=True, help="For so long.")
def rate(counts: Sequence[int], others: Sequence[int], secs: float) -> None:
    """Trials a second, and processor time of each, of searches that share one database."""
    head = "searches | others' trials | trials | a second | database (ms a trial) | search (ms a trial) | connections"
    print(f"| {head} |", flush=True)
    for n_searches, n_others in itertools.product(counts, others):
        with tempfile.TemporaryDirectory(prefix="storages-") as name, database() as server:
            begin_trials(server.url, Path(name), n_others)
            found = shared(server, Path(name), n_searches, secs)
        print(f"| {n_searches} | {n_others} | {found} |", flush=True)


def shared(server: postgresql.Server, folder: Path, n_searches: int, secs: float) -> str:
    """Run searches at the same time; returns a row's end."""
    gate, spent = FORK.Barrier(n_searches + 1, timeout=secs + 120), FORK.Queue()
    for seed in range(n_searches):
        FORK.Process(target=hammer, args=(server.url, folder / str(seed), seed, secs, gate, spent)).start()
    gate.wait()
    before, begun = processor_secs(server.pid), time.perf_counter()
    gate.wait()
    elapsed = time.perf_counter() - begun
    by_database, n_connections = processor_secs(server.pid) - before, connections(server.url)
    gate.wait()
    by_searches = sum(spent.get() for _ in range(n_searches))
    trials = study_on(server.url, folder, Tireless(_SPACE)).get_trials(deepcopy=False)
    n_done = sum(each.state.is_finished() for each in trials)
    return (
        f"{n_done} | {n_done / elapsed:.1f} | {1000 * by_database / n_done:.0f} | {1000 * by_searches / n_done:.0f} | "
        f"{n_connections}"
    )


def hammer(url: str, folder: Path, seed: int, secs: float, gate: Any, spent: Any) -> None:  # noqa: ANN401
    """One of many searches."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder.mkdir()
    sampler = Tireless(_SPACE, seed=seed)
    study = study_on(url, folder, sampler)
    gate.wait()
    begun = time.process_time()
    run_light_search(study, sampler, folder, secs)
    spent.put(time.process_time() - begun)
    gate.wait()
    gate.wait()


def begin_trials(url: str, folder: Path, n: int) -> None:
    """Trials that another machine runs, with what a running trial carries."""
    study, rng = study_on(url, folder, OverfitBackoffSampler(_SPACE)), np.random.default_rng(0)
    for number in range(n):
        params = _SPACE.params(tuple(float(rng.choice(lever.grid())) for lever in _SPACE.levers))
        study.add_trial(
            create_trial(
                state=TrialState.RUNNING,
                params=params,
                distributions=_SPACE.distributions(),
                user_attrs={WORKER: {**Worker.this().as_attr(), "host": f"machine-{number}"}, REASON: "made up"},
                intermediate_values=dict.fromkeys(range(1, _N_EPOCHS // 2), 0.1),
            )
        )


def processor_secs(server: int) -> float:
    """What a server and all of its processes, also those that have ended, have used."""
    process = psutil.Process(server)
    own = process.cpu_times()
    living = (child.cpu_times() for child in process.children(recursive=True))
    return float(sum(t.user + t.system for t in (own, *living)) + own.children_user + own.children_system)


def connections(url: str) -> int:
    """Connections to the database, but for the one that counts them."""
    engine = create_engine(url)
    with engine.connect() as connection:
        counted = connection.execute(
            text("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
        )
        n = int(counted.scalar_one()) - 1
    engine.dispose()
    return n


@main.command()
@click.option("--trials", "n_trials", default=60, show_default=True)
def mlflow(n_trials: int) -> None:
    """Milliseconds of one trial's run on MLflow's server, and of its processor."""
    study = optuna.create_study()
    study.add_trials(list(known_trials(n_trials, _SPACE)))
    with tempfile.TemporaryDirectory(prefix="storages-") as name, database() as behind:
        folder = Path(name)
        server = MlflowServer(folder, behind.url)
        server.start()
        try:
            tracker = Tracker(Store(server.url, folder / "mlruns", "storages"), "made")
            tracker.open_study(tags={}, params={}, dataset=DatasetFacts("made", 64 * "0", "nowhere", 1, 1, 1))
            mirror = Mirror(tracker, study, _GOAL)
            mirror.trial(0)
            before, moments = [processor_secs(pid) for pid in (server.pid, behind.pid)], [time.perf_counter()]
            for number in range(1, n_trials):
                mirror.trial(number)
                moments.append(time.perf_counter())
            after = [processor_secs(pid) for pid in (server.pid, behind.pid)]
        finally:
            server.stop()
    by_server, by_database = (1000 * (b - a) / (n_trials - 1) for a, b in zip(before, after, strict=True))
    print(
        f"a run of 30 epochs: {1000 * statistics.median(np.diff(moments)):.0f} ms; processor time of the server ",
        end="",
    )
    print(f"{by_server:.0f} ms, of its database {by_database:.0f} ms")


if __name__ == "__main__":
    main()
