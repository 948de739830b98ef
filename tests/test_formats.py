"""Formats: what is written reads back, offsets are those of the text, and what is wrong is told."""

import datetime
import gzip
import json
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import bioc
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import spacy
from bioc import biocjson, biocxml
from hypothesis import example, given
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab

from craftner_spacy.formats import (
    FORMATS,
    Annotation,
    BadRecord,
    Format,
    Passage,
    Reading,
    Record,
    format_of,
    read_file,
    write_file,
    wrong_id,
)

MAKE_DOC = spacy.blank("en").make_doc
WRITABLE = [row for row in FORMATS if row.write is not None]
BY_NAME = {row.name: row for row in FORMATS}
SUFFIX = {row.name: row.suffixes[0] for row in FORMATS}

TITLE, ABSTRACT = "Sox9 in <mouse> & man", "IL-1β was\u2009absent — 𝛼-tubulin was not."
RECORDS = (
    Record(
        "12",
        f"{TITLE}\n{ABSTRACT}",
        {"journal": "J. Mice", "note": "tab\tand “quotes”"},
        (
            Passage(0, len(TITLE), {"type": "title"}),
            Passage(len(TITLE) + 1, len(TITLE) + 1 + len(ABSTRACT), {"type": "abstract"}),
        ),
        (
            Annotation(0, 4, "Protein", 0.987654),
            Annotation(9, 14, "Taxon", 0.5),
            Annotation(22, 27, "Protein", 1.0),
            Annotation(41, 42, "Chemical", None),
        ),
    ),
    Record("PMC/7", "Nothing is found here.", {}),
)


def write(kind: Format, records: Any, path: Path) -> Path:
    target = path / f"records{SUFFIX[kind.name]}"
    write_file(target, kind, records, MAKE_DOC, packed=False)
    return target


def read(kind: Format, path: Path, **how: Any) -> list[Record]:
    found = list(read_file(path, kind, Reading("name", **how)))
    assert not [record for record in found if isinstance(record, BadRecord)], found
    return found  # type: ignore[return-value]


def read_bytes(name: str, content: bytes, **how: Any) -> list[Record | BadRecord]:
    return list(BY_NAME[name].read(BytesIO(content), Reading("name", **how)))


def reasons(name: str, content: bytes) -> list[str | None]:
    return [r.reason if isinstance(r, BadRecord) else None for r in read_bytes(name, content)]


def kept_by(kind: Format, record: Record) -> Record:
    """What of a record a format keeps, as the table of formats in the documentation says."""
    if kind.name == "pubtator":
        title = re.sub(r"\s", lambda found: " " if found[0] in "\n\r" else found[0], record.text)
        parts = record.text.split("\n", 1)
        ends = [len(parts[0]), *([len(record.text)] if len(parts) > 1 else [])]
        passages = [Passage(0, ends[0], {"type": "title"})]
        if len(ends) > 1:
            passages.append(Passage(ends[0] + 1, ends[1], {"type": "abstract"}))
            title = f"{title[: ends[0]]}\n{title[ends[0] + 1 :]}"
        return record._replace(text=title, fields={}, passages=tuple(passages))
    if kind.name.startswith("bioc") and not record.passages:
        return record._replace(passages=(Passage(0, len(record.text), {}),))
    return record


def normal(record: Record, *kinds: Format) -> Record:
    for kind in kinds:
        record = kept_by(kind, record)
    return record


# Round trips


@pytest.mark.parametrize("second", WRITABLE, ids=lambda row: row.name)
@pytest.mark.parametrize("first", WRITABLE, ids=lambda row: row.name)
def test_every_pair_of_formats_keeps_text_and_entities(first: Format, second: Format, tmp_path: Path) -> None:
    once = read(first, write(first, RECORDS, tmp_path))
    twice = read(second, write(second, once, tmp_path))
    assert twice == [normal(record, first, second) for record in RECORDS]


words = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
texts = st.lists(st.one_of(words, st.sampled_from(["\n", " ", "Sox9", "|t|", "<b>", "\t"])), max_size=8).map(
    "".join
)


