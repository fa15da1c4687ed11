"""Worker processes without TensorFlow, whose trials are complete after a moment, or never."""

import os
import time
import zlib
from multiprocessing.connection import Connection

import numpy as np

from tuning.engine.metrics import EpochMetrics
from tuning.strategy.records import Outcome
from tuning.trial_job import READY, EpochReport, TrialEnd, TrialJob

ATTRS = {
    "fit_state": "overfit_confidence",
    "crossed_border": True,
    "value_stderr": 0.01,
    "diagnosis": {"sentence": "overfits", "numbers": {}},
    "curves": {"val_error": [0.1], "val_loss": [0.1]},
    "best_epoch": 1,
    "train_secs": 0.0,
}

N_EPOCHS = 10


def run(connection: Connection) -> None:
    """The value is the distance from a point within the space."""
    connection.send(READY)
    while (job := connection.recv()) is not None:
        time.sleep(0.01 + 0.05 * job.params["dropout"])
        value = 1.0 + abs(job.params["dropout"] - 0.2) + abs(job.params["units"] - 16) / 100
        connection.send(TrialEnd(job.number, Outcome.COMPLETE, "", value, ATTRS))


def run_epochs(connection: Connection, epoch_secs: float = 0.01) -> None:
    """Trials of ten epochs, each reported, that can be pruned; parameters and seed decide, to the last bit."""
    connection.send(READY)
    while (job := connection.recv()) is not None:
        connection.send(trial(job, connection, epoch_secs))


def trial(job: TrialJob, connection: Connection, epoch_secs: float) -> TrialEnd:
    """One of them."""
    value = made_up_loss(job)
    curve: list[float] = []
    for epoch in range(1, N_EPOCHS + 1):
        time.sleep(epoch_secs)
        curve.append(value + 0.1 * (N_EPOCHS - epoch) / epoch)
        connection.send(EpochReport(job.number, epoch, epoch_metrics(curve[-1])))
        if reason := connection.recv():
            return TrialEnd(job.number, Outcome.PRUNED, reason, attrs={"curves": curves(curve)})
    attrs = {**ATTRS, "curves": curves(curve), "best_epoch": N_EPOCHS}
    return TrialEnd(job.number, Outcome.COMPLETE, "", value, attrs)


def made_up_loss(job: TrialJob) -> float:
    """A bowl over the levers, and some luck of the seed."""
    params = job.params
    luck = np.random.default_rng([job.seed_index, zlib.crc32(repr(sorted(params.items())).encode())])
    bowl = 0.05 + 0.01 * abs(np.log2(params["units"]) - 8) + 0.1 * (params["dropout"] - 0.2) ** 2
    return float(bowl + luck.normal(0.0, 0.002))


def epoch_metrics(loss: float) -> EpochMetrics:
    """Of one epoch."""
    return EpochMetrics(loss, 0.1, loss, 0.1, loss, val_loss_sd=0.3)


def curves(losses: list[float]) -> dict[str, list[float]]:
    """As a trial keeps them."""
    names = EpochMetrics.__dataclass_fields__
    return {name: losses if name.endswith("loss") else [0.1] * len(losses) for name in names}


def run_slowly(connection: Connection) -> None:
    """Networks of 16 units and more never end; a smaller one does at once."""
    connection.send(READY)
    while (job := connection.recv()) is not None:
        time.sleep(600 if job.params["units"] >= 16 else 0)
        connection.send(TrialEnd(job.number, Outcome.COMPLETE, "", 1.0 + job.params["dropout"], ATTRS))


def run_on_a_full_disk(connection: Connection) -> None:
    """The first trial cannot be written down."""
    connection.send(READY)
    job = connection.recv()
    connection.send(TrialEnd(job.number, Outcome.KILLED, os.strerror(28)))
    connection.recv()
