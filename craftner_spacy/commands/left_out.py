"""What a command has left out of its output, told on standard error."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ..processing.source_files import LeftOut


def tell_left_out(output: Path, skipped: int, files: "Sequence[LeftOut]") -> None:
    """Tell of records and files that were left out, if there are any.

    output (Path): the command's output.
    skipped (int): bad records.
    files (Sequence[LeftOut]): files of folders.
    """
    from ..processing.source_files import describe_left_out

    if skipped:
        typer.echo(f"{skipped:,} bad records were left out: see {output}.skipped.jsonl", err=True)
    if files:
        typer.echo(f"files of folders that were left out: {describe_left_out(files)}", err=True)
