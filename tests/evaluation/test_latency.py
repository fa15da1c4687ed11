"""Latency with a scripted clock: which calls count, and what is made of them."""

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from tuning.evaluation import Latency, measure_latency


def clock_of(durations_secs: Iterable[float]) -> Callable[[], float]:
    """Return a clock that is read before and after each call, which takes the given time."""
    readings = iter([reading for duration in durations_secs for reading in (10.0, 10.0 + duration)])
    return lambda: next(readings)


def test_latency_is_median_and_95th_percentile_in_milliseconds() -> None:
    """Calls of 0 to 100 ms."""
    clock = clock_of(np.arange(101) / 1000)
    (latency,) = measure_latency(np.copy, np.zeros((1, 2)), batch_sizes=(1,), n_calls=101, clock=clock)
    assert pytest.approx((latency.median_ms, latency.p95_ms)) == (50.0, 95.0)


def test_each_batch_size_is_measured_by_itself() -> None:
    """1 ms a call for one example, 8 ms for 256."""
    latencies = measure_latency(np.copy, np.zeros((300, 2)), n_calls=2, clock=clock_of([0.001] * 2 + [0.008] * 2))
    assert (Latency(1, 1.0, 1.0), Latency(256, 8.0, 8.0)) == tuple(
        Latency(x.batch_size, round(x.median_ms, 6), round(x.p95_ms, 6)) for x in latencies
    )


def test_warm_up_calls_come_first_and_are_not_timed() -> None:
    """Three unmeasured and two measured calls read the clock four times."""
    n_calls, n_readings = 0, 0

    def predict(batch: np.ndarray) -> None:
        nonlocal n_calls
        n_calls += 1

    def clock() -> float:
        nonlocal n_readings
        n_readings += 1
        assert n_calls >= 3
        return 0.0

    measure_latency(predict, np.zeros((1, 2)), batch_sizes=(1,), n_warmup=3, n_calls=2, clock=clock)
    assert (n_calls, n_readings) == (5, 4)


def test_few_examples_are_repeated_to_fill_a_batch() -> None:
    """Three examples make a batch of seven."""
    seen: list[list[int]] = []
    measure_latency(
        lambda batch: seen.append(batch[:, 0].tolist()),
        np.array([[0], [1], [2]]),
        batch_sizes=(7,),
        n_warmup=0,
        n_calls=1,
    )
    assert seen == [[0, 1, 2, 0, 1, 2, 0]]


@pytest.mark.parametrize("changed", [{"batch_sizes": ()}, {"batch_sizes": (0,)}, {"n_warmup": -1}, {"n_calls": 0}])
def test_impossible_counts_are_rejected(changed: dict[str, object]) -> None:
    """Nothing to measure is a mistake."""
    with pytest.raises(ValueError, match="must hold, but got"):
        measure_latency(np.copy, np.zeros((1, 2)), **changed)  # type: ignore[arg-type]


def test_no_examples_are_rejected() -> None:
    """A batch needs at least one example to repeat."""
    with pytest.raises(ValueError, match="at least one example"):
        measure_latency(np.copy, np.zeros((0, 2)))
