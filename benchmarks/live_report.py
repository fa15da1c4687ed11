"""Live studies as Markdown: each arm's test results, and ours against each of them, paired on the studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]

OURS = "ours"

_SAME = 1e-9  # differences that differ by less are one: they have no interval


def live_tables(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Results by arm, in the order of the studies; two studies at least, for the intervals."""
    n = len(rows[OURS])
    if n < 2:
        return f"(no interval from {n} studies)"
    shown = {**rows, "the start alone": [each["start"] for each in rows[OURS]]}
    head = ["arm", "seconds", "trials", "test error, %", "test loss", "ours minus it: error, points", "loss", "w/t/l"]
    lines = [head, ["---"] * len(head)]
    for arm, found in shown.items():
        error, loss = (np.array([each[key] for each in found]) for key in ("test_error", "test_loss"))
        cells = [_mean(found, "secs"), _mean(found, "n_trials"), _interval(100 * error, 2), _interval(loss, 4)]
        lines.append([arm, *cells, *_against(arm, rows[OURS], error, loss)])
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{table}\n\n{start_verdict(shown['the start alone'])}"


def start_verdict(starts: Sequence[Mapping[str, float]]) -> str:
    """Falsifier F4: in how many studies the start alone is within one standard error of ours, or better."""
    near = [each["loss_above_ours"] <= each["loss_above_ours_stderr"] for each in starts]
    interval = stats.binomtest(sum(near), len(near)).proportion_ci()
    return (
        f"The start's test loss is within one standard error (paired on the test examples) of ours, or better, in "
        f"{sum(near)} of {len(near)} studies ({100 * interval.low:.0f} to {100 * interval.high:.0f} %)."
    )


def _against(arm: str, ours: Sequence[Mapping[str, Any]], error: Array, loss: Array) -> list[str]:
    if arm == OURS:
        return ["", "", ""]
    errors = 100 * (np.array([each["test_error"] for each in ours]) - error)
    losses = np.array([each["test_loss"] for each in ours]) - loss
    counts = "/".join(str(int(n)) for n in ((errors < 0).sum(), (errors == 0).sum(), (errors > 0).sum()))
    return [_interval(errors, 2, signed=True), _interval(losses, 4, signed=True), counts]


def _mean(found: Sequence[Mapping[str, Any]], key: str) -> str:
    return f"{np.mean([each[key] for each in found]):.0f}" if key in found[0] else "-"


def _interval(values: Array, decimals: int, *, signed: bool = False) -> str:
    """Mean and its 95 % t-interval over the studies; bold where a difference's excludes zero."""
    sign = "+" if signed else ""
    mean = f"{values.mean():{sign}.{decimals}f}"
    if np.ptp(values) < _SAME:
        return f"{mean} (all)"
    low, high = stats.ttest_1samp(values, 0).confidence_interval()
    mark = "**" if signed and (low > 0 or high < 0) else ""
    return f"{mark}{mean}{mark} [{low:{sign}.{decimals}f}, {high:{sign}.{decimals}f}]"
