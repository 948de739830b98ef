"""JSON Lines: each line is one record. Also the JSON form of a record, which other formats build on."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from io import BufferedIOBase
from typing import Any

from ..types import Entity
from .encodings import as_utf8
from .limits import bounded_lines, check_json, is_blank
from .records import (
    PLAIN,
    BadRecord,
    ReadOptions,
    Record,
    Tokenizer,
    WriteOptions,
    check_entities,
    or_bad_record,
    parse_concept,
    shorten,
)
from .structure import load_json, make_record, name_fields, parse_id, parse_passages


def read_jsonl(file: BufferedIOBase, options: ReadOptions) -> Iterator[Record | BadRecord]:
    """Read a record from each line: an object with a text; `from_json` says what its fields mean."""
    return read_lines(file, options, partial(from_json, options=options))


def read_lines(
    file: BufferedIOBase, options: ReadOptions, parse: Callable[[Any], Record]
) -> Iterator[Record | BadRecord]:
    """Read a record from each line of JSON; lines of white space are skipped.

    file (BufferedIOBase): the lines.
    options (ReadOptions): see there.
    parse (Callable): gives the record of a value; it raises a ValueError for a bad one.
    """
    for line in bounded_lines(as_utf8(file, options.encoding), options.is_limited):
        if not is_blank(line):
            yield or_bad_record(partial(_parse_line, line, options, parse))


def write_jsonl(
    file: BufferedIOBase, records: Iterable[Record], tokenizer: Tokenizer, options: WriteOptions = PLAIN
) -> None:
    """Write each record to a line, in UTF-8; see `as_json`.

    RAISES: ValueError if a value has no place in JSON; see `json_line`.
    """
    for record in records:
        file.write(json_line(record, options))


def json_line(record: Record, options: WriteOptions = PLAIN) -> bytes:
    r"""A line of JSON Lines with its line break.

    RAISES: ValueError if a value has no place in JSON: NaN, an infinity or half of a surrogate pair.

    >>> json_line(Record("7", "a mouse", {}))
    b'{"id": "7", "text": "a mouse", "entities": []}\n'
    """
    return json.dumps(as_json(record, options), ensure_ascii=False, allow_nan=False).encode() + b"\n"


def as_json(record: Record, options: WriteOptions = PLAIN) -> dict[str, Any]:
    """A record as a JSON object: id, text, fields, passages if it has any, and entities.

    record (Record): the record.
    options (WriteOptions): the names of id and text, and whether the text is there.

    An entity with a concept has ``concept``, ``concept_name`` and ``concept_score``, too.

    >>> as_json(Record("7", "a mouse", {"year": 2001}, entities=(Entity(2, 7, "Taxon", 0.9),)))
    {'id': '7', 'text': 'a mouse', 'year': 2001,
     'entities': [{'start': 2, 'end': 7, 'label': 'Taxon', 'score': 0.9, 'text': 'mouse'}]}
    """
    row: dict[str, Any] = {options.id_field: record.id}
    if options.text:
        row[options.text_field] = record.text
    row |= written_fields(record, options)
    if record.passages:
        row["passages"] = [
            {"start": p.start, "end": p.end, "infons": dict(p.infons)} for p in record.passages
        ]
    row["entities"] = [entity_as_json(e, record.text) for e in record.entities]
    return row


def written_fields(record: Record, options: WriteOptions) -> dict[str, Any]:
    """The fields of a record as they are written: with other names than those of the id and the text.

    >>> written_fields(Record("7", "a mouse", {"year": 1, "pmid": "x"}), WriteOptions(id_field="pmid"))
    {'year': 1, 'source_pmid': 'x'}
    """
    return name_fields(record.fields, (options.id_field, options.text_field))


def entity_as_json(e: Entity, text: str) -> dict[str, Any]:
    """An entity as a JSON object, with its text and, if it has one, its concept.

    e (Entity): the entity.
    text (str): the text that it is in.
    """
    row = {"start": e.start, "end": e.end, "label": e.label, "score": e.score, "text": text[e.start : e.end]}
    if e.concept is not None:
        row |= {"concept": e.concept.id, "concept_name": e.concept.name, "concept_score": e.concept.score}
    return row


def from_json(row: Any, options: ReadOptions) -> Record:
    """The record of an object as `as_json` gives it, or of any other object with a text.

    row (Any): the parsed JSON; see `structure.make_record`.
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
            f"field {options.text_field!r} has to be a string, not {shorten(text)}; fields: {names}; "
            "--text-field names another"
        )
    entities = _parse_entities(fields.get("entities") or [], len(text)) if options.entities else ()
    return from_fields(text, fields, options.id_field, entities)


def from_fields(
    text: str, fields: Mapping[str, Any], id_field: str, entities: tuple[Entity, ...] = ()
) -> Record:
    """The record of a text and of what an object says beside it.

    text (str): the text.
    fields (Mapping[str, Any]): id, passages and others; a field `entities` is left out.
    id_field (str): the name of the id.
    entities (tuple[Entity, ...]): of the text.
    RAISES: ValueError if the id or a field has no place in a record.
    """
    others = {name: value for name, value in fields.items() if name != "entities"}
    identifier = parse_id(others.pop(id_field, None), id_field)
    passages = parse_passages(others.get("passages") or (), text)
    if passages or not others.get("passages"):
        others.pop("passages", None)
    return make_record(identifier, text, others, passages, entities)


def _parse_line(line: bytes, options: ReadOptions, parse: Callable[[Any], Record]) -> Record:
    """The record of a line; ValueError if it has none."""
    if options.is_limited:
        check_json(line)
    return parse(load_json(line, options.encoding))


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
