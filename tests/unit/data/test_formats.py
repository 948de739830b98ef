"""The table of formats, and what holds for all of them: what is written can be read back."""

import errno
import gzip
import re
import sys
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from format_files import BY_NAME, KEEPING, MAKE_DOC, RECORDS, WRITABLE, read_records, write_records
from hypothesis import example, given
from hypothesis import strategies as st

from craftner_spacy.data.formats import FORMATS, Format, get_format, get_output_format, read_file, write_file
from craftner_spacy.data.records import BadRecord, Passage, ReadOptions, Record, WriteOptions, id_problem
from craftner_spacy.types import Entity, LinkedConcept

FILES_PAGE = Path(__file__).parents[3] / "docs" / "files.md"


def kept_by(fmt: Format, record: Record) -> Record:
    """What a format keeps of a record, as the table of formats in the documentation says."""
    if fmt.name == "pubtator":
        one_line = re.sub(r"\s", lambda match: " " if match[0] in "\n\r" else match[0], record.text)
        title, *rest = record.text.split("\n", 1)
        passages = [Passage(0, len(title), {"type": "title"})]
        if rest:
            passages.append(Passage(len(title) + 1, len(record.text), {"type": "abstract"}))
            one_line = f"{one_line[: len(title)]}\n{one_line[len(title) + 1 :]}"
        kept = record._replace(text=one_line, fields={}, passages=tuple(passages))
        return kept._replace(entities=tuple(map(with_id_alone, record.entities)))
    if fmt.name == "brat":
        return record._replace(fields={}, passages=())
    if fmt.name.startswith("bioc") and not record.passages:
        return record._replace(passages=(Passage(0, len(record.text), {}),))
    return record


def with_id_alone(entity: Entity) -> Entity:
    """An entity whose concept has neither name nor score."""
    return entity._replace(concept=None if entity.concept is None else LinkedConcept(entity.concept.id))


@pytest.mark.parametrize("second", KEEPING, ids=lambda row: row.name)
@pytest.mark.parametrize("first", KEEPING, ids=lambda row: row.name)
def test_every_pair_of_formats_keeps_text_and_entities(first: Format, second: Format, tmp_path: Path) -> None:
    once = read_records(first, write_records(first, RECORDS, tmp_path))
    twice = read_records(second, write_records(second, once, tmp_path))
    assert twice == [kept_by(second, kept_by(first, record)) for record in RECORDS]


words = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
texts = st.lists(st.one_of(words, st.sampled_from(["\n", " ", "Sox9", "|t|", "<b>", "\t"])), max_size=8).map(
    "".join
)


@st.composite
def records(draw: Callable[..., Any]) -> Record:
    """A record with entities that do not overlap."""
    text = draw(texts)
    offsets = sorted(draw(st.sets(st.integers(0, len(text)), max_size=6)))
    score = st.floats(0, 1).map(lambda value: round(value, 6))
    concept = st.one_of(st.none(), st.builds(LinkedConcept, st.sampled_from(["X:1", "é/<1>"]), words, score))
    entities = [
        Entity(start, end, draw(st.sampled_from(["Gene", "Taxon"])), draw(score), draw(concept))
        for start, end in zip(offsets[::2], offsets[1::2], strict=False)
    ]
    return Record(draw(st.sampled_from(["1", "a/b", "é"])), text, {}, (), tuple(entities))


@pytest.mark.parametrize("fmt", KEEPING, ids=lambda row: row.name)
@given(record=records())
@example(record=Record("1", "\n", {}, (), (Entity(0, 1, "Gene", 0.0),)))
def test_what_is_written_can_be_read_back(fmt: Format, record: Record) -> None:
    file = BytesIO()
    assert fmt.write is not None
    fmt.write(file, [record], MAKE_DOC)
    file.seek(0)
    (read,) = fmt.read(file, ReadOptions("name"))
    assert isinstance(read, Record)
    # Only a line break may be another white space, one for one.
    spaces = str.maketrans({c: " " for c in "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"})
    assert read.text.translate(spaces) == record.text.translate(spaces)
    expected = tuple(map(with_id_alone, record.entities)) if fmt.name == "pubtator" else record.entities
    assert read.entities == expected
    assert read.id == record.id


