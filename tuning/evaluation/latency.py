"""How long one call of a model takes, in milliseconds, for single examples and for batches.

for latency in measure_latency(model.predict_on_batch, images):
    print(latency.batch_size, latency.median_ms, latency.p95_ms)
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds a call at one batch size: the median and the 95th percentile of many calls."""

    batch_size: int
    median_ms: float
    p95_ms: float


def measure_latency(
    predict: Callable[[Array], object],
    examples: Array,
    *,
    batch_sizes: Sequence[int] = (1, 256),
    n_warmup: int = 5,
    n_calls: int = 50,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[Latency, ...]:
    """Return the latency of `predict` at every batch size.

    Args:
        predict: Called with a batch. It must return only when its result is there, as one does that returns a
            numpy array; a call that merely starts work on a device would be measured too fast.
        examples: Inputs, shape (examples, ...); repeated where a batch needs more of them.
        batch_sizes: Examples a call, each at least 1.
        n_warmup: Unmeasured calls before the measured ones (compilation, caches), at least 0.
        n_calls: Measured calls at each batch size, at least 1.
        clock: Returns seconds; only differences count.

    Raises:
        ValueError: If there are no examples or a count is out of its range.
    """
    if len(examples) < 1:
        raise ValueError("`examples` must hold at least one example, but got none.")
    if min(batch_sizes, default=0) < 1 or n_warmup < 0 or n_calls < 1:
        raise ValueError(
            "`batch_sizes >= 1`, `n_warmup >= 0` and `n_calls >= 1` must hold, "
            f"but got ({batch_sizes=}, {n_warmup=}, {n_calls=})."
        )
    latencies = []
    for batch_size in batch_sizes:
        batch = examples[np.arange(batch_size) % len(examples)]
        for _ in range(n_warmup):
            predict(batch)
        elapsed_ms = [_call_ms(predict, batch, clock) for _ in range(n_calls)]
        latencies.append(Latency(batch_size, float(np.median(elapsed_ms)), float(np.percentile(elapsed_ms, 95))))
    return tuple(latencies)


def _call_ms(predict: Callable[[Array], object], batch: Array, clock: Callable[[], float]) -> float:
    start_secs = clock()
    predict(batch)
    return 1000 * (clock() - start_secs)
