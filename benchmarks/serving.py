"""How long a registered model takes over HTTP, as `mlflow models serve` serves it.

python -m benchmarks.serving models:/overfit-backoff-mnist@champion --tracking-uri sqlite:////home/me/mlflow.db
"""

from __future__ import annotations

import http.client
import json
import os
import tempfile
import time
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from tests.mlflow_server import free_port, model_server
from tuning.data import load_dataset
from tuning.evaluation import measure_latency


@click.command()
@click.argument("model_uri")
@click.option("--tracking-uri", required=True)
@click.option("--data", default="mnist")
def main(model_uri: str, tracking_uri: str, data: str) -> None:
    """Serve a model, post validation images to it in batches of 1 and 256, and print milliseconds a request."""
    images = load_dataset(data, seed=0, environ=os.environ).validation.inputs[:1000]
    port, begun = free_port(), time.monotonic()
    words = ["mlflow", "models", "serve", "-m", model_uri, "-h", "127.0.0.1", "-p", str(port)]
    with (
        tempfile.TemporaryDirectory() as folder,
        model_server(Path(folder), port, [*words, "--env-manager", "local"], tracking_uri),
    ):
        print(f"ready after {time.monotonic() - begun:.1f} s")
        connection = http.client.HTTPConnection("127.0.0.1", port)

        def post(batch: NDArray[np.uint8]) -> bytes:
            body = json.dumps({"inputs": batch.tolist()})
            connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
            return connection.getresponse().read()

        first = time.perf_counter()
        post(images[:1])
        print(f"first request: {1000 * (time.perf_counter() - first):.1f} ms")
        for each in measure_latency(post, images, n_warmup=20, n_calls=200):
            print(f"batch of {each.batch_size}: median {each.median_ms:.1f} ms, 95th percentile {each.p95_ms:.1f} ms")


if __name__ == "__main__":
    main()
