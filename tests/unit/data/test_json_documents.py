"""Files of BioC JSON divided into documents: what is broken or no document loses only itself."""

import json
from typing import Any

import pytest
from format_files import read_bytes, reasons

from craftner_spacy.data import json_documents
from craftner_spacy.data.records import BadRecord, Record

JSON_DOCUMENT: dict[str, Any] = {"id": "1", "passages": [{"offset": 0, "text": "A [mouse]"}]}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (json.dumps(JSON_DOCUMENT), None),
        (json.dumps([JSON_DOCUMENT]), None),
        ("\ufeff" + json.dumps({"documents": [JSON_DOCUMENT]}), None),
        (json.dumps({"infons": {"x": '"documents": ['}, "documents": [JSON_DOCUMENT]}), None),
        (json.dumps({"documents": [{**JSON_DOCUMENT, "x": float("nan")}]}), None),
        (json.dumps({"documents": [{**JSON_DOCUMENT, "annotations": [{"x": 1}]}]}), None),
        (json.dumps(["A text", "another"]), 'no record: \'["A text"'),
        (json.dumps({"id": "1", "text": "A"}), 'no record: \'{"id"'),
        (json.dumps({"documents": ["A text"]}), "no record: '\"A text\"'"),
        (json.dumps("A text"), "no record"),
        ("[" * 80_000, "ends inside of brackets"),
        ("[" * 80_000 + "]" * 80_000, "nested deeper than 200"),
        ('{"documents": [' + "[" * 80_000 + "]" * 80_000 + "]}", "nested deeper than 200"),
        (json.dumps({"documents": [{**JSON_DOCUMENT, "x": [0] * 1_000_001}]}), "more than 1,000,000 values"),
        (json.dumps({"documents": [{**JSON_DOCUMENT, "x": "a" * 16_000_000}]}), "larger than 16,000,000"),
        ('{"documents": [{"id": "1", "passages": [}]}', "Expecting value"),
        ('{"documents": [{"id": "1", "passages": 5}]}', "TypeError"),
        ("]", "closed that was not opened"),
        ("", "nothing"),
        ('{"documents": []}', "nothing"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_json_of_each_shape_is_read_or_a_bad_record(content: str, reason: str | None) -> None:
    read = read_bytes("bioc-json", content.encode(), entities=False)
    if reason is None:
        assert [record.text for record in read if isinstance(record, Record)] == ["A [mouse]"]
    elif reason == "nothing":
        assert read == []
    else:
        bad = [record.reason for record in read if isinstance(record, BadRecord)]
        assert len(bad) == len(read)
        assert reason in bad[0]


def test_a_bad_document_in_json_loses_only_itself() -> None:
    good = json.dumps(JSON_DOCUMENT)
    for bad in ("[" * 500 + "]" * 500, '{"passages": NaN}', '"a"', '{"x": tru}', '{"y": "]}"}'):
        assert [r is None for r in reasons("bioc-json", f'{{"documents": [{bad}, {good}]}}'.encode())] == [
            False,
            True,
        ]


def test_an_object_that_is_no_document_among_documents_is_counted() -> None:
    good = json.dumps(JSON_DOCUMENT)
    content = f'{{"documants": [{good}, {{"id": "2", "passage": []}}, {good.replace("1", "3")}]}}'
    lost = "1 objects without 'passages' in a list with documents"
    assert reasons("bioc-json", content.encode()) == [None, lost, None]
    first = f'[{{"id": "0", "passage": []}}, {good}]'
    assert reasons("bioc-json", first.encode()) == [lost, None]


def test_passages_in_an_object_with_documents_are_a_bad_record() -> None:
    good = json.dumps(JSON_DOCUMENT)
    (first, second) = reasons("bioc-json", f'{{"documents": [{good}], "passages": []}}'.encode())
    assert first is None
    assert second == "not valid JSON: 'passages' in an object with more than one document in it"


def test_content_of_any_size_around_documents_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_documents, "MAX_RECORD_BYTES", 1000)
    good = json.dumps(JSON_DOCUMENT)
    content = f'{{"note": "{"a" * 5000}", "documents": [{good}]}}'
    assert reasons("bioc-json", content.encode()) == [None]
