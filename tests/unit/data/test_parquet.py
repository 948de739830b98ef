"""Parquet: types of columns, row groups, and what cannot be read."""

import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from format_files import BY_NAME, read_records, reasons, write_records

from craftner_spacy.data.formats import read_file
from craftner_spacy.data.records import BadRecord, ReadOptions, Record
from craftner_spacy.types import Entity, LinkedConcept

PARQUET = BY_NAME["parquet"]


def test_a_column_keeps_its_type_if_it_has_one(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    day = datetime.date(2001, 2, 3)
    columns = {"id": [1, 2], "text": ["a", "b"], "year": [1999, None], "day": [day, day], "mesh": [["x"], []]}
    pq.write_table(pa.table({**columns, "weight": [float("nan")] * 2}), path)
    records = read_records(PARQUET, path)
    assert records[0] == Record("1", "a", {"year": 1999, "day": "2001-02-03", "mesh": ["x"]})
    mixed = [
        record._replace(fields={**record.fields, "odd": odd})
        for record, odd in zip(records, (1, "x"), strict=True)
    ]
    rows = pq.read_table(write_records(PARQUET, mixed, tmp_path)).to_pylist()
    assert [row["odd"] for row in rows] == ["1", '"x"']
    assert [row["year"] for row in rows] == [1999, None]
    assert [row["mesh"] for row in rows] == [["x"], []]
    assert [row["entities"] for row in rows] == [[], []]


def test_two_row_groups_hold_every_record_in_order(tmp_path: Path) -> None:
    many = [Record(str(number), f"mouse {number}", {}) for number in range(1025)]
    path = write_records(PARQUET, many, tmp_path)
    assert pq.ParquetFile(path).num_row_groups == 2
    assert read_records(PARQUET, path) == many


def test_bytes_are_read_as_utf8_and_others_make_a_bad_record(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"id": ["1", "2"], "text": [b"\xce\xb1", b"b"], "pdf": [b"%", b"\xff"]}), path)
    first, second = read_file(path, PARQUET, ReadOptions(""))
    assert first == Record("1", "\u03b1", {"pdf": "%"})
    reason = "field 'pdf' holds bytes that are not UTF-8: invalid start byte at byte 0: leave it out"
    assert second == BadRecord(reason)


def test_a_broken_file_is_a_bad_record() -> None:
    assert "not Parquet" in str(reasons("parquet", b"PAR")[-1])


def test_columns_for_concepts_are_there_if_one_is(tmp_path: Path) -> None:
    def columns(*concepts: LinkedConcept | None) -> list[str]:
        entities = tuple(Entity(2, 7, "Taxon", 0.5, concept) for concept in concepts)
        path = write_records(PARQUET, [Record("1", "a mouse", {}, (), entities)], tmp_path)
        return [field.name for field in pq.read_schema(path).field("entities").type.value_type]

    assert columns(None) == columns() == ["start", "end", "label", "score", "text"]
    assert columns(None, LinkedConcept("X:1"))[5:] == ["concept", "concept_name", "concept_score"]
