"""The files of an export side by side, as a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from tuning.evaluation import Latency
from tuning.export.round_trip import RoundTrip
from tuning.plain_text import table_text

_WIDTH = 100


def export_text(trips: Sequence[RoundTrip], *, has_seen_them: bool = False) -> str:
    """Every file with its size, what it changes, and its latency, as plain text.

    Args:
        trips: A file each.
        has_seen_them: Whether the model was trained on the validation examples too.
    """
    first = trips[0]
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("file", no_wrap=True)
    batches = [f"ms at batch {each.batch_size}" for each in first.latency]
    for header in ("kB", "differs by", "changed", "accuracy %", *batches):
        table.add_column(header, justify="right", no_wrap=True)
    for trip in trips:
        table.add_row(*_row(trip))
    seen = ", on which it was trained too" if has_seen_them else ""
    threads = "1 thread" if first.n_threads == 1 else f"{first.n_threads} threads"
    return (
        f"{table_text(table, _WIDTH)}"
        f"On {first.n_checked} validation examples{seen}, of which the scored model has "
        f"{100 * first.scored_accuracy:.2f} % right: the largest difference\n"
        "of an output from the scored model's, and how many predictions changed. "
        f"Milliseconds: median (95th percentile), {threads}.\n"
        f"Each file was read in a fresh process by {', '.join(dict.fromkeys(trip.runtime for trip in trips))}."
    )


def _row(trip: RoundTrip) -> list[str]:
    return [
        trip.file,
        f"{trip.size_bytes / 1000:,.0f}",
        f"{trip.max_difference:.1e}",
        f"{trip.n_changed}",
        f"{100 * trip.accuracy:.2f}",
        *(_milliseconds(each) for each in trip.latency),
    ]


def _milliseconds(latency: Latency) -> str:
    return f"{latency.median_ms:.2f} ({latency.p95_ms:.2f})"
