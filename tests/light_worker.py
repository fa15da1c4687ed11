"""A worker process without TensorFlow: every trial is complete after a moment; used by test_search_loop.py."""

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
