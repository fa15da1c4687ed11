"""Worker processes without TensorFlow, whose trials are complete after a moment, or never; for test_search_loop.py."""

import os
import time
from multiprocessing.connection import Connection

from tuning.strategy.history import Outcome
from tuning.trial_job import READY, TrialEnd

ATTRS = {
    "fit_state": "overfit_confidence",
    "crossed_border": True,
    "value_stderr": 0.01,
    "diagnosis": {"sentence": "overfits", "numbers": {}},
    "curves": {"val_error": [0.1], "val_loss": [0.1]},
    "best_epoch": 1,
    "train_secs": 0.0,
}


def run(connection: Connection) -> None:
    """The value is the distance from a point within the space."""
    connection.send(READY)
    while (job := connection.recv()) is not None:
        time.sleep(0.01 + 0.05 * job.params["dropout"])
        value = 1.0 + abs(job.params["dropout"] - 0.2) + abs(job.params["units"] - 16) / 100
        connection.send(TrialEnd(job.number, Outcome.COMPLETE, "", value, ATTRS))


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