@st.composite
def records(draw: Callable[..., Any]) -> Record:
    text = draw(texts)
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=6)))
    score = st.floats(0, 1).map(lambda value: round(value, 6))
    entities = [
        Annotation(start, end, draw(st.sampled_from(["Gene", "Taxon"])), draw(score))
        for start, end in zip(cuts[::2], cuts[1::2], strict=False)
    ]
    return Record(draw(st.sampled_from(["1", "a/b", "é"])), text, {}, (), tuple(entities))


@pytest.mark.parametrize("kind", WRITABLE, ids=lambda row: row.name)
@given(record=records())
@example(record=Record("1", "\n", {}, (), (Annotation(0, 1, "Gene", 0.0),)))
def test_what_is_written_reads_back(kind: Format, record: Record) -> None:
    file = BytesIO()
    assert kind.write is not None
    kind.write(file, [record], MAKE_DOC)
    file.seek(0)
    (found,) = kind.read(file, Reading("name"))
    assert isinstance(found, Record)
    # Line breaks alone may be other white space, one for one.
    same = str.maketrans({c: " " for c in "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"})
    assert found.text.translate(same) == record.text.translate(same)
    assert found.entities == record.entities
    assert found.id == record.id


@pytest.mark.parametrize("kind", WRITABLE, ids=lambda row: row.name)
def test_the_same_records_give_the_same_bytes_packed_or_not(kind: Format, tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}{SUFFIX[kind.name]}" for n in "abc"]
    for path, packed in zip(paths, (False, True, True), strict=True):
        write_file(path, kind, RECORDS, MAKE_DOC, packed)
    plain, packed_once, packed_again = (path.read_bytes() for path in paths)
    assert packed_once == packed_again
    assert gzip.decompress(packed_once) == plain
    renamed = paths[1].rename(tmp_path / f"z{SUFFIX[kind.name]}.gz")
    assert read(kind, renamed) == [normal(record, kind) for record in RECORDS]


# BioC


@pytest.mark.parametrize("name", ["bioc-xml", "bioc-json"])
def test_bioc_files_validate(name: str, tmp_path: Path) -> None:
    across = Record(
        "3", "one two\n\nthree", {}, (Passage(0, 7, {}), Passage(9, 14, {})), (Annotation(4, 14, "X", 0.1),)
    )
    path = write(BY_NAME[name], [*RECORDS, across], tmp_path)
    load = biocxml.load if name == "bioc-xml" else biocjson.load
    with path.open(encoding="utf8") as file:
        collection = load(file)
    bioc.validate(collection)
    assert [len(document.passages) for document in collection.documents] == [2, 1, 2]
    assert read(BY_NAME[name], path)[2] == across


BIOC = """<?xml version="1.0"?><!DOCTYPE collection SYSTEM "BioC.dtd">
<collection><source>x</source><date/><key/>
<document><id>1</id><infon key="type">paper</infon>
<passage><infon key="type">title</infon><offset>5</offset><text>A <!-- no --> mouse</text>
<annotation id="T1"><infon key="type">Species</infon><location offset="8" length="5"/><text>mouse</text>
</annotation>
</passage>
<passage><offset>20</offset>
<sentence><offset>20</offset><text>One.</text></sentence><sentence><offset>26</offset><text>Two.</text></sentence>
</passage></document></collection>"""


def test_bioc_offsets_are_the_files_own() -> None:
    (record,) = read_bytes("bioc-xml", BIOC.encode())
    assert isinstance(record, Record)
    assert record.text == "\n" * 5 + "A  mouse" + "\n" * 7 + "One.  Two."
    assert record.passages == (Passage(5, 13, {"type": "title"}), Passage(20, 30, {}))
    assert record.fields == {"type": "paper"}
    assert record.entities == (Annotation(8, 13, "Species", None),)


def test_bioc_json_of_services_is_read() -> None:
    document = {"id": "1", "infons": {}, "annotations": [], "relations": []}
    passage = {
        "offset": 0,
        "infons": {},
        "text": "A mouse",
        "sentences": [],
        "annotations": [],
        "relations": [],
    }
    document["passages"] = [passage]
    collection = {"source": "PMC", "date": "", "key": "", "infons": {}, "documents": [document]}
    for content in (collection, [collection], {"PubTator3": [document]}):
        (record,) = read_bytes("bioc-json", json.dumps(content).encode())
        assert isinstance(record, Record)
        assert (record.id, record.text) == ("1", "A mouse")


