"""JSON Lines: fields stay, and a wrong line does not stop the next one."""

import pytest
from format_files import read_record, reasons

from craftner_spacy.data.jsonl import as_json, from_json
from craftner_spacy.data.records import ReadOptions, Record, WriteOptions
from craftner_spacy.types import Entity, LinkedConcept


def test_fields_stay_in_order_and_a_reserved_name_is_replaced() -> None:
    line = b'{"pmid": 3, "title": "t", "abstract": "A mouse", "id": "x", "passages": ["all"]}'
    record = read_record("jsonl", line, text_field="abstract", id_field="pmid")
    assert record == Record("3", "A mouse", {"title": "t", "source_id": "x", "source_passages": ["all"]})
    assert list(record.fields) == ["title", "source_id", "source_passages"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'"text"', "an object with fields"),
        (
            b'{"txt": "a"}',
            "field 'text' has to be a string, not None; fields: ['txt']; --text-field names another",
        ),
        (b'{"text": "a", "id": 1.5}', "field 'id' has to be a string or a whole number, not 1.5"),
        (b'{"text": "a", "id": true}', "field 'id' has to be a string or a whole number, not True"),
        (b'{"text": "\xff"}', "not UTF-8: byte 0xff at 10; --encoding names another"),
        (b'{"text": "a", "entities": [[0, 1]]}', "objects with start, end and label"),
        (b'{"text": "a", "entities": [{"start": 0, "end": 2, "label": "X"}]}', "not in the text"),
        (b'{"text": "a", "entities": [{"start": 0, "end": 1, "label": 7}]}', "an entity at 0 has a label 7"),
    ],
)
def test_a_wrong_line_is_a_bad_record_and_the_next_is_read(line: bytes, reason: str) -> None:
    wrong, following = reasons("jsonl", line + b'\n\n{"text": "fine"}\n')
    assert reason in str(wrong)
    assert following is None


def test_fields_of_a_concept() -> None:
    concept = LinkedConcept("NCBITaxon:10090", "house mouse", 0.99)
    [row] = as_json(Record("1", "a mouse", {}, (), (Entity(2, 7, "Taxon", 0.5, concept),)))["entities"]
    assert list(row.items())[-4:] == [
        ("text", "mouse"),
        ("concept", "NCBITaxon:10090"),
        ("concept_name", "house mouse"),
        ("concept_score", 0.99),
    ]


@pytest.mark.parametrize("concept", [None, "", "-", "NIL", 7, {"id": "X:1"}])
def test_what_is_no_id_of_a_concept_is_not_read(concept: object) -> None:
    row = {
        "id": "1",
        "text": "a mouse",
        "entities": [{"start": 2, "end": 7, "label": "T", "concept": concept}],
    }
    assert from_json(row, ReadOptions("")).entities == (Entity(2, 7, "T"),)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "%s"}' % (b"a" * 16_000_000), "larger than 16,000,000 bytes"),
        (b" " * 40_000_000, "larger than 16,000,000 bytes"),
        (b'{"text": "a", "x": [%s0]}' % (b"[]," * 600_000), "more than 1,000,000 values"),
    ],
    ids=["text", "space", "lists"],
)
def test_a_line_is_not_read_without_end_and_the_next_is_read(line: bytes, reason: str) -> None:
    wrong, following = reasons("jsonl", line + b'\n{"text": "fine"}\n')
    assert reason in str(wrong)
    assert following is None


def test_what_annotate_has_written_is_read_whatever_its_size() -> None:
    line = b'{"id": "1", "text": "a", "entities": [], "x": "%s"}\n' % (b"a" * 16_000_000)
    assert len(read_record("jsonl", line, is_limited=False).fields["x"]) == 16_000_000


@pytest.mark.parametrize("name", ["jsonl", "prodigy"])
def test_a_line_of_white_space_that_is_too_long_is_not_passed_over(name: str) -> None:
    # Nobody knows what its rest is.
    line = b" " * 16_000_001 + b'{"text": "lost"}\n'
    assert reasons(name, line) == ["larger than 16,000,000 bytes: no record may be"]


def test_a_field_with_the_name_that_another_gets_is_not_lost() -> None:
    fields = {"abstract": 1, "source_abstract": 2}
    row = as_json(Record("1", "a", fields), WriteOptions(text_field="abstract"))
    assert row == {
        "id": "1",
        "abstract": "a",
        "source_source_abstract": 1,
        "source_abstract": 2,
        "entities": [],
    }


@pytest.mark.parametrize("name", ["jsonl", "prodigy", "bioc-json"])
def test_an_object_with_a_name_twice_is_a_bad_record(name: str) -> None:
    # As two lines are whose border was damaged: the first text would be lost in silence.
    one, two = '"id": "1", "text": "A mouse"', '"id": "2", "text": "Yeast"'
    if name == "bioc-json":
        one, two = (f'"id": "{n}", "passages": [{{"offset": 0, "text": "a"}}]' for n in (1, 2))
    (reason,) = reasons(name, f"{{{one}, {two}}}\n".encode())
    assert str(reason).startswith("an object has the same name twice: [")
