"""One rule for all readers: names of fields, ids, types, passages. And what is checked can be written."""

import json
from collections.abc import Callable
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from format_files import BY_NAME, MAKE_DOC, WRITABLE, read_record, read_records, reasons, write_records
from hypothesis import given
from hypothesis import strategies as st

from craftner_spacy.data.formats import Format
from craftner_spacy.data.jsonl import from_json, json_line
from craftner_spacy.data.records import PLAIN, Passage, ReadOptions, Record
from craftner_spacy.data.structure import MAX_DEPTH, parse_passages, to_json_types

names = st.text(st.characters(exclude_categories=("Cs",)), max_size=3)
numbers = st.sampled_from([0, -1, 2**53 + 1, 2**63, 2**64, 2**70, -(2**63) - 1, 0.5, 1e300, float("nan")])
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, names),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(names, inner, max_size=2)),
    max_leaves=4,
)
fields = st.dictionaries(st.sampled_from(["", "x", "x.y", "id", "source_id", "text", "\x00", "\x01"]), values)
"""Few names, so that two records have values of different types in one field."""


@st.composite
def rows(draw: Callable[..., Any], identifier: str) -> dict[str, Any]:
    """What a line of JSON may hold: a text, fields of any types, and passages that may not cover the text."""
    text = draw(st.sampled_from(["", "A mouse", "One.\n\nTwo.", " a "]))
    borders = sorted(draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=4)))
    passages = [
        {"start": start, "end": end, "infons": draw(st.dictionaries(names, values, max_size=2))}
        for start, end in pairwise(borders)
    ]
    row = {**draw(fields), "passages": draw(st.one_of(values, st.just(passages)))}
    return {**row, "id": identifier, "text": text}


def is_same(kept: dict[str, Any], fields: dict[str, Any]) -> bool:
    """Whether each field came back: as it was, or as JSON in text. Tables leave nulls out."""
    for name, value in fields.items():
        if not (name not in kept and value is None) and kept[name] != value:
            assert json.loads(kept[name]) == value
    return set(kept) <= set(fields)


HARD = [
    [{"id": "1", "text": "a", "meta": {}}, {"id": "2", "text": "b", "meta": [{}]}],
    [{"id": "1", "text": "a", "x": [1, "a"]}, {"id": "2", "text": "b"}],
    [{"id": "1", "text": "a", "x": 2**53 + 1}, {"id": "2", "text": "b", "x": 0.5}],
    [{"id": "1", "text": "a", "x": 2**64 - 1}, {"id": "2", "text": "b", "x": -1}],
    [{"id": "1", "text": "a", "x": 2**70}, {"id": "2", "text": "b", "x": {"y": [2**70]}}],
    [{"id": "1", "text": "a", "passages": [{"start": 0, "end": 1, "infons": {"n": 5, "m": [None]}}]}],
    [{"id": "1", "text": "a", "passages": [{"start": 0.0, "end": 1.0, "infons": {}}]}],
]
"""Records that passed the check and could not be written in one format or another."""


@pytest.mark.parametrize("rows", HARD, ids=lambda rows: str(rows[0])[22:60])
@pytest.mark.parametrize("fmt", WRITABLE, ids=lambda row: row.name)
def test_what_passes_the_check_can_be_written(fmt: Format, rows: list[dict[str, Any]]) -> None:
    check_writing(fmt, rows)


@given(rows=st.tuples(rows("1"), rows("2")).map(list), fmt=st.sampled_from(WRITABLE))
def test_what_a_reader_gives_can_be_written_and_read_back(rows: list[dict[str, Any]], fmt: Format) -> None:
    check_writing(fmt, rows)


def check_writing(fmt: Format, rows: list[dict[str, Any]]) -> None:
    """Write the records of objects of JSON, and compare with what is read back."""
    records = [from_json(row, ReadOptions("")) for row in rows]
    for record in records:
        # The check before the annotation asks no more than this, whatever the format of the output.
        assert from_json(json.loads(json_line(record)), ReadOptions("")) == record
    file = BytesIO()
    assert fmt.write is not None
    fmt.write(file, records, MAKE_DOC, PLAIN)
    if not fmt.keeps_records:
        return
    file.seek(0)
    read = list(fmt.read(file, ReadOptions("")))
    assert len(read) == len(records)
    for kept, record in zip(read, records, strict=True):
        assert isinstance(kept, Record), kept
        assert (kept.id, kept.text.split()) == (record.id, record.text.split())
        if fmt.name in ("jsonl", "docbin", "parquet"):
            assert kept.passages == record.passages
            assert is_same(dict(kept.fields), dict(record.fields))
        elif fmt.name.startswith("bioc"):
            assert len(kept.fields) == len(record.fields)