def test_wrong_bioc_documents_are_bad_records_and_the_next_is_read() -> None:
    content = BIOC.replace("<offset>20</offset>\n", "<offset>7</offset>\n", 1).replace(
        "</collection>", "<document><id>2</id></document></collection>"
    )
    assert reasons("bioc-xml", content.encode()) == [
        "a passage begins at 7, and the one before it ends at 13",
        None,
    ]
    assert reasons("bioc-json", b'{"documents": [{"id": "1"}]}') == ["no BioC document: KeyError: 'infons'"]
    far = BIOC.replace("<offset>5<", "<offset>5000000000<")
    assert reasons("bioc-xml", far.encode()) == [
        "a passage begins at 5000000000, and the one before it ends at 0"
    ]


def test_broken_files_end_with_a_bad_record() -> None:
    (good, cut) = reasons("bioc-xml", BIOC.replace("</collection>", "<document>").encode())
    assert good is None
    assert cut is not None
    assert cut.startswith("no valid XML from here")
    assert "no valid JSON from here" in str(reasons("bioc-json", b'{"documents": [')[-1])
    assert "no Parquet" in str(reasons("parquet", b"PAR")[-1])
    assert "no DocBin" in str(reasons("docbin", b"docs")[-1])


def test_xml_does_not_read_other_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("SECRET", encoding="utf8")
    entities = f'<!ENTITY x SYSTEM "file://{tmp_path}/secret"><!ENTITY m "mice">'
    passage = "<passage><offset>0</offset><text>&m; {}</text></passage>"
    document = f"<document><id>1</id>{passage}</document>"
    content = f"<!DOCTYPE collection [{entities}]><collection>{document}</collection>"
    (record,) = read_bytes("bioc-xml", content.format("").encode())
    assert isinstance(record, Record)
    assert record.text == "mice "
    assert not any(
        isinstance(record, Record) and "SECRET" in record.text
        for record in read_bytes("bioc-xml", content.format("&x;").encode())
    )


def test_characters_that_xml_lacks_keep_their_places(tmp_path: Path) -> None:
    record = Record("1", "a\x00\x0cmouse", {"k\x01": "v\x02"}, (), (Annotation(3, 8, "Taxon", 0.5),))
    (found,) = read(BY_NAME["bioc-xml"], write(BY_NAME["bioc-xml"], [record], tmp_path))
    assert found.text == "a\ufffd\ufffdmouse"
    assert found.entities == record.entities
    assert found.fields == {"k\ufffd": "v\ufffd"}


# PubTator

PUBTATOR = (
    "1|t|A mouse \n1|a|With |t| in it: Sox9.\n1\t2\t7\tmouse\tSpecies\t10090\n1\t25\t29\tSox9\tGene\t-\t0.5\n"
    "1\tbind\t10090\t-\n\n2|t|\n2|a|No title\n"
)


def test_pubtator_offsets_count_spaces_and_one_break() -> None:
    first, second = read_bytes("pubtator", PUBTATOR.encode())
    assert isinstance(first, Record)
    assert first.text == "A mouse \nWith |t| in it: Sox9."
    assert [first.text[e.start : e.end] for e in first.entities] == ["mouse", "Sox9"]
    assert [e.score for e in first.entities] == [None, 0.5]
    assert isinstance(second, Record)
    assert second.text == "\nNo title"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("1|t|a\n2|t|b\n", "two lines with |t|"),
        ("1|a|b\n", "no line with a title"),
        ("1|t|b\nwhat\n", "'what' is neither a title"),
        ("1|t|b\n1\t0\t9\tb\tX\t-\n", "not in the text, which ends at 1"),
    ],
)
def test_wrong_pubtator_is_told(content: str, reason: str) -> None:
    found = reasons("pubtator", f"{content}\n3|t|good\n".encode())
    assert found[-1] is None
    assert reason in str(found[0])


