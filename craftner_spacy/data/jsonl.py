"""JSON Lines: each line is one record. Also the JSON form of a record, which other formats build on."""

import json
from collections.abc import Iterable, Iterator
from functools import partial
from io import BufferedIOBase
from typing import Any

from ..types import Entity
from .records import (
    BadRecord,
    Passage,
    ReadOptions,
    Record,
    Tokenizer,
    check_entities,
    decode_utf8,
    or_bad_record,
    parse_concept,
    shorten,
)

RESERVED = ("id", "text", "passages", "entities")
"""Names that `as_json` gives a meaning: another field of the input with such a name becomes source_NAME."""


def read_jsonl(file: BufferedIOBase, options: ReadOptions) -> Iterator[Record | BadRecord]:
    """Read a record from each line; lines of white space are skipped.

    A line is an object with a text; `from_json` says what its fields mean.
    """
    for line in file:
        if line.strip():
            yield or_bad_record(partial(_parse_line, line, options))


def write_jsonl(file: BufferedIOBase, records: Iterable[Record], tokenizer: Tokenizer) -> None:
    """Write each record to a line, in UTF-8; see `as_json`.

    RAISES: ValueError if a value has no place in JSON; see `json_line`.
    """
    for record in records:
        file.write(json_line(record))


def json_line(record: Record) -> bytes:
    r"""A line of JSON Lines with its line break.

    RAISES: ValueError if a value has no place in JSON: NaN, an infinity or half of a surrogate pair.

    >>> json_line(Record("7", "a mouse", {}))
    b'{"id": "7", "text": "a mouse", "entities": []}\n'
    """
    return json.dumps(as_json(record), ensure_ascii=False, allow_nan=False).encode() + b"\n"


def as_json(record: Record) -> dict[str, Any]:
    """A record as a JSON object: id, text, fields, passages if it has any, and entities.

    An entity with a concept has ``concept``, ``concept_name`` and ``concept_score``, too.

    >>> as_json(Record("7", "a mouse", {"year": 2001}, entities=(Entity(2, 7, "Taxon", 0.9),)))
    {'id': '7', 'text': 'a mouse', 'year': 2001,
     'entities': [{'start': 2, 'end': 7, 'label': 'Taxon', 'score': 0.9, 'text': 'mouse'}]}
    """
    row: dict[str, Any] = {"id": record.id, "text": record.text, **record.fields}
    if record.passages:
        row["passages"] = [
            {"start": p.start, "end": p.end, "infons": dict(p.infons)} for p in record.passages
        ]
    row["entities"] = [_entity_as_json(e, record.text) for e in record.entities]
    return row


def _entity_as_json(e: Entity, text: str) -> dict[str, Any]:
    row = {"start": e.start, "end": e.end, "label": e.label, "score": e.score, "text": text[e.start : e.end]}
    if e.concept is not None:
        row |= {"concept": e.concept.id, "concept_name": e.concept.name, "concept_score": e.concept.score}
    return row


def from_json(row: Any, options: ReadOptions) -> Record:
    """The record of an object as `as_json` gives it, or of any other object with a text.

    row (Any): the parsed JSON; an id may be a string or a whole number, or be missing.
    options (ReadOptions): the names of text and id, and whether entities are read.
    RAISES: ValueError if it is no object, has no text, or has an id or entities of a wrong form.
    """
    if not isinstance(row, dict):
        raise ValueError(f"a record has to be an object with fields, not {shorten(row)}")
    fields = dict(row)
    text = fields.pop(options.text_field, None)
    if not isinstance(text, str):
        names = shorten(list(row))
        raise ValueError(
            f"field {options.text_field!r} has to be a string, not {shorten(text)}; fields: {names}"
        )
    identifier = fields.pop(options.id_field, None)
    if isinstance(identifier, bool) or not isinstance(identifier, str | int | None):
        raise ValueError(
            f"field {options.id_field!r} has to be a string or a whole number, not {shorten(identifier)}"
        )
    entities = fields.pop("entities", None) or []
    passages = _parse_passages(fields.get("passages"), len(text))
    if passages:
        fields.pop("passages")
    return Record(
        "" if identifier is None else str(identifier),
        text,
        {f"source_{name}" if name in RESERVED else name: value for name, value in fields.items()},
        passages,
        _parse_entities(entities, len(text)) if options.entities else (),
    )


def to_json_types(value: Any, name: str) -> Any:
    """A value in JSON's types; dates, times and decimals become text.

    name (str): of the field, for the error.
    RAISES: ValueError if it is or holds bytes.

    >>> import datetime
    >>> to_json_types({"day": datetime.date(2001, 2, 3), 7: (1, None)}, "x")
    {'day': '2001-02-03', '7': [1, None]}
    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, bytes):
        raise ValueError(f"column {name!r} holds bytes, which have no place in the output: leave it out")
    if isinstance(value, dict):
        return {str(key): to_json_types(item, name) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json_types(item, name) for item in value]
    return str(value)


def _parse_line(line: bytes, options: ReadOptions) -> Record:
    """The record of a line; ValueError if it has none."""
    try:
        row = json.loads(decode_utf8(line))
    except (json.JSONDecodeError, RecursionError) as err:
        raise ValueError(f"not JSON: {err}") from err
    return from_json(row, options)


def _parse_passages(rows: Any, length: int) -> tuple[Passage, ...]:
    """Passages as `as_json` gives them; none if the field of this name holds something else."""
    try:
        passages = tuple(
            Passage(row["start"], row["end"], {k: v for k, v in dict(row["infons"]).items() if v is not None})
            for row in rows
        )
        are_in_text = all(0 <= p.start <= p.end <= length for p in passages)
    except (TypeError, KeyError, ValueError):
        return ()
    return passages if are_in_text else ()


def _parse_entities(rows: Any, length: int) -> tuple[Entity, ...]:
    """Entities as `as_json` gives them; ValueError if they have another form."""
    try:
        entities = [
            Entity(
                row["start"],
                row["end"],
                row["label"],
                row.get("score"),
                parse_concept(row.get("concept"), row.get("concept_name"), row.get("concept_score")),
            )
            for row in rows
        ]
    except (TypeError, KeyError, AttributeError) as err:
        raise ValueError("field 'entities' has to be a list of objects with start, end and label") from err
    return check_entities(entities, length)
