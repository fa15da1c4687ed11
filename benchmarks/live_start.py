"""What did tuning bring over its own start? Read from comparisons whose first engine is this project's.

    python -m benchmarks.live_start live-digits live-mnist5k      # names of `python -m tuning.compare --study NAME`

The start is the first trial of each study; its model was scored on the test set with the shipped one, in that study's
one opening. Falsifier F4 asks whether the start is within one standard error, here of the difference over studies.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.statistics import stderr
from tuning.compare.engines import OURS
from tuning.compare.numbers import difference, mean_of, test_of
from tuning.compare.record import RECORD_FILE, StudyRecord

HEAD = (
    "| comparison | studies | start: test error, % | loss | ours minus it: error, points | loss | p by error, by loss |"
)


def of_start(record: StudyRecord) -> StudyRecord:
    """The same study, had it shipped what it began with."""
    return replace(record, sampler="start", shipped=record.moments[0].shipped)  # type: ignore[arg-type]


def row(name: str, records: Sequence[StudyRecord]) -> str:
    """One comparison as a row of Markdown.

    Args:
        name: Of the comparison.
        records: Of this project's studies in it, at least two, each of whose starts gave a value.
    """
    starts = [of_start(record) for record in records]
    found = difference(records, starts)
    error, loss = (mean_of([getattr(test_of(each), key) for each in starts]) for key in ("error", "loss"))
    against = [found.error.times(100).text(2, signed=True), found.loss.text(4, signed=True)] if found else ["", ""]
    p_values = f"{found.error_p:.2g}, {found.loss_p:.2g}" if found else ""
    cells = [name, str(len(records)), error.times(100).text(2), loss.text(4), *against, p_values]
    return f"| {' | '.join(cells)} |"


def standard_errors(records: Sequence[StudyRecord]) -> float:
    """By how many standard errors, over studies, the start's test loss is above that of what was shipped."""
    gained = np.array([test_of(of_start(each)).loss - test_of(each).loss for each in records])
    return float(gained.mean() / stderr(gained))


def records_of(name: str, root: Path) -> list[StudyRecord]:
    """This project's studies of a comparison, repeat by repeat."""
    folders = (root / "mlruns" / "studies").glob(f"{name}-{OURS}-*/{RECORD_FILE}")
    found = [record for path in folders if (record := StudyRecord.read(path.parent))]
    return sorted(found, key=lambda record: record.repeat)


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description="This project's studies against their own first trial.")
    parser.add_argument("names", nargs="+", help="Of comparisons.")
    found = {name: records_of(name, Path.cwd()) for name in parser.parse_args().names}
    print(f"{HEAD}\n{'|---' * 7}|")
    print("\n".join(row(name, records) for name, records in found.items()) + "\n")
    for name, records in found.items():
        print(f"{name}: the start's loss is higher by {standard_errors(records):.1f} standard errors")


if __name__ == "__main__":
    main()
