"""Tables as plain text, in which a name is what it is: `[b]` in a file's name is no markup, `:cat:` no picture."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table


def table_text(table: Table, width: int) -> str:
    """A table as plain text.

    Args:
        table: What is shown.
        width: In columns, however wide the terminal.
    """
    console = Console(width=width, color_system=None, highlight=False, markup=False, emoji=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get()
