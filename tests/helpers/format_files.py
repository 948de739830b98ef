"""Records that every format can hold, and files of any format written and read in one call."""

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import spacy

from craftner_spacy.data.formats import FORMATS, Format, read_file, write_file
from craftner_spacy.data.records import BadRecord, Passage, ReadOptions, Record
from craftner_spacy.types import Entity, LinkedConcept

MAKE_DOC = spacy.blank("en").make_doc
WRITABLE = [row for row in FORMATS if row.write is not None]
KEEPING = [row for row in WRITABLE if row.keeps_records]
"""Formats whose reader gives back what the writer wrote."""
BY_NAME = {row.name: row for row in FORMATS}

TITLE, ABSTRACT = "Sox9 in <mouse> & man", "IL-1β was\u2009absent — 𝛼-tubulin was not."
RECORDS = (
    Record(
        "12",
        f"{TITLE}\n{ABSTRACT}",
        {"journal": "J. Mice", "note": "tab\tand “quotes”"},
        (
            Passage(0, len(TITLE), {"type": "title"}),
            Passage(len(TITLE) + 1, len(TITLE) + 1 + len(ABSTRACT), {"type": "abstract"}),
        ),
        (
            Entity(0, 4, "Protein", 0.987654),
            Entity(9, 14, "Taxon", 0.5, LinkedConcept("NCBITaxon:10090", "house <mouse>", 0.75)),
            Entity(22, 27, "Protein", 1.0),
            Entity(41, 42, "Chemical", None, LinkedConcept("X:1")),
        ),
    ),
    Record("PMC/7", "Nothing is found here.", {}),
)


def write_records(fmt: Format, records: Iterable[Record], folder: Path) -> Path:
    """Write records to a file of the format in the folder; its path."""
    path = folder / f"records{fmt.suffixes[0]}"
    write_file(path, fmt, records, MAKE_DOC, compress=False)
    return path


def read_records(fmt: Format, path: Path, **options: Any) -> list[Record]:
    """The records of a file that has no bad one; the options are those of `ReadOptions`."""
    records = []
    for record in read_file(path, fmt, ReadOptions("name", **options)):
        assert isinstance(record, Record), record
        records.append(record)
    return records


def read_bytes(name: str, content: bytes, **options: Any) -> list[Record | BadRecord]:
    """The records of a file with this content, in the format of this name."""
    return list(BY_NAME[name].read(BytesIO(content), ReadOptions("name", **options)))


def read_record(name: str, content: bytes, **options: Any) -> Record:
    """The only record of a file with this content, which is a good one."""
    (record,) = read_bytes(name, content, **options)
    assert isinstance(record, Record), record
    return record


def reasons(name: str, content: bytes, **options: Any) -> list[str | None]:
    """For each record of a file with this content: why it is a bad one; None for a good one."""
    return [r.reason if isinstance(r, BadRecord) else None for r in read_bytes(name, content, **options)]
