"""The command ``convert``."""

from pathlib import Path
from typing import Annotated

import typer

from .left_out import tell_left_out
from .options import (
    Encoding,
    Fields,
    IdField,
    InputFormat,
    KeepNames,
    NoText,
    OutputFormat,
    Overwrite,
    SkipErrors,
    TextField,
    existing,
)
from .stops import clean_stops


def convert_command(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            help="annotated files, or folders of files of --input-format", metavar="IN", callback=existing
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="the file to write; its suffix is its format")
    ],
    input_format: InputFormat = None,
    output_format: OutputFormat = None,
    text_field: TextField = "text",
    id_field: IdField = "id",
    encoding: Encoding = None,
    skip_errors: SkipErrors = False,
    no_text: NoText = False,
    keep_names: KeepNames = False,
    fields: Fields = False,
    overwrite: Overwrite = False,
) -> None:
    """Write annotated files in another format. No model is needed.

    With OUT.spacy, the entities of the files become training data for spacy train: tokens are split where
    entities begin and end, and sentences have starts.

    RAISES: what `processing.convert.convert` raises.
    """
    from ..processing.convert import convert

    with clean_stops():
        done = convert(
            list(inputs),
            output,
            input_format=input_format,
            output_format=output_format,
            text_field=text_field,
            id_field=id_field,
            encoding=encoding,
            skip_errors=skip_errors,
            no_text=no_text,
            keep_names=keep_names,
            fields=fields,
            overwrite=overwrite,
            progress=True,
        )
    labels = ", ".join(f"{label} {n:,}" for label, n in done.labels.items()) or "no label"
    typer.echo(f"{done.output}: {done.records:,} records, {done.entities:,} entities ({labels})")
    if not done.entities:
        typer.echo("No entity was read: does --input-format name the format (prodigy, brat)?", err=True)
    tell_left_out(done.output, done.skipped, done.left_out)
