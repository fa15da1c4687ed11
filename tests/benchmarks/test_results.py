"""Results of long benchmarks on disk: they go on after a kill."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.results import Results


@dataclass(frozen=True)
class Cell:
    """One of a table."""

    task: str


def test_what_was_kept_is_found_and_a_line_that_was_cut_off_costs_no_other(tmp_path: Path) -> None:
    """Neither the ones before it nor the one that is written next."""
    results = Results(tmp_path / "made" / "results.jsonl", Cell)
    assert {} == results.kept()
    results.keep(Cell("a"), [1.5])
    with results.path.open("a", encoding="utf-8") as file:
        file.write('{"cell": {"task": "b"}, "res')
    results.keep(Cell("c"), {"n": 2})
    assert {Cell("a"): [1.5], Cell("c"): {"n": 2}} == results.kept()
