"""What holds for every record, whatever its file: ids, names of fields, types of values, passages."""

import json
import math
from collections.abc import Container, Iterable, Mapping
from numbers import Integral
from typing import Any

from ..types import Entity
from .records import Passage, Record, decode_text, shorten

RESERVED = ("id", "text", "passages", "entities")
"""Names of what each record has: another field with such a name becomes source_NAME."""
MAX_DEPTH = 100
"""Lists and objects in each other, in a field."""
MAX_WHOLE = 2**53
"""Up to here a floating-point number holds each whole number."""


def make_record(
    id: Any,
    text: str,
    fields: Mapping[Any, Any],
    passages: tuple[Passage, ...] = (),
    entities: tuple[Entity, ...] = (),
) -> Record:
    """A record from what a reader found.

    id (Any): see `parse_id`.
    text (str): its text.
    fields (Mapping[Any, Any]): everything else, see `name_fields` and `to_json_types`.
    passages (tuple[Passage, ...]): see `parse_passages`, for a reader that does not make them itself.
    entities (tuple[Entity, ...]): see `records.check_entities`.
    RAISES: ValueError for an id or a field that has no place in a record.

    >>> make_record(7.0, "a mouse", {"id": "x", "weight": float("nan")})
    Record(id='7', text='a mouse', fields={'source_id': 'x', 'weight': None}, passages=(), entities=())
    """
    typed = {str(name): to_json_types(value, name) for name, value in fields.items()}
    return Record(parse_id(id), text, name_fields(typed), passages, entities)


def parse_id(value: Any, name: str = "id") -> str:
    """An id as text; empty if there is none.

    value (Any): text, a whole number (tables often hold it as 7.0), or none: null or NaN.
    name (str): of the field, for the error.
    RAISES: ValueError for a value of another type.

    >>> [parse_id(value) for value in ("a", 0, 7.0, None, float("nan"))]
    ['a', '0', '7', '', '']
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        if math.isnan(value):
            return ""
        if value.is_integer() and abs(value) <= MAX_WHOLE:
            return str(int(value))
    elif value is None:
        return ""
    elif isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"field {name!r} has to be a string or a whole number, not {shorten(value)}")


def name_fields(fields: Mapping[str, Any], reserved: Container[str] = RESERVED) -> dict[str, Any]:
    """Fields with other names in place of the reserved ones, in the same order.

    fields (Mapping[str, Any]): the fields.
    reserved (Container[str]): names that have another meaning where the fields will be.

    >>> name_fields({"text": 1, "source_text": 2, "year": 3})
    {'source_source_text': 1, 'source_text': 2, 'year': 3}
    """
    named: dict[str, Any] = {}
    for name, value in fields.items():
        free = name
        if name in reserved:
            free = f"source_{name}"
            while free in fields:
                free = f"source_{free}"
        named[free] = value
    return named


def to_json_types(value: Any, name: Any, depth: int = 0) -> Any:
    """A value in JSON's types.

    NaN becomes null, as tables write it for no value; infinities, dates, times and decimals become text;
    bytes are read as UTF-8.

    name (Any): of the field, for the error.
    depth (int): lists and objects that the value is in.
    RAISES: ValueError if it holds bytes that are not UTF-8, is nested too deep, or has a name twice.

    >>> import datetime
    >>> to_json_types({"day": datetime.date(2001, 2, 3), 7: (1, float("nan"), b"x", float("inf"))}, "x")
    {'day': '2001-02-03', '7': [1, None, 'x', 'Infinity']}
    """
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8-sig")
        except UnicodeDecodeError as err:
            raise ValueError(
                f"field {name!r} holds bytes that are not UTF-8: byte 0x{value[err.start]:02x} at {err.start}"
            ) from err
    if isinstance(value, dict | list | tuple) and depth == MAX_DEPTH:
        raise ValueError(f"field {name!r} is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        typed = {str(key): to_json_types(item, name, depth + 1) for key, item in value.items()}
        if len(typed) < len(value):
            raise ValueError(f"field {name!r} has the same name twice: {shorten(list(value))}")
        return typed
    if isinstance(value, list | tuple):
        return [to_json_types(item, name, depth + 1) for item in value]
    return int(value) if isinstance(value, Integral) else str(value)


def load_json(raw: bytes, encoding: str | None = None) -> Any:
    """The value of JSON in UTF-8.

    raw (bytes): JSON, with or without a byte order mark.
    encoding (str | None): of the file, for the error; see `records.decode_text`.
    RAISES: ValueError if it is not JSON or not UTF-8, or an object in it has a name twice: all values but the
        last one would be lost.

    >>> load_json(b'{"id": 1, "text": "a mouse"}')
    {'id': 1, 'text': 'a mouse'}
    """
    try:
        return json.loads(decode_text(raw, encoding), object_pairs_hook=_unique)
    except (json.JSONDecodeError, RecursionError) as err:
        raise ValueError(f"not JSON: {err}") from err


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these names and values; ValueError if a name stands twice."""
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError(f"an object has the same name twice: {shorten([name for name, _ in pairs])}")
    return row


def as_text(value: Any) -> str:
    """Text as it is, and any other value in JSON's types as JSON.

    >>> as_text("a"), as_text(True), as_text([1])
    ('a', 'true', '[1]')
    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def parse_infons(infons: Any) -> dict[str, str]:
    """Infons as text; nulls are left out.

    infons (Any): a mapping or pairs; null: none.
    RAISES: ValueError if it is something else, or holds a value that has no place in a record.

    >>> parse_infons({"type": "title", "number": 1, "note": None})
    {'type': 'title', 'number': '1'}
    """
    try:
        pairs = dict(infons or {}).items()
    except (TypeError, ValueError) as err:
        raise ValueError(f"infons have to be an object, not {shorten(infons)}") from err
    typed = {str(key): to_json_types(value, key) for key, value in pairs}
    return {key: as_text(value) for key, value in typed.items() if value is not None}


def parse_passages(rows: Any, text: str) -> tuple[Passage, ...]:
    """Passages as `jsonl.as_json` gives them; none if the rows are something else.

    They have to be in order, and nothing but white space may be outside of them: formats that write a text
    passage by passage would lose it.

    rows (Any): of the field 'passages'.
    text (str): of the record.

    >>> parse_passages([{"start": 0, "end": 3, "infons": {"type": "title"}}], "One ")
    (Passage(start=0, end=3, infons={'type': 'title'}),)
    >>> parse_passages([{"start": 0, "end": 3, "infons": {}}], "One two")
    ()
    """
    try:
        passages = tuple(Passage(row["start"], row["end"], parse_infons(row.get("infons"))) for row in rows)
    except (TypeError, KeyError, ValueError, AttributeError):
        return ()
    return passages if _cover(passages, text) else ()


def _cover(passages: Iterable[Passage], text: str) -> bool:
    """Whether the passages are in order and hold all of the text but white space."""
    last = 0
    for part in passages:
        if type(part.start) is not int or type(part.end) is not int:
            return False
        if not last <= part.start <= part.end <= len(text) or text[last : part.start].strip():
            return False
        last = part.end
    return not text[last:].strip()
