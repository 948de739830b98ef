"""CSV and TSV: read, each row is one record; written, each row is one entity."""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from io import BufferedIOBase, TextIOWrapper
from itertools import chain
from typing import IO, Any, cast

from .encodings import as_utf8
from .jsonl import entity_as_json, from_json
from .limits import MAX_RECORD_BYTES, MAX_VALUES
from .records import (
    PLAIN,
    BadRecord,
    ReadOptions,
    Record,
    Tokenizer,
    WriteOptions,
    decode_text,
    or_bad_record,
    shorten,
)
from .structure import name_fields

COLUMNS = ("start", "end", "label", "score", "text")
CONCEPT_COLUMNS = ("concept", "concept_name", "concept_score")
"""Columns of an entity; those of concepts are there if an entity has one."""

_WHOLE = re.compile(r"\d+\.0")
"""A whole number as pandas writes it where a column has numbers and empty cells."""


def read_csv(file: BufferedIOBase, options: ReadOptions) -> Iterator[Record | BadRecord]:
    """Read a record from each row; the first row names the fields, and commas or semicolons separate them.

    All values are text. Fields may be in quotes, and then hold separators, line breaks and doubled quotes. A
    column without a name is called ``column_N`` after its number. An id such as ``7.0`` is a whole number.
    """
    return _read_rows(file, options, ",;")


def read_tsv(file: BufferedIOBase, options: ReadOptions) -> Iterator[Record | BadRecord]:
    """Read a record from each row, as `read_csv` does; tabs separate the fields."""
    return _read_rows(file, options, "\t")


def write_csv(
    file: BufferedIOBase, records: Iterable[Record], tokenizer: Tokenizer, options: WriteOptions = PLAIN
) -> None:
    """Write each entity to a row: the record's id, start, end, label, score, text, and its concept.

    With `options.fields`, the other fields of the record follow; values that are no text become JSON. The
    records are gone through once before they are written, to find the columns.
    """
    _write_rows(file, records, options, ",")


def write_tsv(
    file: BufferedIOBase, records: Iterable[Record], tokenizer: Tokenizer, options: WriteOptions = PLAIN
) -> None:
    """Write each entity to a row, as `write_csv` does, with tabs between columns."""
    _write_rows(file, records, options, "\t")


def _read_rows(file: BufferedIOBase, options: ReadOptions, separators: str) -> Iterator[Record | BadRecord]:
    """The records of a table whose fields one of the separators divides."""
    csv.field_size_limit(max(csv.field_size_limit(), MAX_RECORD_BYTES))
    recoded = cast(IO[bytes], as_utf8(file, options.encoding))
    # What is no UTF-8 becomes half of a surrogate pair, and the row a bad record.
    wrapper = TextIOWrapper(recoded, "utf-8-sig", errors="surrogateescape", newline="")
    lines = _Lines(wrapper, separators)
    try:
        header = wrapper.readline(MAX_RECORD_BYTES)
        separator = _separator(header, options.text_field, separators)
        rows = csv.reader(chain([header] if header else [], lines), delimiter=separator, strict=True)
        try:
            names = [name or f"column_{number}" for number, name in enumerate(next(rows, []), start=1)]
            if len(set(names)) < len(names):
                raise ValueError(f"a column name stands twice in it: {shorten(names)}")
        except (csv.Error, _TooLargeError, ValueError) as err:
            yield BadRecord(f"the first row, which names the columns, cannot be read: {err}")
            return
        while True:
            lines.begin_row()
            try:
                row = next(rows)
            except StopIteration:
                return
            except (csv.Error, _TooLargeError) as err:
                yield BadRecord(f"not a row of the table, at line {rows.line_num}: {err}")
                continue
            if row:
                yield or_bad_record(partial(_parse_row, names, row, options))
    finally:
        # Without it, the wrapper closes the file when it is no longer used. It may be closed already.
        with suppress(ValueError):
            wrapper.detach()


class _TooLargeError(Exception):
    """A row with more characters or fields than a record may have."""


class _Lines:
    """The lines of a table for csv.reader, which takes a row over any number of lines into memory."""

    def __init__(self, lines: TextIOWrapper, separators: str) -> None:
        """Begin with the first line that is not read yet.

        lines (TextIOWrapper): the table.
        separators (str): what may separate fields.
        """
        self._lines, self._separators = lines, separators
        self.begin_row()

    def begin_row(self) -> None:
        """Count anew."""
        self._n_characters = self._n_fields = 0

    def __iter__(self) -> Iterator[str]:
        """Itself."""
        return self

    def __next__(self) -> str:
        """The next line; after one that is too much for its row, the one behind it."""
        line = self._lines.readline(MAX_RECORD_BYTES + 1)
        if not line:
            raise StopIteration
        self._n_characters += len(line)
        self._n_fields += sum(map(line.count, self._separators))
        if self._n_characters > MAX_RECORD_BYTES or self._n_fields > MAX_VALUES:
            while line and line[-1] not in "\r\n":
                line = self._lines.readline(MAX_RECORD_BYTES)
            raise _TooLargeError(
                f"more than {MAX_RECORD_BYTES:,} characters or {MAX_VALUES:,} fields: no record may have them"
            )
        return line


def _separator(header: str, text_field: str, separators: str) -> str:
    """The separator with which the header has the field of the text; if none has, the first one.

    >>> _separator("id;text", "text", ",;")
    ';'
    """
    for separator in separators:
        if text_field in (name.strip('"') for name in header.rstrip("\r\n").split(separator)):
            return separator
    return separators[0]


def _parse_row(names: list[str], row: list[str], options: ReadOptions) -> Record:
    """The record of a row; ValueError if it has none."""
    if len(row) != len(names):
        raise ValueError(
            f"it has {len(row)} fields, and the first row {len(names)}: a separator, a line break or a quote "
            "in a field needs quotes around the field"
        )
    content = "".join((*names, *row))
    if not content.isascii():
        decode_text(content.encode("utf-8", "surrogateescape"), options.encoding)
    fields = dict(zip(names, row, strict=True))
    if _WHOLE.fullmatch(fields.get(options.id_field, "")):
        fields[options.id_field] = fields[options.id_field].partition(".")[0]
    # Text, not what an entity of another table is.
    fields.pop("entities", None)
    return from_json(fields, options)


def _write_rows(
    file: BufferedIOBase, records: Iterable[Record], options: WriteOptions, separator: str
) -> None:
    """Write the entities of records as a table."""
    names: dict[str, None] = {}
    has_concepts = False
    for record in records:
        has_concepts = has_concepts or any(e.concept is not None for e in record.entities)
        names.update(dict.fromkeys(record.fields if options.fields else ()))
    columns = [options.id_field, *COLUMNS, *(CONCEPT_COLUMNS if has_concepts else ())]
    lines = TextIOWrapper(cast(IO[bytes], file), "utf-8", newline="")
    try:
        writer = csv.writer(lines, delimiter=separator, lineterminator="\n")
        writer.writerow([*columns, *name_fields(names, columns)])
        for record in records:
            others = [_cell(record.fields.get(name)) for name in names]
            for entity in record.entities:
                row = {options.id_field: record.id, **entity_as_json(entity, record.text)}
                writer.writerow([*(_cell(row.get(column)) for column in columns), *others])
    finally:
        lines.detach()


def _cell(value: Any) -> str | float | int:
    """A value as it stands in a cell: nothing for None, JSON for what is neither text nor a number."""
    if value is None:
        return ""
    return value if isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False)
