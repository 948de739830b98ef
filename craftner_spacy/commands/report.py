"""The command ``report``."""

from pathlib import Path
from typing import Annotated

import typer

from .options import Encoding, InputFormat, TextField, existing_file


def report_command(
    annotated: Annotated[
        Path, typer.Argument(help="an annotated file", metavar="ANNOTATED", callback=existing_file)
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="the page to write")] = Path("report.html"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace the page if it exists")] = False,
    texts: Annotated[int, typer.Option(min=0, help="number of texts that are shown")] = 20,
    input_format: InputFormat = None,
    text_field: TextField = "text",
    encoding: Encoding = None,
) -> None:
    """Write an HTML page about an annotated file.

    It shows counts, frequent entities, scores, and texts with their entities.
    """
    from ..data.report import report

    stats = report(
        annotated,
        output,
        input_format=input_format,
        text_field=text_field,
        encoding=encoding,
        texts=texts,
        overwrite=overwrite,
    )
    typer.echo(f"{output}: {stats.records:,} texts, {stats.entities:,} entities")
    if not stats.entities:
        typer.echo(f"No entity was read: is {annotated} an annotated file?", err=True)
    if stats.bad_records:
        typer.echo(
            f"{stats.bad_records:,} records could not be read, the first is {stats.first_problem}", err=True
        )
    if stats.bad_scores:
        typer.echo(f"{stats.bad_scores:,} scores are no finite numbers", err=True)
