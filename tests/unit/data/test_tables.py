"""CSV and TSV."""

import sys
from io import BytesIO
from typing import Any

import pytest
from format_files import BY_NAME, MAKE_DOC, RECORDS, read_bytes, read_record, reasons

from craftner_spacy.data import tables
from craftner_spacy.data.records import ReadOptions, Record, WriteOptions
from craftner_spacy.types import Entity


def write(name: str, records: Any, options: WriteOptions | None = None) -> str:
    file = BytesIO()
    arguments = () if options is None else (options,)
    BY_NAME[name].write(file, records, MAKE_DOC, *arguments)
    return file.getvalue().decode()


def test_rows_are_records_with_quotes_and_line_breaks_in_fields() -> None:
    content = 'pmid,abstract,year\r\n7,"Sox9, ""the""\r\ngene",2001\r\n\r\n8,α,\r\n'
    first, second = read_bytes("csv", content.encode(), text_field="abstract", id_field="pmid")
    assert first == Record("7", 'Sox9, "the"\r\ngene', {"year": "2001"})
    assert second == Record("8", "α", {"year": ""})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("csv", "id,text\n1,caf\u00e9\n".encode()),
        ("csv", "id,text\n1,caf\u00e9\n".encode("utf-8-sig")),
        ("csv", "id;text\n1;caf\u00e9\n".encode()),
        ("csv", '"id";"text"\n1;"caf\u00e9"\n'.encode()),
        ("tsv", "id\ttext\n1\tcaf\u00e9\n".encode()),
        ("tsv", "id\ttext\r\n1\tcaf\u00e9\r\n".encode("utf-16")),
    ],
    ids=["utf-8", "mark", "semicolons", "quoted names", "tabs", "utf-16"],
)
def test_separators_and_encodings_are_found(name: str, content: bytes) -> None:
    assert read_record(name, content) == Record("1", "caf\u00e9", {})


def test_other_encodings_are_given() -> None:
    content = "id,text\n1,caf\u00e9\n2,tea\n".encode("cp1252")
    assert read_bytes("csv", content, encoding="cp1252")[0] == Record("1", "caf\u00e9", {})
    wrong, right = reasons("csv", content)
    assert str(wrong).startswith("not UTF-8: byte 0xe9 at 10; --encoding names another")
    assert right is None
    cut = reasons("tsv", "id\ttext\n1\tx\n".encode("utf-16")[:-1])
    assert cut[-1] is not None


def test_names_of_columns_in_another_encoding_are_an_error_that_says_so() -> None:
    (bad,) = reasons("csv", "id,text,gr\u00f6\u00dfe\n1,x,2\n".encode("cp1252"))
    assert str(bad).startswith("not UTF-8: byte 0xf6 at 8; --encoding names another")


def test_tables_of_pandas_have_whole_numbers_as_ids_and_a_column_without_a_name() -> None:
    content = b",id,text,\n0,12345.0,a,x\n1,1.5,b,\n2,v1.0,c,\n"
    read = read_bytes("csv", content)
    assert [r.id for r in read if isinstance(r, Record)] == ["12345", "1.5", "v1.0"]
    assert read[0] == Record("12345", "a", {"column_1": "0", "column_4": "x"})


def test_a_first_row_without_end_is_one_bad_record(monkeypatch: pytest.MonkeyPatch) -> None:
    content = b'id,"text\n' + b"1,x\n" * 500
    start = "the first row, which names the columns, cannot be read: "
    assert reasons("csv", content) == [f"{start}unexpected end of data"]
    monkeypatch.setattr(tables, "MAX_RECORD_BYTES", 1000)
    (bad,) = reasons("csv", content)
    assert str(bad).startswith(f"{start}more than 1,000 characters")


def test_columns_of_entities_and_of_fields_have_different_names() -> None:
    record = Record("7", "mice", {"label": "a", "source_label": "b"}, (), (Entity(0, 4, "T"),))
    header, row = write("csv", [record], WriteOptions(fields=True)).splitlines()
    assert header == "id,start,end,label,score,text,source_source_label,source_label"
    assert row == "7,0,4,T,,mice,a,b"


