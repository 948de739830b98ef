"""Parquet: types of columns, row groups, and what cannot be read."""

import datetime
import errno
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from format_files import BY_NAME, read_bytes, read_records, reasons, write_records

from craftner_spacy.data import parquet
from craftner_spacy.data.formats import read_file
from craftner_spacy.data.parquet_footer import read_group_sizes
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


def test_long_texts_and_fields_end_a_row_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "CHARACTERS_WRITTEN", 100)
    many = [Record(str(n), "a" * 30, {"html": "b" * 30}) for n in range(5)]
    path = write_records(PARQUET, many, tmp_path)
    groups = pq.ParquetFile(path).metadata
    assert [groups.row_group(n).num_rows for n in range(groups.num_row_groups)] == [2, 2, 1]
    assert read_records(PARQUET, path) == many


def test_bytes_are_read_as_utf8_and_others_make_a_bad_record(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"id": ["1", "2"], "text": [b"\xce\xb1", b"b"], "pdf": [b"%", b"\xff"]}), path)
    first, second = read_file(path, PARQUET, ReadOptions(""))
    assert first == Record("1", "\u03b1", {"pdf": "%"})
    reason = "field 'pdf' holds bytes that are not UTF-8: byte 0xff at 0"
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


def read_table(columns: dict[str, Any], folder: Path, **options: Any) -> list[Record | BadRecord]:
    """The records of a file with these columns; the options are those of pyarrow's writer."""
    path = folder / "in.parquet"
    pq.write_table(pa.table(columns), path, **options)
    return list(read_file(path, PARQUET, ReadOptions("")))


def test_a_value_that_stands_in_many_rows_is_made_row_by_row(tmp_path: Path) -> None:
    texts = ["a" * 100_000] * 200 + ["good"]
    read = read_table({"id": [str(n) for n in range(201)], "text": texts}, tmp_path)
    assert [len(record.text) for record in read if isinstance(record, Record)] == [100_000] * 200 + [4]
    # 17 MB in one row, of one value.
    many = pa.ListArray.from_arrays([0, 170, 170], pa.array(["a" * 100_000] * 170))
    first, second = read_table({"id": ["1", "2"], "text": ["a", "b"], "x": many}, tmp_path)
    assert first == BadRecord("larger than 16,000,000 bytes: no record may be")
    assert isinstance(second, Record)
    assert (tmp_path / "in.parquet").stat().st_size < 200_000


def test_many_values_in_few_bytes_are_refused_before_they_are_made(tmp_path: Path) -> None:
    zeros = pa.ListArray.from_arrays([0, 6_000_000], pa.array(np.zeros(6_000_000, np.int8)))
    [bad] = read_table({"id": ["1"], "text": ["a"], "x": zeros}, tmp_path)
    assert isinstance(bad, BadRecord)
    assert "row group 1, from row 1 on: column 'x.list.element': 6,000,000 values in" in bad.reason


def test_a_value_that_python_cannot_hold_loses_its_row_alone(tmp_path: Path) -> None:
    days = pa.array([0, 2**31 - 1, 1], pa.date32())
    first, second, third = read_table({"id": ["1", "2", "3"], "text": ["a"] * 3, "day": days}, tmp_path)
    assert [r.fields for r in (first, third) if isinstance(r, Record)] == [
        {"day": "1970-01-01"},
        {"day": "1970-01-02"},
    ]
    assert isinstance(second, BadRecord)
    assert "OverflowError" in second.reason
    text = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(np.array([0, 1, 2], np.int32)), pa.py_buffer(b"a\xff")]
    )
    good, bad = read_table({"id": ["1", "2"], "text": ["a"] * 2, "x": text}, tmp_path)
    assert isinstance(good, Record)
    assert isinstance(bad, BadRecord)
    assert "UTF-8" in bad.reason or "utf-8" in bad.reason


def test_nanoseconds_maps_and_large_numbers_come_back(tmp_path: Path) -> None:
    times = pa.array([1_000_000_000, 1], pa.timestamp("ns"))
    columns = {
        "id": pa.array([12345.0, None]),
        "text": ["a", "b"],
        "time": times,
        "clock": pa.array([1_000, 1], pa.time64("ns")),
        "map": pa.array([[("k", 1)], [("k", None), ("j", 2)]], pa.map_(pa.string(), pa.int64())),
        "large": pa.array([2**64 - 1, 1], pa.uint64()),
    }
    read = read_table(columns, tmp_path)
    first, second = (record for record in read if isinstance(record, Record))
    assert (first.id, second.id) == ("12345", "")
    assert first.fields["time"] == "1970-01-01 00:00:01"
    assert second.fields["time"] == "1970-01-01 00:00:00.000000001"
    assert second.fields["clock"] == "00:00:00.000000001"
    assert [record.fields["map"] for record in (first, second)] == [{"k": 1}, {"k": None, "j": 2}]
    again = read_records(PARQUET, write_records(PARQUET, [first, second], tmp_path))
    assert [record.fields["large"] for record in again] == [str(2**64 - 1), "1"]
    assert [record.fields["map"] for record in again] == ['{"k": 1}', '{"k": null, "j": 2}']


