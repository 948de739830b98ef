"""BRAT standoff."""

import gzip
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from format_files import BY_NAME, MAKE_DOC, read_bytes, reasons

from craftner_spacy.data import brat, limits
from craftner_spacy.data.formats import read_file
from craftner_spacy.data.records import BadRecord, ReadOptions, Record
from craftner_spacy.types import Entity, LinkedConcept

ANN = (
    "T1\tTaxon 2 7\tmouse\r\n"
    "N1\tReference T1 NCBITaxon:10090\tMus musculus\n"
    "#1\tAnnotatorNotes T1\tscore=0.5\n"
    "T2\tCell 10 11;14 19\tT cells\n"
    "R1\tPart-of Arg1:T1 Arg2:T2\nE1\tEvent:T1\nA1\tNegated T1\n*\tEquiv T1 T2\n#2\tAnnotatorNotes T1\tsure\n"
)
TEXT = "a mouse’s T or cells"


def zip_of(files: dict[str, str | bytes]) -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def test_entities_are_read_with_concepts_and_scores_and_parts_become_one(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf8")
    (tmp_path / "a.ann").write_text(ANN, encoding="utf8")
    (record,) = read_file(tmp_path / "a.ann", BY_NAME["brat"], ReadOptions("a"))
    entities = (
        Entity(2, 7, "Taxon", 0.5, LinkedConcept("NCBITaxon:10090", "Mus musculus")),
        Entity(10, 19, "Cell"),
    )
    assert record == Record("a", TEXT, {}, (), entities)
    assert read_bytes("brat", zip_of({"x/": "", "x/a.ann": ANN, "x/a.txt": TEXT})) == [
        Record("x/a", TEXT, {}, (), entities)
    ]
    assert read_bytes("brat", zip_of({"a.ann": "T?", "a.txt": TEXT}), entities=False) == [
        Record("a", TEXT, {})
    ]


@pytest.mark.parametrize(
    ("ann", "reason"),
    [
        ("T1\tTaxon 2 6\tmouse", "T1 is 'mouse', but the text at its offsets is 'mous'"),
        ("T1\tTaxon 2 99\tmouse", "T1 is 'mouse', but the text at its offsets is 'mouse’s T or cells'"),
        ("T1\tTaxon 2 2\t", "an entity at 2 to 2 is not in the text, which ends at 20"),
        (
            "T1\tTaxon 2-7\tmouse",
            "'T1\\tTaxon 2-7\\tmouse' has to be an id, a label with offsets, and a text",
        ),
        (b"\xff", "not UTF-8: byte 0xff at 0; --encoding names another"),
        ("T1\tTaxon 2 7\tmouse\nT1\tCell 10 11\tT", "two annotations are called T1"),
    ],
)
def test_annotations_that_do_not_fit_are_bad_records(ann: str | bytes, reason: str) -> None:
    first, second = reasons("brat", zip_of({"a.txt": TEXT, "a.ann": ann, "b.txt": "x"}))
    assert first is not None
    assert first.startswith(reason)
    assert second is None


def test_texts_and_annotations_without_each_other(tmp_path: Path) -> None:
    others = {name: "x" for name in ("README.md", "annotation.conf", "__MACOSX/._a.txt.bak", "x/.stats")}
    content = zip_of({"a.txt": TEXT, "b.ann": ANN, "c.txu": TEXT, **others})
    assert read_bytes("brat", content) == [
        Record("a", TEXT, {}),
        BadRecord("b.ann has no text: beside NAME.ann a file NAME.txt is needed"),
        BadRecord("c.txu is neither a text (.txt) nor its annotations (.ann)"),
    ]
    (tmp_path / "b.ann").write_text(ANN, encoding="utf8")
    (bad,) = read_file(tmp_path / "b.ann", BY_NAME["brat"], ReadOptions("b"))
    assert bad == BadRecord("the annotations have no text: beside NAME.ann a file NAME.txt is needed")


def test_names_of_files_may_begin_with_a_dot() -> None:
    assert read_bytes("brat", zip_of({"./a.txt": TEXT, "./a.ann": ""})) == [Record("./a", TEXT, {})]


def test_files_that_macos_adds_are_not_read() -> None:
    own = b"\0\5\x16\7\0\2\0\0Mac OS X        "
    content = zip_of({"a.txt": TEXT, "a.ann": "", "__MACOSX/._a.txt": own, "__MACOSX/._a.ann": own})
    assert read_bytes("brat", content) == [Record("a", TEXT, {})]


def test_damaged_and_oversized_zip_files_are_bad_records(monkeypatch: pytest.MonkeyPatch) -> None:
    content = zip_of({"a.txt": TEXT})
    assert "not a valid zip file" in str(reasons("brat", content[:-30]))
    end = content.rindex(b"PK\x05\x06")
    shorter = content[: end + 8] + b"\x03\x00\x03\x00" + content[end + 12 :]
    assert read_bytes("brat", shorter) == [
        Record("a", TEXT, {}),
        BadRecord("the zip file lists 1 of its 3 files"),
    ]
    empty = content[: end + 8] + bytes(12) + content[end + 20 :]
    assert reasons("brat", empty) == ["the zip file has content that is not in its list: files may be lost"]
    assert reasons("brat", zip_of({})) == []
    damaged = content.replace(TEXT.encode(), b"b" + TEXT.encode()[1:])
    assert "a.txt cannot be read" in str(reasons("brat", damaged))
    monkeypatch.setattr(limits, "MAX_RECORD_BYTES", 5)
    assert reasons("brat", content) == ["larger than 5 bytes: no record may be"]


def test_files_have_safe_names_and_annotations_one_line_each() -> None:
    entity = Entity(0, 3, "a b\tc", 0.25, LinkedConcept("CL:1", "x\ny", 0.5))
    records = [Record("../up", "a\nb", {}, (), (entity,)), Record("/etc/x", "\ufeffc", {})]
    file = BytesIO()
    BY_NAME["brat"].write(file, records, MAKE_DOC)
    with zipfile.ZipFile(file) as archive:
        assert archive.namelist() == [
            "%2E%2E%2Fup.txt",
            "%2E%2E%2Fup.ann",
            "%2Fetc%2Fx.txt",
            "%2Fetc%2Fx.ann",
        ]
        assert archive.read("%2E%2E%2Fup.ann").decode() == (
            "T1\ta_b_c 0 3\ta b\n#1\tAnnotatorNotes T1\tscore=0.25\nN1\tReference T1 CL:1\tx y\n"
            "#2\tAnnotatorNotes N1\tscore=0.5\n"
        )
    file.seek(0)
    first, second = BY_NAME["brat"].read(file, ReadOptions(""))
    assert (first.id, first.text, second.id, second.text) == ("../up", "a\nb", "/etc/x", "\ufeffc")


def test_files_of_a_folder_may_be_compressed_and_are_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf8")
    path = tmp_path / "a.ann.gz"
    path.write_bytes(gzip.compress(b"T1\tTaxon 2 7\tmouse\n"))
    (record,) = read_file(path, BY_NAME["brat"], ReadOptions("a"))
    assert record == Record("a", TEXT, {}, (), (Entity(2, 7, "Taxon"),))
    for module in (brat, limits):
        monkeypatch.setattr(module, "MAX_RECORD_BYTES", len(TEXT.encode()))
    assert list(read_file(path, BY_NAME["brat"], ReadOptions("a"))) == [record]
    path.write_bytes(gzip.compress(b"*" * 1_000_000))
    (bad,) = read_file(path, BY_NAME["brat"], ReadOptions("a"))
    assert bad == BadRecord("larger than 22 bytes: no record may be")


def test_a_record_may_have_so_many_annotations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_VALUES", 50)
    lines = [f"T{number}\tTaxon 2 7\tmouse\n" for number in range(11)]
    assert reasons("brat", zip_of({"a.txt": TEXT, "a.ann": "".join(lines[:10])})) == [None]
    assert "more than 50 values" in str(reasons("brat", zip_of({"a.txt": TEXT, "a.ann": "".join(lines)})))
