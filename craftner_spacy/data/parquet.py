"""Parquet: each row is one record."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from io import BufferedIOBase
from typing import Any, NamedTuple

import numpy as np

from .column_types import Kind, arrow_type, common_kind, kind_of
from .jsonl import as_json, from_json, written_fields
from .limits import MAX_RECORD_BYTES, check_size
from .parquet_footer import GroupSizes, read_group_sizes
from .records import (
    DAMAGE,
    PLAIN,
    BadRecord,
    ReadOptions,
    Record,
    Tokenizer,
    WriteOptions,
    explain_damage,
    import_extra,
    or_bad_record,
    shorten,
)
from .row_sizes import row_sizes
from .structure import to_json_types

ROWS_READ = 256
ROWS_WRITTEN = 1024
"""Rows that are in memory at once; when writing, those of a row group."""
CHARACTERS_WRITTEN = 32_000_000
"""A row group ends with the row that brings its texts, and fields that are text, to so many characters."""
MAX_NESTED = 5_000_000
"""Values of lists that a column of a row group may have if the file has less than a bit for each."""
MAX_UNPACKED = 200_000_000
"""Bytes that a column of a row group may have if the file has 500 times less for it."""


def read_parquet(file: BufferedIOBase, options: ReadOptions) -> Iterator[Record | BadRecord]:
    """Read a record from each row: its columns are the fields, see `jsonl.from_json`.

    Nulls are left out; dates, times and decimals become text, and bytes are read as UTF-8. Where a row group
    is damaged, one bad record stands for the rest of it.
    """
    pa = import_extra("pyarrow")
    try:
        with _explain_errors(pa):
            table, columns = _open_table(file, options)
            leaves = [table.schema.column(number) for number in range(len(table.schema))]
            groups = read_group_sizes(file)
            if sum(group.n_rows for group in groups) != table.metadata.num_rows:
                raise ValueError("the rows of its row groups are not those of the file")
    except ValueError as err:
        yield BadRecord(f"not Parquet that can be read: {err}")
        return
    for number, group in enumerate(groups):
        n_read = 0
        try:
            with _explain_errors(pa):
                _check_row_group(group, leaves, columns)
                for batch in table.iter_batches(ROWS_READ, row_groups=[number], columns=columns):
                    for record in read_rows(batch, options):
                        n_read += 1
                        yield record
                if n_read != group.n_rows:
                    raise ValueError(f"it has {n_read} rows, not {group.n_rows}")
        except ValueError as err:
            yield BadRecord(f"row group {number + 1}, from row {n_read + 1} on: {err}")


def write_parquet(
    file: BufferedIOBase, records: Iterable[Record], tokenizer: Tokenizer, options: WriteOptions = PLAIN
) -> None:
    """Write each record to a row, with a column for each field that any record has.

    A column has the type that all its values have in common; if they have none, it holds JSON as text. To
    find the types, the records are gone through once before they are written. Entities have columns for
    concepts if one of them has a concept. Pages have checksums: damage cannot pass as another text.
    """
    pa, parquet = import_extra("pyarrow"), import_extra("pyarrow.parquet")
    columns = _read_columns(records, options)
    schema = _make_schema(pa, columns, options)
    with parquet.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer:
        rows, n_characters = [], 0
        for record in records:
            rows.append(_make_row(record, columns, options))
            texts = (value for value in record.fields.values() if isinstance(value, str))
            n_characters += len(record.text) + sum(map(len, texts))
            if len(rows) == ROWS_WRITTEN or n_characters >= CHARACTERS_WRITTEN:
                writer.write_table(pa.Table.from_pylist(rows, schema))
                rows, n_characters = [], 0
        writer.write_table(pa.Table.from_pylist(rows, schema))


def read_rows(batch: Any, options: ReadOptions) -> Iterator[Record | BadRecord]:
    """The records of a batch of rows.

    batch (pyarrow.RecordBatch): some rows.
    options (ReadOptions): see there.
    """
    sizes = np.sum([row_sizes(column) for column in batch.columns], axis=0)
    if sizes.sum() <= MAX_RECORD_BYTES:
        try:
            rows = _to_python(batch)
        except DAMAGE:
            pass  # One of the rows; each is tried alone.
        else:
            yield from (or_bad_record(partial(_parse_row, row, options)) for row in rows)
            return
    for number, size in enumerate(sizes):
        yield or_bad_record(partial(_parse_slice, batch.slice(number, 1), int(size), options))


@contextmanager
def _explain_errors(pa: Any) -> Iterator[None]:
    """Raise a ValueError for anything that a damaged file makes pyarrow raise, but not for a damaged disk."""
    try:
        yield
    except (*DAMAGE, pa.ArrowException) as err:
        raise ValueError(explain_damage(err)) from err
    except OSError as err:
        # pyarrow raises these for what a file holds, too: without a number.
        if err.errno is not None:
            raise
        raise ValueError(explain_damage(err)) from err


def _open_table(file: BufferedIOBase, options: ReadOptions) -> tuple[Any, list[str]]:
    """The table, and the names of the columns to read."""
    parquet = import_extra("pyarrow.parquet")
    first = parquet.ParquetFile(file)
    names = first.schema_arrow.names
    if len(set(names)) < len(names):
        raise ValueError(f"two columns have the same name: {shorten(sorted(names))}")
    if options.text_field not in names:
        raise ValueError(f"it has no column {options.text_field!r} (--text-field); columns: {shorten(names)}")
    leaves = map(first.schema.column, range(len(first.schema)))
    # Text stays as it is stored, equal values once: a row of a few bytes may stand for megabytes.
    texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    columns = [name for name in names if options.entities or name != "entities" or name == options.text_field]
    table = parquet.ParquetFile(file, read_dictionary=texts, page_checksum_verification=True)
    return table, columns


def _check_row_group(group: GroupSizes, leaves: list[Any], columns: list[str]) -> None:
    """ValueError if a row group would take far more memory than it takes in the file."""
    for leaf, column in zip(leaves, group.columns, strict=True):
        if leaf.path.split(".")[0] not in columns and leaf.path not in columns:
            continue
        if leaf.max_repetition_level == 0 and column.n_values != group.n_rows:
            raise ValueError(f"column {leaf.path!r} has {column.n_values} values for {group.n_rows} rows")
        if leaf.max_repetition_level > 0 and column.n_values > max(MAX_NESTED, 8 * column.n_bytes):
            raise ValueError(f"column {leaf.path!r}: {column.n_values:,} values in {column.n_bytes:,} bytes")
        if column.n_unpacked > max(MAX_UNPACKED, 500 * column.n_bytes):
            raise ValueError(f"column {leaf.path!r}: {column.n_bytes:,} bytes, unpacked over 500 times more")
        if leaf.physical_type == "FIXED_LEN_BYTE_ARRAY":
            check_size(leaf.length * ROWS_READ)


def _parse_slice(batch: Any, size: int, options: ReadOptions) -> Record:
    """The record of a batch of one row; ValueError if it has none."""
    check_size(size)
    (row,) = _to_python(batch)
    return _parse_row(row, options)


def _to_python(batch: Any) -> list[dict[str, Any]]:
    """The rows of a batch."""
    columns = map(_to_list, batch.columns)
    return [dict(zip(batch.schema.names, row, strict=True)) for row in zip(*columns, strict=True)]


def _to_list(column: Any) -> list[Any]:
    """The values of a column; times in nanoseconds that Python cannot hold are text."""
    pa = import_extra("pyarrow")
    if pa.types.is_dictionary(column.type):
        # In one step: value by value takes six times as long. The size of the rows is known by now.
        column = column.dictionary_decode()
    if getattr(column.type, "unit", "") != "ns":
        # With the option, lists and objects take nine times as long.
        return column.to_pylist(maps_as_pydicts="strict") if _has_map(pa, column.type) else column.to_pylist()
    name = str(column.type).partition("[")[0]
    coarse = {"timestamp": partial(pa.timestamp, tz=getattr(column.type, "tz", None)), "time64": pa.time64}
    values = column.cast(coarse.get(name, pa.duration)("us"), safe=False).to_pylist()
    texts, numbers = column.cast(pa.string()).to_pylist(), column.cast(pa.int64()).to_pylist()
    return [
        text if number is not None and number % 1000 else value
        for value, text, number in zip(values, texts, numbers, strict=True)
    ]


def _has_map(pa: Any, kind: Any) -> bool:
    """Whether a type is a map, or holds one."""
    return pa.types.is_map(kind) or any(_has_map(pa, kind.field(n).type) for n in range(kind.num_fields))


def _parse_row(row: dict[str, Any], options: ReadOptions) -> Record:
    """The record of a row; ValueError if it has none."""
    # A null, or NaN in a column of numbers, is how a table says that there is no value.
    values = {name: value for name, value in row.items() if value is not None and value == value}
    if isinstance(text := values.get(options.text_field), bytes):
        values[options.text_field] = to_json_types(text, options.text_field)
    return from_json(values, options)


class _Columns(NamedTuple):
    """What the columns of a set of records are.

    kinds (dict[str, Kind]): of the fields.
    have_passages, have_concepts (bool): whether a record has passages, or an entity a concept.
    """

    kinds: dict[str, Kind]
    have_passages: bool
    have_concepts: bool


def _make_row(record: Record, columns: _Columns, options: WriteOptions) -> dict[str, Any]:
    """A record as a row of the schema of `_make_schema`."""
    row = as_json(record, options)
    for name, kind in columns.kinds.items():
        if kind == "json" and row.get(name) is not None:
            row[name] = json.dumps(row[name], ensure_ascii=False)
    if record.passages:
        row["passages"] = [{**p, "infons": list(p["infons"].items())} for p in row["passages"]]
    return row


def _make_schema(pa: Any, columns: _Columns, options: WriteOptions) -> Any:
    """The columns: id, text, the fields, passages if there are any, entities."""
    span = [("start", pa.int64()), ("end", pa.int64())]
    of_entity = [*span, ("label", pa.string()), ("score", pa.float64()), ("text", pa.string())]
    if columns.have_concepts:
        of_entity += [
            ("concept", pa.string()),
            ("concept_name", pa.string()),
            ("concept_score", pa.float64()),
        ]
    passage = pa.struct([*span, ("infons", pa.map_(pa.string(), pa.string()))])
    fields = [(name, arrow_type(pa, kind)) for name, kind in columns.kinds.items()]
    texts = [(options.text_field, pa.string())] if options.text else []
    passages = [("passages", pa.list_(passage))] if columns.have_passages else []
    entities = ("entities", pa.list_(pa.struct(of_entity)))
    return pa.schema([(options.id_field, pa.string()), *texts, *fields, *passages, entities])


def _read_columns(records: Iterable[Record], options: WriteOptions) -> _Columns:
    """The columns that all records need."""
    kinds: dict[str, Kind] = {}
    have_passages = have_concepts = False
    for record in records:
        have_passages = have_passages or bool(record.passages)
        have_concepts = have_concepts or any(e.concept is not None for e in record.entities)
        for name, value in written_fields(record, options).items():
            kinds[name] = common_kind([kinds.get(name), kind_of(value)])
    return _Columns(kinds, have_passages, have_concepts)
