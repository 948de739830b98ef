"""Parquet: each row is one record."""

import json
from collections.abc import Iterable, Iterator
from functools import partial
from io import BufferedIOBase
from typing import Any

from .jsonl import as_json, from_json, to_json_types
from .records import BadRecord, ReadOptions, Record, Tokenizer, import_extra, or_bad_record

ROWS_READ = 256
ROWS_WRITTEN = 1024
"""Rows that are in memory at once; when writing, those of a row group."""


def read_parquet(file: BufferedIOBase, options: ReadOptions) -> Iterator[Record | BadRecord]:
    """Read a record from each row: its columns are the fields, see `jsonl.from_json`.

    Nulls are left out; dates, times and decimals become text; a row with bytes is a bad record.
    """
    pa, parquet = import_extra("pyarrow"), import_extra("pyarrow.parquet")
    try:
        table = parquet.ParquetFile(file)
    except pa.ArrowInvalid as err:
        yield BadRecord(f"not Parquet: {err}")
        return
    for batch in table.iter_batches(batch_size=ROWS_READ):
        for row in batch.to_pylist():
            yield or_bad_record(partial(_parse_row, row, options))


def write_parquet(file: BufferedIOBase, records: Iterable[Record], tokenizer: Tokenizer) -> None:
    """Write each record to a row, with a column for each field that any record has.

    A column has the type that all its values have in common; if they have none, it holds JSON as text. To
    find the types, the records are gone through once before they are written. Entities have columns for
    concepts if one of them has a concept.
    """
    pa, parquet = import_extra("pyarrow"), import_extra("pyarrow.parquet")
    types, have_concepts = _column_types(pa, records)
    schema = _make_schema(pa, types, have_concepts)
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        rows = []
        for record in records:
            rows.append(_make_row(record, types))
            if len(rows) == ROWS_WRITTEN:
                writer.write_table(pa.Table.from_pylist(rows, schema))
                rows.clear()
        writer.write_table(pa.Table.from_pylist(rows, schema))


def _parse_row(row: dict[str, Any], options: ReadOptions) -> Record:
    """The record of a row; ValueError if it has none."""
    # A null, or NaN in a column of numbers, is how a table says that there is no value.
    values = {name: value for name, value in row.items() if value is not None and value == value}
    return from_json({name: to_json_types(value, name) for name, value in values.items()}, options)


def _make_row(record: Record, types: dict[str, Any]) -> dict[str, Any]:
    """A record as a row of the schema of `_make_schema`."""
    row = as_json(record)
    for name in (name for name, arrow_type in types.items() if arrow_type is None and name in row):
        row[name] = json.dumps(row[name], ensure_ascii=False)
    passages = [{**p, "infons": list(p["infons"].items())} for p in row.get("passages", [])]
    row["passages"] = passages or None
    return row


def _make_schema(pa: Any, types: dict[str, Any], have_concepts: bool) -> Any:
    """The columns: id, text, the fields, passages, entities."""
    span = [("start", pa.int64()), ("end", pa.int64())]
    of_entity = [*span, ("label", pa.string()), ("score", pa.float64()), ("text", pa.string())]
    if have_concepts:
        of_entity += [
            ("concept", pa.string()),
            ("concept_name", pa.string()),
            ("concept_score", pa.float64()),
        ]
    entity = pa.struct(of_entity)
    passage = pa.struct([*span, ("infons", pa.map_(pa.string(), pa.string()))])
    fields = [(name, pa.string() if t in (None, pa.null()) else t) for name, t in types.items()]
    annotations = [("passages", pa.list_(passage)), ("entities", pa.list_(entity))]
    return pa.schema([("id", pa.string()), ("text", pa.string()), *fields, *annotations])


def _column_types(pa: Any, records: Iterable[Record]) -> tuple[dict[str, Any], bool]:
    """The types of the fields over all records, and whether an entity has a concept.

    The type of a field whose values have none in common is None.
    """
    types: dict[str, Any] = {}
    have_concepts = False
    for record in records:
        have_concepts = have_concepts or any(e.concept is not None for e in record.entities)
        for name, value in record.fields.items():
            known = types.get(name, pa.null())
            if known is not None:
                types[name] = _common_type(pa, known, value)
    return types, have_concepts


def _common_type(pa: Any, known: Any, value: Any) -> Any:
    """The type that values of the known type and this value have in common; None if there is none."""
    try:
        own = pa.infer_type([value])
        if own == known:
            return own
        schemas = [pa.schema([("x", known)]), pa.schema([("x", own)])]
        return pa.unify_schemas(schemas, promote_options="permissive").field("x").type
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return None