def test_pubtator_records_may_stand_any_blank_lines_apart() -> None:
    found = read_bytes("pubtator", b"\n\n1|t|One\n1|a|\n\n \n\n2|t|Two\n2|a|\n\n\n")
    assert [isinstance(record, Record) and record.id for record in found] == ["1", "2"]


def test_pubtator_refuses_ids_that_would_break_its_lines(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"its id 'a\|b' has '\|' in it"):
        write(BY_NAME["pubtator"], [Record("a|b", "x", {})], tmp_path)


@example(number="\ufeff1", kind=BY_NAME["pubtator"])
@given(number=st.text(st.characters(codec="utf-8"), min_size=1), kind=st.sampled_from(WRITABLE))
def test_an_id_is_refused_or_reads_back(number: str, kind: Format) -> None:
    if kind.name == "bioc-xml":
        # Characters that XML lacks are replaced.
        number = re.sub(r"[^\x20-\x7e]", "x", number)
    if wrong_id(number, kind.not_in_ids) is None:
        file = BytesIO()
        assert kind.write is not None
        kind.write(file, [Record(number, "a mouse", {})], MAKE_DOC)
        file.seek(0)
        assert [found.id for found in kind.read(file, Reading("")) if isinstance(found, Record)] == [number]
    else:
        assert kind.name == "pubtator"


def test_annotations_of_the_input_may_stay_unread() -> None:
    wrong = b"1|t|b\n1\t0\t9\tb\tX\t-\n"
    (record,) = read_bytes("pubtator", wrong, entities=False)
    assert record == Record("1", "b", {}, (Passage(0, 1, {"type": "title"}),))
    (record,) = read_bytes("jsonl", b'{"id": 1, "text": "b", "entities": "X"}', entities=False)
    assert record == Record("1", "b", {})


# JSON Lines, Parquet, DocBin, text


def test_json_lines_keep_fields_in_order_and_rename_what_would_clash() -> None:
    line = b'{"pmid": 3, "title": "t", "abstract": "A mouse", "id": "x", "passages": ["all"]}'
    (record,) = read_bytes("jsonl", line, text_field="abstract", id_field="pmid")
    assert record == Record("3", "A mouse", {"title": "t", "source_id": "x", "source_passages": ["all"]})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b'"text"', "an object with fields"),
        (b'{"txt": "a"}', "field 'text' has to be a text, not None; fields: ['txt']"),
        (b'{"text": "a", "id": 1.5}', "field 'id' has to be a text or a whole number, not 1.5"),
        (b'{"text": "a", "id": true}', "field 'id' has to be a text or a whole number, not True"),
        (b'{"text": "\xff"}', "not UTF-8: invalid start byte at byte 10"),
        (b'{"text": "a", "entities": [[0, 1]]}', "objects with start, end and label"),
        (b'{"text": "a", "entities": [{"start": 0, "end": 2, "label": "X"}]}', "not in the text"),
        (b'{"text": "a", "entities": [{"start": 0, "end": 1, "label": 7}]}', "an entity at 0 has a label 7"),
    ],
)
def test_wrong_lines_are_told_and_the_next_is_read(line: bytes, reason: str) -> None:
    wrong, right = reasons("jsonl", line + b'\n\n{"text": "fine"}\n')
    assert reason in str(wrong)
    assert right is None


