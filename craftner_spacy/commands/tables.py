"""Tables on the terminal."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def print_table(table: "Table") -> None:
    """Print a table as it is: brackets in a cell are no markup, and ``:name:`` is no emoji."""
    from rich.console import Console

    # A file or a pipe has no width.
    width = None if sys.stdout.isatty() else 200
    Console(width=width, markup=False, emoji=False, highlight=False).print(table)
