"""The same targets by atheris, which keeps the inputs that reach new lines of the code and changes them further.

    pip install atheris && python -m benchmarks.fuzz_coverage "space file" -runs=20000

Options are libFuzzer's. It ends with an error and the input if a case does not pass.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["tuning", "search_spaces", "tomllib", "zipfile"]):
    from benchmarks.fuzz import TARGETS, as_test


def main(target: str, options: list[str]) -> None:
    """Fuzz one target; its bytes are the choices of the Hypothesis strategies."""
    if target not in TARGETS:
        sys.exit(f"error: a target is one of {', '.join(TARGETS)}, got {target!r}.")
    test, _ = as_test(target, n_cases=1)
    atheris.Setup([sys.argv[0], *options], test.hypothesis.fuzz_one_input)  # type: ignore[attr-defined]
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