def test_parquet_columns_keep_their_types_where_they_have_one(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    day = datetime.date(2001, 2, 3)
    columns = {"id": [1, 2], "text": ["a", "b"], "year": [1999, None], "day": [day, day], "mesh": [["x"], []]}
    pq.write_table(pa.table({**columns, "weight": [float("nan")] * 2}), path)
    found = read(BY_NAME["parquet"], path)
    assert found[0] == Record("1", "a", {"year": 1999, "day": "2001-02-03", "mesh": ["x"]})
    mixed = [
        record._replace(fields={**record.fields, "odd": odd})
        for record, odd in zip(found, (1, "x"), strict=True)
    ]
    out = pq.read_table(write(BY_NAME["parquet"], mixed, tmp_path)).to_pylist()
    assert [row["odd"] for row in out] == ["1", '"x"']
    assert [row["year"] for row in out] == [1999, None]
    assert [row["mesh"] for row in out] == [["x"], []]
    assert [row["entities"] for row in out] == [[], []]


def test_parquet_of_more_than_one_row_group_keeps_every_record_in_order(tmp_path: Path) -> None:
    many = [Record(str(number), f"mouse {number}", {}) for number in range(1025)]
    path = write(BY_NAME["parquet"], many, tmp_path)
    assert pq.ParquetFile(path).num_row_groups == 2
    assert read(BY_NAME["parquet"], path) == many


def test_parquet_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"id": ["1"], "text": ["a"], "pdf": [b"%"]}), path)
    (found,) = read_file(path, BY_NAME["parquet"], Reading(""))
    assert found == BadRecord("column 'pdf' holds bytes, which have no place in the output: leave it out")


def test_docbin_holds_docs_with_entities_scores_and_fields(tmp_path: Path) -> None:
    path = write(BY_NAME["docbin"], RECORDS, tmp_path)
    doc, empty = DocBin().from_disk(path).get_docs(Vocab())
    assert [(ent.text, ent.label_) for ent in doc.ents][:2] == [("Sox9", "Protein"), ("mouse", "Taxon")]
    assert doc.spans["craft_ner"].attrs["scores"][:2] == [0.987654, 0.5]
    assert doc.user_data["journal"] == "J. Mice"
    assert not empty.ents


def test_docbin_without_span_group_gives_its_ents(tmp_path: Path) -> None:
    doc = Doc(Vocab(), words=["A", "mouse"], user_data={"pmid": "9", ("._.", "x", None, None): 1})
    doc.ents = [Span(doc, 1, 2, "Taxon")]
    DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "x.spacy")
    (record,) = read(BY_NAME["docbin"], tmp_path / "x.spacy", id_field="pmid")
    assert record == Record("9", "A mouse ", {}, (), (Annotation(2, 7, "Taxon", None),))


def test_text_is_kept_as_it_is_but_for_a_byte_order_mark() -> None:
    assert read_bytes("text", b"\xef\xbb\xbfa\r\nb ") == [Record("name", "a\r\nb ", {})]
    assert reasons("text", b"\xff") == ["not UTF-8: invalid start byte at byte 0"]


def test_broken_gzip_ends_with_a_bad_record(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"text": "a"}\n' * 50_000)[:-500])
    found = list(read_file(path, BY_NAME["jsonl"], Reading("")))
    assert isinstance(found[0], Record)
    assert isinstance(found[-1], BadRecord)
    assert "no valid gzip" in found[-1].reason


# The table


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.name)
def test_formats_are_known_by_name_and_suffix(row: Format) -> None:
    for suffix in row.suffixes:
        assert format_of(Path(f"a.b{suffix}.gz"), None, "--input-format") is row
    assert format_of(Path("a"), row.name, "--input-format") is row


def test_unknown_formats_are_told_with_what_is_known() -> None:
    with pytest.raises(ValueError, match=r"a\.doc: the name does not tell the format.*\.jsonl.*or give --x"):
        format_of(Path("a.doc"), None, "--x")
    with pytest.raises(ValueError, match=r"--x 'csv': allowed are text, jsonl"):
        format_of(Path("a.csv"), "csv", "--x")


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "bioc", None)
    with pytest.raises(ImportError, match=r"needs bioc: pip install craftner_spacy\[formats\]"):
        format_of(Path("a.xml"), None, "--input-format")


def test_text_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="text cannot hold entities"):
        write_file(tmp_path / "a.txt", BY_NAME["text"], [], MAKE_DOC, packed=False)


def test_the_documentation_has_the_table() -> None:
    text = (Path(__file__).parent.parent / "docs" / "files.md").read_text(encoding="utf8")
    rows = [line.split(" | ")[:4] for line in text.splitlines() if line.startswith("| ")][1:]
    written = {True: "no", False: "yes"}
    assert rows == [[f"| {r.name}", ", ".join(r.suffixes), "yes", written[r.write is None]] for r in FORMATS]
