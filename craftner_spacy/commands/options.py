"""Options that several commands have."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ..data.file_kinds import check_input

READABLE = (
    "text, jsonl, csv, tsv, parquet, bioc-xml, bioc-json, pubtator, docbin, brat, medline, jats, jats-tar, "
    "conll, prodigy"
)
"""Names of `data.formats.FORMATS`; they stand here for the help, which does not import the formats."""
WRITABLE = "jsonl, csv, tsv, parquet, bioc-xml, bioc-json, pubtator, docbin, brat"
"""Names of the formats that can hold entities."""


def help_of(command: Callable[..., None]) -> str:
    """The part of a command's docstring that is its help: the errors are for readers of the API.

    >>> help_of(use_gpu)
    'Let spaCy use a GPU; -1: the CPU.'
    """
    return (inspect.getdoc(command) or "").partition("RAISES:")[0].strip()


def existing(paths: list[Path] | None) -> list[Path]:
    """Paths that are given, checked before anything that takes time is imported.

    RETURNS (list[Path]): the same; none if None is given, of which Typer 0.15 would take the length.
    RAISES: FileNotFoundError if one does not exist; ValueError for a device and the like.
    """
    for path in paths or ():
        if not path.is_dir():
            check_input(path)
    return paths or []


def existing_file(path: Path) -> Path:
    """The path of one file, checked as by `existing`.

    RAISES: FileNotFoundError if it does not exist; ValueError for a folder, a device and the like.
    """
    check_input(path)
    return path


def parse_label_map(pairs: list[str] | None) -> dict[str, str] | None:
    """The names of labels by ``--label-map``; None if it is not given.

    RAISES: ValueError if one is not LABEL=NAME, or a label stands twice.

    >>> parse_label_map(["Gene=CellularComponent"])
    {'Gene': 'CellularComponent'}
    """
    names: dict[str, str] = {}
    for pair in pairs or ():
        label, sign, name = pair.partition("=")
        if not (label and sign and name) or label in names:
            raise ValueError(
                f"--label-map {pair!r}: allowed is LABEL=NAME, as in Gene=CellularComponent, once a label"
            )
        names[label] = name
    return names or None


def use_gpu(gpu_id: int) -> None:
    """Let spaCy use a GPU; -1: the CPU.

    RAISES: ValueError if there is no such GPU.
    """
    if gpu_id >= 0:
        import spacy

        spacy.require_gpu(gpu_id)


Model = Annotated[
    str, typer.Option(help="small, biobert, a hub id, a folder with a model or a pipeline, or a package")
]
Kb = Annotated[
    str,
    typer.Option(
        help="what gives entities ids: bundled, a file made by kb build, or none; auto: as the pipeline has "
        "it, and bundled for a model"
    ),
]
GpuId = Annotated[int, typer.Option(help="GPU ID or -1 for CPU")]
InputFormat = Annotated[str | None, typer.Option(help=f"if not by the suffix: {READABLE}")]
OutputFormat = Annotated[str | None, typer.Option(help=f"if not by the suffix: {WRITABLE}")]
Threshold = Annotated[float | None, typer.Option(help="leave out entities with a lower score; 0 to 1")]
Precision = Annotated[str | None, typer.Option(help="auto, fp32, bf16, or int8 (on the CPU)")]
TextField = Annotated[str, typer.Option(help="field of the text, where records have fields")]
IdField = Annotated[str, typer.Option(help="field of the id, where records have fields")]
SkipErrors = Annotated[
    bool, typer.Option("--skip-errors", help="leave out bad records and list them in OUT.skipped.jsonl")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="replace OUT if it exists")]
LabelMap = Annotated[
    list[str] | None,
    typer.Option(help="LABEL=NAME: another name for a label; may be repeated"),
]
Encoding = Annotated[
    str | None,
    typer.Option(help="of texts and tables, such as cp1252; default: UTF-8, or as the file begins"),
]
NoText = Annotated[bool, typer.Option("--no-text", help="leave the texts of the records out of OUT")]
KeepNames = Annotated[
    bool,
    typer.Option("--keep-names", help="let text and id have the names of --text-field and --id-field in OUT"),
]
Fields = Annotated[bool, typer.Option("--fields", help="in CSV and TSV: the records' other fields, too")]
