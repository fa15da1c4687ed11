"""Results of long benchmarks, a line of JSON for each cell of their table, so that a run that was cut off goes on."""

from __future__ import annotations

import json
from collections.abc import Hashable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Results:
    """The file of one benchmark.

    Args:
        path: Of the file; its folder is made when it is needed.
        cell: The dataclass that names a cell of the table.
    """

    path: Path
    cell: type

    @classmethod
    def of(cls, name: str, cell: type) -> Results:
        """The file of a benchmark by its name, in the folder of results that is not committed."""
        return cls(Path(__file__).with_name(".results") / f"{name}.jsonl", cell)

    def kept(self) -> dict[Hashable, Any]:
        """The results so far; a line that was cut off by a kill is left out."""
        found = {}
        for line in self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []:
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue
            found[self.cell(**row["cell"])] = row["result"]
        return found

    def keep(self, cell: Any, result: Any) -> None:  # noqa: ANN401 - of the benchmark
        """Append a result, on a line of its own also behind one that was cut off."""
        self.path.parent.mkdir(exist_ok=True)
        known = self.path.read_bytes() if self.path.exists() else b""
        line = json.dumps({"cell": asdict(cell), "result": result}) + "\n"
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line if not known or known.endswith(b"\n") else "\n" + line)