@example(identifier="\ufeff1", fmt=BY_NAME["pubtator"])
@given(identifier=st.text(st.characters(codec="utf-8"), min_size=1), fmt=st.sampled_from(KEEPING))
def test_an_id_is_refused_or_can_be_read_back(identifier: str, fmt: Format) -> None:
    if fmt.name == "bioc-xml":
        # Characters that XML cannot hold are replaced.
        identifier = re.sub(r"[^\x20-\x7e]", "x", identifier)
    if id_problem(identifier, fmt.forbidden_id_chars) is None:
        file = BytesIO()
        assert fmt.write is not None
        fmt.write(file, [Record(identifier, "a mouse", {})], MAKE_DOC)
        file.seek(0)
        read = fmt.read(file, ReadOptions(""))
        assert [record.id for record in read if isinstance(record, Record)] == [identifier]
    else:
        assert fmt.name == "pubtator"


@pytest.mark.parametrize("fmt", WRITABLE, ids=lambda row: row.name)
def test_the_same_records_give_the_same_bytes_compressed_or_not(fmt: Format, tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}{fmt.suffixes[0]}" for name in "abc"]
    for path, compress in zip(paths, (False, True, True), strict=True):
        write_file(path, fmt, RECORDS, MAKE_DOC, compress)
    plain, compressed_once, compressed_again = (path.read_bytes() for path in paths)
    assert compressed_once == compressed_again
    assert gzip.decompress(compressed_once) == plain
    if not fmt.keeps_records:
        return
    renamed = paths[1].rename(tmp_path / f"z{fmt.suffixes[0]}.gz")
    assert read_records(fmt, renamed) == [kept_by(fmt, record) for record in RECORDS]


@pytest.mark.parametrize("name", ["jsonl", "bioc-xml", "bioc-json", "pubtator"])
def test_without_concepts_a_file_says_nothing_of_them(name: str, tmp_path: Path) -> None:
    def words(concept: LinkedConcept | None) -> set[str]:
        entity = Entity(2, 7, "Taxon", 0.5, concept)
        path = write_records(BY_NAME[name], [Record("1", "a mouse", {}, (), (entity,))], tmp_path)
        return set(re.findall(r"X:1|\w*concept\w*|identifier", path.read_text()))

    assert "X:1" in words(LinkedConcept("X:1", "", 0.5))
    assert words(None) == set()


def test_broken_gzip_ends_with_a_bad_record(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"text": "a"}\n' * 50_000)[:-500])
    read = list(read_file(path, BY_NAME["jsonl"], ReadOptions("")))
    assert isinstance(read[0], Record)
    assert isinstance(read[-1], BadRecord)
    assert "not valid gzip" in read[-1].reason


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.name)
def test_a_format_is_known_by_name_and_suffix(row: Format) -> None:
    for suffix in row.suffixes:
        # Where formats share a suffix, the file's root element tells them apart, or a name that is given.
        first = next(fmt for fmt in FORMATS if suffix in fmt.suffixes)
        assert get_format(Path(f"a.b{suffix}.gz"), None, "--input-format") is first
    assert get_format(Path("a"), row.name, "--input-format") is row


def test_the_error_for_an_unknown_format_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"a\.doc: its suffix names no format.*\.jsonl.*or give --x"):
        get_format(Path("a.doc"), None, "--x")
    with pytest.raises(ValueError, match=r"--x 'xls': allowed are text, jsonl"):
        get_format(Path("a.csv"), "xls", "--x")


def test_the_format_of_an_output_can_hold_entities(tmp_path: Path) -> None:
    writable = "jsonl, csv, tsv, parquet, bioc-xml, bioc-json, pubtator, docbin, brat"
    for name in ("text", "medline", "xls"):
        with pytest.raises(ValueError, match=rf"--output-format '{name}': allowed are {writable}$"):
            get_output_format(Path("a.jsonl"), name)
    with pytest.raises(
        ValueError, match=r"a\.txt: its suffix names no format\. Known are \.jsonl"
    ) as refused:
        get_output_format(Path("a.txt"), None)
    assert "jats" not in str(refused.value)
    # An output that is replaced may have held anything.
    (tmp_path / "a.xml").write_text("<PubmedArticleSet/>", encoding="utf8")
    assert get_output_format(tmp_path / "a.xml", None).name == "bioc-xml"