BIOC_JSON = '{"documents": [{"id": %s, "infons": %s, "passages": [{"offset": 0, "text": "a"}]}]}'
BIOC_XML = (
    '<collection><document><id>%s</id><infon key="%s">x</infon>'
    "<passage><offset>0</offset><text>a</text></passage></document></collection>"
)


@pytest.mark.parametrize("name", ["id", "text", "passages", "entities"])
def test_a_field_cannot_replace_what_every_record_has(name: str) -> None:
    infons = json.dumps({name: "x", f"source_{name}": "y"})
    record = read_record("bioc-json", (BIOC_JSON % ('"1"', infons)).encode())
    assert (record.id, record.text, len(record.passages)) == ("1", "a", 1)
    assert record.fields == {f"source_source_{name}": "x", f"source_{name}": "y"}
    assert from_json(json.loads(json_line(record)), ReadOptions("")) == record
    assert read_record("bioc-xml", (BIOC_XML % ("1", name)).encode()).fields == {f"source_{name}": "x"}


def test_ids_of_tables_are_whole_numbers_again() -> None:
    assert read_record("jsonl", b'{"id": 12345.0, "text": "a"}').id == "12345"
    assert read_record("jsonl", b'{"id": NaN, "text": "a"}').id == ""
    assert [read_record("bioc-json", (BIOC_JSON % (n, "{}")).encode()).id for n in ("0", "7", "null")] == [
        "0",
        "7",
        "",
    ]
    for wrong in (b"1.5", b"true", b"1e300", b"[1]"):
        assert "has to be a string or a whole number" in str(
            reasons("jsonl", b'{"text":"a","id":%s}' % wrong)
        )


def test_nan_is_no_value_in_every_format_and_infinity_is_text(tmp_path: Path) -> None:
    expected = {"a": None, "b": [1, None], "c": "Infinity", "d": "-Infinity"}
    line = b'{"id": "1", "text": "a", "a": NaN, "b": [1, NaN], "c": 1e999, "d": -Infinity}'
    assert read_record("jsonl", line).fields == expected
    infons = read_record("bioc-json", (BIOC_JSON % ('"1"', '{"a": NaN, "c": Infinity}')).encode()).fields
    assert infons == {"c": "Infinity"}
    odd = Record("1", "a", to_json_types({"x": float("nan")}, "x"))
    for name in ("parquet", "docbin"):
        fmt = BY_NAME[name]
        assert read_records(fmt, write_records(fmt, [odd], tmp_path))[0].fields.get("x") is None


def test_a_field_is_not_nested_without_end() -> None:
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert read_record("jsonl", b'{"text": "a", "x": %s}' % deep.encode()).text == "a"
    assert "nested deeper than" in str(reasons("jsonl", b'{"text": "a", "x": [%s]}' % deep.encode()))


@pytest.mark.parametrize(
    "rows",
    [
        [{"start": 0, "end": 3, "infons": {}}],
        [{"start": 4, "end": 7, "infons": {}}],
        [{"start": 4, "end": 7, "infons": {}}, {"start": 0, "end": 3, "infons": {}}],
        [{"start": 0, "end": 5, "infons": {}}, {"start": 4, "end": 7, "infons": {}}],
        [{"start": 0, "end": 9, "infons": {}}],
        [{"start": 0.0, "end": 7.0, "infons": {}}],
        [{"start": False, "end": 7, "infons": {}}],
        [{"start": 0, "end": 7, "infons": ["x"]}],
        [{"end": 7}],
        "all",
        7,
    ],
)
def test_passages_that_do_not_cover_the_text_are_a_field_like_others(rows: Any) -> None:
    assert parse_passages(rows, "One two") == ()
    line = json.dumps({"id": "1", "text": "One two", "passages": rows}).encode()
    assert read_record("jsonl", line).fields == {"source_passages": rows}


def test_passages_without_infons_or_with_infons_of_other_types_are_read() -> None:
    rows = [{"start": 0, "end": 3}, {"start": 4, "end": 7, "infons": {"n": 5, "on": True, "no": None}}]
    line = json.dumps({"id": "1", "text": "One two", "passages": rows}).encode()
    assert read_record("jsonl", line).passages == (Passage(0, 3, {}), Passage(4, 7, {"n": "5", "on": "true"}))