def test_a_table_without_text_or_with_a_name_twice_is_one_bad_record(tmp_path: Path) -> None:
    [bad] = read_table({"id": ["1", "2"], "title": ["a", "b"]}, tmp_path)
    assert bad == BadRecord(
        "not Parquet that can be read: it has no column 'text' (--text-field); columns: ['id', 'title']"
    )
    path = tmp_path / "twice.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array(["a"])] * 2, ["text", "text"]), path)
    [bad] = read_file(path, PARQUET, ReadOptions(""))
    assert isinstance(bad, BadRecord)
    assert "two columns have the same name" in bad.reason


def test_a_damaged_page_loses_the_rest_of_its_row_group(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    table = pa.table({"id": [str(n) for n in range(20)], "text": [f"mouse {n}" for n in range(20)]})
    pq.write_table(table, path, row_group_size=10, use_dictionary=False, compression="zstd")
    content = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(0).column(1).data_page_offset
    content[start + 30 : start + 60] = bytes(30)
    found = reasons("parquet", bytes(content))
    assert "row group 1, from row 1 on" in str(found[0])
    assert found[1:] == [None] * 10


def test_damage_never_passes_as_another_text(tmp_path: Path) -> None:
    records = [Record(str(number), f"mouse {number} of a kind", {}) for number in range(3)]
    content = write_records(PARQUET, records, tmp_path).read_bytes()
    footer = int.from_bytes(content[-8:-4], "little") + 8
    texts = [record.text for record in records]
    for at in range(4, len(content) - footer):
        damaged = bytearray(content)
        damaged[at] ^= 4
        read = read_bytes("parquet", bytes(damaged))
        is_counted = any(isinstance(record, BadRecord) for record in read)
        assert is_counted or [r.text for r in read if isinstance(r, Record)] == texts, at


def test_a_footer_that_contradicts_itself_is_a_bad_record(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"id": ["1", "2"], "text": ["a", "b"]}), path)
    [group] = read_group_sizes(BytesIO(path.read_bytes()))
    metadata = pq.ParquetFile(path).metadata.row_group(0)
    columns = [metadata.column(number) for number in range(2)]
    sizes = [(c.num_values, c.total_compressed_size, c.total_uncompressed_size) for c in columns]
    assert group == (2, sizes)
    content = path.read_bytes()
    for at in range(len(content) - 400, len(content)):
        for byte in (0, 1, 2, 3, 127, 255):
            damaged = bytearray(content)
            damaged[at] = byte
            read = read_bytes("parquet", bytes(damaged))
            assert len(read) >= 2 or any(isinstance(record, BadRecord) for record in read)


def test_values_of_a_fixed_length_are_limited(tmp_path: Path) -> None:
    long = pa.array([b"a" * 100_000], pa.binary(100_000))
    [bad] = read_table({"id": ["1"], "text": ["a"], "x": long}, tmp_path)
    assert bad == BadRecord("row group 1, from row 1 on: larger than 16,000,000 bytes: no record may be")


def test_columns_that_would_fill_the_memory_are_refused_before_they_are_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "MAX_UNPACKED", 1000)
    columns = {"id": ["1"] * 100_000, "text": ["a"] * 100_000, "x": np.zeros(100_000)}
    [bad] = read_table(columns, tmp_path, compression="zstd", use_dictionary=["id", "text"])
    assert isinstance(bad, BadRecord)
    assert re.fullmatch(r"row group 1, .*column 'x': \d+ bytes, unpacked over 500 times more", bad.reason)


def test_rows_that_a_footer_has_and_the_pages_have_not_are_a_bad_record(tmp_path: Path) -> None:
    def write(texts: list[str]) -> tuple[bytes, bytes]:
        path = tmp_path / "x.parquet"
        schema = pa.schema([pa.field("text", pa.string(), nullable=False)])
        options = {"compression": "none", "use_dictionary": False, "write_statistics": False}
        pq.write_table(pa.table({"text": texts}, schema), path, **options)
        content = path.read_bytes()
        border = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
        return content[:border], content[border:]

    (pages, _), (others, footer) = write(["abcdefg"]), write(["a", "bc"])
    assert len(pages) == len(others)
    read = read_bytes("parquet", pages + footer)
    assert read == [
        Record("", "abcdefg", {}),
        BadRecord("row group 1, from row 2 on: it has 1 rows, not 2"),
    ]


def test_an_error_of_the_disk_is_no_bad_record(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"id": ["1"], "text": ["a" * 100_000]}), path, compression="none")

    class Damaged(BytesIO):
        """A file whose first half cannot be read."""

        def read(self, size: int | None = -1) -> bytes:
            if 4 < self.tell() < 50_000 and size != 4:
                raise OSError(errno.EIO, "disk")
            return super().read(size)

    with pytest.raises(OSError, match="disk") as raised:
        list(PARQUET.read(Damaged(path.read_bytes()), ReadOptions("")))
    assert raised.value.errno == errno.EIO


def test_entities_are_not_looked_at_where_they_are_not_read(tmp_path: Path) -> None:
    record = Record("1", "a mouse", {"x": 1}, (), (Entity(2, 7, "Taxon"),))
    path = write_records(PARQUET, [record], tmp_path)
    assert read_records(PARQUET, path, entities=False) == [record._replace(entities=())]
