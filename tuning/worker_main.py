"""What a worker process does: wait for a trial, train it, report every epoch, hand back how it ended, wait again.

Importing this file imports TensorFlow, quietly and without starting its threads: `tuning.processes` forks workers
from a process that has done no more than that. Each worker gives TensorFlow its share of the cores before the first
operation starts its threads.
"""

from __future__ import annotations

import os
import sys
from multiprocessing.connection import Connection
from pathlib import Path

# NumPy's matrix library would start threads when it is imported; training does its products in TensorFlow.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from tuning import cli

cli.import_tensorflow()

import psutil  # noqa: E402
import tensorflow as tf  # noqa: E402

from tuning.data import TrainingData  # noqa: E402
from tuning.engine.task_criterion import criterion_of  # noqa: E402
from tuning.engine.training import Engine  # noqa: E402
from tuning.model_choice import ModelChoice  # noqa: E402
from tuning.own_model import family_of  # noqa: E402
from tuning.settings import Settings  # noqa: E402
from tuning.trial_job import READY, EpochReport  # noqa: E402
from tuning.trial_run import TrialRunner  # noqa: E402
from tuning.weights import WeightStore  # noqa: E402


def run_trials(
    connection: Connection,
    data: TrainingData,
    settings: Settings,
    model: ModelChoice,
    weights: Path,
    n_threads: int,
    slot: int,
) -> None:
    """Train the trials that come through the connection until it closes or None comes.

    Args:
        connection: Receives a `TrialJob`, then the answer to each `EpochReport` sent; sends a `TrialEnd` at the end.
        data: What to learn from.
        settings: Of the search.
        model: What to build.
        weights: Folder of kept weights.
        n_threads: The worker's share of the cores, >= 1.
        slot: Which of the workers this is, from 0: it takes the GPU of that number, where there are GPUs.
    """
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_intra_op_parallelism_threads(n_threads)
    tf.config.threading.set_inter_op_parallelism_threads(n_threads)
    _take_gpu(slot)
    train, validation = data.train, data.validation
    engine = Engine(train.inputs, train.labels, validation.inputs, validation.labels, criterion_of(data))
    runner = TrialRunner(data, engine, settings, WeightStore(weights), family_of(model))

    def watch(report: EpochReport) -> str:
        connection.send(report)
        return str(connection.recv())

    _limit_memory(settings.memory_limit_mb)
    connection.send(READY)
    while (job := connection.recv()) is not None:
        connection.send(runner.run(job, watch))


def _take_gpu(slot: int) -> None:
    """One trial a device, and of its memory no more than the trial needs; nothing to do on a CPU."""
    if gpus := tf.config.list_physical_devices("GPU"):
        gpu = gpus[slot % len(gpus)]
        tf.config.set_visible_devices(gpu, "GPU")
        tf.config.experimental.set_memory_growth(gpu, True)


def _limit_memory(limit_mb: int | None) -> None:
    """From now on the process is refused more memory than this, beside what it has; nothing where there is no limit.

    What counts is memory of its own that it may write to (on Linux, the system whose limit covers all of that): the
    address space as a whole would count what threads reserve and never use.
    """
    if limit_mb is None or sys.platform != "linux":
        return
    import resource  # not on every system

    most = psutil.Process().memory_info().data + limit_mb * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (most, resource.getrlimit(resource.RLIMIT_DATA)[1]))