def test_rows_of_another_form_are_bad_records_and_the_next_ones_are_read() -> None:
    content = b'id,text\n1,a,b\n2,x\n3,"o"p\n4,y\n5,"open\n6,z\n'
    more, good, quote, also_good, unclosed = reasons("csv", content)
    assert more is not None
    assert more.startswith("it has 3 fields, and the first row 2")
    assert quote is not None
    assert quote.startswith("not a row of the table, at line 4: ")
    assert (good, also_good) == (None, None)
    assert unclosed == "not a row of the table, at line 7: unexpected end of data"
    assert reasons("csv", b"a,text,a\n") == [
        "the first row, which names the columns, cannot be read: a column name stands twice in it: "
        "['a', 'text', 'a']"
    ]
    (no_text,) = reasons("csv", b"id,title\n1,x\n")
    assert (
        no_text
        == "field 'text' has to be a string, not None; fields: ['id', 'title']; --text-field names another"
    )
    assert reasons("csv", b"") == []


def test_a_reader_that_is_left_early_leaves_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    ignored: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", ignored.append)
    for content in (b"id,text\n1,x\n2,y\n", b"id,id\n1,x\n"):
        records = BY_NAME["csv"].read(BytesIO(content), ReadOptions("name"))
        next(records)
        del records
    assert not ignored


def test_a_row_without_end_is_not_taken_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    long = "x" * 200_000
    assert read_record("csv", f"id,text\n1,{long}\n".encode()).text == long
    monkeypatch.setattr(tables, "MAX_RECORD_BYTES", 1000)
    monkeypatch.setattr(tables, "MAX_VALUES", 100)
    too_large = "more than 1,000 characters or 100 fields: no record may have them"
    for line in (f"1,{long}\n", "1," * 200 + "\n", '1,"' + "x\n" * 600 + "\n"):
        read = reasons("csv", f"id,text\n{line}2,x\n".encode())
        assert str(read[0]).endswith(too_large)
        assert read[-1] is None
    # Fields with a line break each: what is behind the limit is no row, either.
    assert str(reasons("csv", b"id,text\n" + b'1,"\n",' * 100)[0]).endswith(too_large)
    # The header.
    (bad,) = reasons("csv", f"id,{long}\n".encode())
    assert str(bad).endswith(too_large)


def test_each_entity_is_a_row() -> None:
    header, *rows = write("csv", RECORDS).splitlines()
    assert header == "id,start,end,label,score,text,concept,concept_name,concept_score"
    assert len(rows) == sum(len(record.entities) for record in RECORDS)
    assert rows[0].startswith("12,0,4,Protein,0.987654,Sox9,")
    assert write("csv", [Record("1", "a mouse", {"year": 1}, (), (Entity(2, 7, "T"),))]) == (
        "id,start,end,label,score,text\n1,2,7,T,,mouse\n"
    )


def test_fields_follow_where_they_are_asked_for_and_the_id_keeps_its_name() -> None:
    entity = Entity(0, 6, "T,x", 0.25)
    records = [
        Record("7", 'a "b"\nmice', {"year": 2001, "label": "x", "mesh": ["Mice"]}, (), (entity,)),
        Record("8", "mice run", {"doi": "10.0/x"}, (), (Entity(0, 4, "T", 1.0),)),
    ]
    written = write("tsv", records, WriteOptions(id_field="pmid", fields=True))
    assert written == (
        "pmid\tstart\tend\tlabel\tscore\ttext\tyear\tsource_label\tmesh\tdoi\n"
        '7\t0\t6\tT,x\t0.25\t"a ""b""\n"\t2001\tx\t"[""Mice""]"\t\n'
        "8\t0\t4\tT\t1.0\tmice\t\t\t\t10.0/x\n"
    )