@pytest.mark.parametrize(
    ("root", "name"),
    [
        ("collection", "bioc-xml"),
        ("PubmedArticleSet", "medline"),
        ("article", "jats"),
        ("pmc-articleset", "jats"),
        ("something", "bioc-xml"),
    ],
)
def test_xml_is_told_apart_by_its_root_element(root: str, name: str, tmp_path: Path) -> None:
    plain, compressed = tmp_path / "a.xml", tmp_path / "a.xml.gz"
    content = f'<?xml version="1.0"?>\n<!DOCTYPE {root} SYSTEM "x.dtd">\n<{root} xmlns="n">'.encode()
    plain.write_bytes(content)
    compressed.write_bytes(gzip.compress(content))
    assert get_format(plain, None, "--x").name == name
    assert get_format(compressed, None, "--x").name == name
    assert get_format(plain, "bioc-xml", "--x").name == "bioc-xml"


@pytest.mark.parametrize("fmt", WRITABLE, ids=lambda row: row.name)
def test_texts_are_left_out_or_the_format_refuses_it(fmt: Format, tmp_path: Path) -> None:
    path = tmp_path / "a"
    options = WriteOptions(text=False)
    if not fmt.can_omit_text:
        with pytest.raises(ValueError, match=f"{fmt.name} cannot do without the texts"):
            write_file(path, fmt, RECORDS, MAKE_DOC, False, options)
        assert not path.exists()
        return
    write_file(path, fmt, RECORDS, MAKE_DOC, False, options)
    content = path.read_bytes()
    if fmt.name == "brat":
        with zipfile.ZipFile(path) as archive:
            assert archive.namelist() == ["12.ann", "PMC/7.ann"]
            content = archive.read("12.ann")
    assert b"absent" not in content
    if fmt.name != "parquet":
        assert b"Sox9" in content


def test_the_error_for_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bioc", None)
    with pytest.raises(ImportError, match=r"needs bioc: pip install '\.\[formats\]'"):
        get_format(Path("a.xml"), None, "--input-format")


def test_the_documentation_has_the_table() -> None:
    text = FILES_PAGE.read_text(encoding="utf8")
    _, table = text.split("| format | suffixes | read | written |", 1)
    lines = takewhile(lambda line: line.startswith("| "), table.splitlines()[2:])
    rows = [line.split(" | ")[:4] for line in lines]
    written = {True: "no", False: "yes"}
    assert rows == [[f"| {r.name}", ", ".join(r.suffixes), "yes", written[r.write is None]] for r in FORMATS]


def test_the_documentation_names_the_formats_of_the_extra() -> None:
    before, _ = FILES_PAGE.read_text(encoding="utf8").split(' need `pip install ".[formats]"`', 1)
    named = re.findall(r"`([\w-]+)`", before.rpartition(". ")[2])
    assert named == [row.name for row in FORMATS if row.libraries]


def test_a_compressed_xml_file_that_is_damaged_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.xml.gz"
    path.write_bytes(gzip.compress(b"<collection>" * 100)[:-9])
    (bad,) = read_file(path, get_format(path, None, ""), ReadOptions(""))
    assert isinstance(bad, BadRecord)
    path.write_bytes(b"no gzip")
    (bad,) = read_file(path, get_format(path, None, ""), ReadOptions(""))
    assert isinstance(bad, BadRecord)
    assert bad.reason.startswith("not valid gzip from here to the end of the file")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError("odd place"), "cannot be read from here to the end of the file: OSError: odd place"),
        (KeyError("x"), "cannot be read from here to the end of the file: KeyError: 'x'"),
        (OSError(errno.EIO, "disk"), None),
    ],
)
def test_an_error_of_a_reader_is_a_bad_record_unless_it_is_of_the_disk(
    error: Exception, reason: str | None, tmp_path: Path
) -> None:
    def read(file: object, options: ReadOptions) -> Iterator[Record | BadRecord]:
        yield Record("1", "a", {})
        raise error

    path = tmp_path / "x.txt"
    path.write_text("x", encoding="utf8")
    records = read_file(path, FORMATS[0]._replace(read=read), ReadOptions(""))
    assert next(records) == Record("1", "a", {})
    if reason is None:
        with pytest.raises(OSError, match="disk"):
            next(records)
    else:
        assert list(records) == [BadRecord(reason)]
