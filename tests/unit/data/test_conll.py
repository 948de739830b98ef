"""CoNLL in its schemes."""

import pytest
from format_files import read_bytes, read_record, reasons
from growth import growth

from craftner_spacy.data import limits
from craftner_spacy.data.conll import SENTENCES
from craftner_spacy.data.records import Passage, Record
from craftner_spacy.types import Entity

SCHEMES = {
    "IOB": "O I-Gene I-Cell I-Cell B-Cell I-Cell O",
    "IOB2": "O B-Gene B-Cell I-Cell B-Cell I-Cell O",
    "BILUO": "O U-Gene B-Cell L-Cell B-Cell L-Cell O",
    "BIOES": "O S-Gene B-Cell E-Cell B-Cell E-Cell O",
    "IO and ends": "O I-Gene I-Cell L-Cell I-Cell L-Cell O",
}
WORDS = "in Sox9 T cells B cells ."


@pytest.mark.parametrize("tags", SCHEMES.values(), ids=SCHEMES)
@pytest.mark.parametrize("columns", ["{} {}", "{}\t{}", "{} NN x {}", "{}\tNN\t{}\r"])
def test_all_schemes_and_columns_give_the_same_record(tags: str, columns: str) -> None:
    lines = [columns.format(word, tag) for word, tag in zip(WORDS.split(), tags.split(), strict=True)]
    record = read_record("conll", "\n".join([*lines, "", ""]).encode())
    assert record.text == WORDS
    assert record.passages == (Passage(0, len(WORDS), {"type": "sentence"}),)
    assert record.entities == (Entity(3, 7, "Gene"), Entity(8, 15, "Cell"), Entity(16, 23, "Cell"))


@pytest.mark.parametrize("tag", ["O", "I-Cell"])
def test_work_grows_as_the_sentence_does(tag: str) -> None:
    def read(n: int) -> None:
        assert len(read_record("conll", f"w {tag}\n".encode() * n).text) == 2 * n - 1

    assert growth(read, 20_000, 160_000, repeats=1) < 24


def test_documents_are_marked_or_of_ten_sentences() -> None:
    sentence = "a O\n\n"
    marked = f"-DOCSTART- -X- O O\n\n{sentence * 12}-DOCSTART- -X- O O\n\nb O\n"
    assert [len(r.passages) for r in read_bytes("conll", marked.encode())] == [12, 1]
    newdoc = f"# newdoc id = 1\n# text = a\n{sentence}# newdoc id = 2\n{sentence}"
    assert [(r.id, r.text) for r in read_bytes("conll", newdoc.encode())] == [("1", "a"), ("2", "a")]
    doc_id = f"#doc_id = x/1\n{sentence}# newdoc\n# doc_id=2\n{sentence}# newdoc\n{sentence}"
    assert [r.id for r in read_bytes("conll", doc_id.encode())] == ["x/1", "2", ""]
    plain = read_bytes("conll", f"\ufeff{sentence * (SENTENCES + 1)}".encode())
    assert [len(r.passages) for r in plain] == [SENTENCES, 1]
    assert plain[1] == Record("", "a", {}, (Passage(0, 1, {"type": "sentence"}),))
    assert read_bytes("conll", b"\n\n") == []


def test_a_number_sign_is_a_word_where_it_has_a_tag() -> None:
    assert read_record("conll", b"# B-Sign\n1 O\n# a comment\n").text == "# 1"


def test_lines_with_bars_are_sentences() -> None:
    record = read_record("conll", b"Sox9|NN|I-Gene in|IN|O\nmice|B-Taxon\n")
    assert record.text == "Sox9 in\nmice"
    assert record.entities == (Entity(0, 4, "Gene"), Entity(8, 12, "Taxon"))


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("a O\nb\n", "line 'b' has 1 columns, and the first one of its sentence 2"),
        ("a x O\nb O\n", "line 'b O' has 2 columns, and the first one of its sentence 3"),
        ("a GENE\n", "tag 'GENE': allowed are O, and B-, I-, L-, U-, E- or S- with a label"),
        ("a B-\n", "tag 'B-': allowed are O"),
    ],
)
def test_wrong_lines_make_a_bad_record_of_their_document(lines: str, reason: str) -> None:
    bad, good = reasons("conll", f"-DOCSTART- -X- O O\n\n{lines}\n-DOCSTART- -X- O O\n\na O\n".encode())
    assert bad is not None
    assert bad.startswith(reason)
    assert good is None


def test_a_document_may_have_so_many_bytes_and_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_RECORD_BYTES", 1000)
    monkeypatch.setattr(limits, "MAX_VALUES", 400)
    mark = b"-DOCSTART- O\n\n"
    for words in (b"a" * 5000 + b" O\n", b"word O\n" * 1000, b"word O\n\n" * 1000, b"w O\n" * 101):
        content = mark + words + b"\n" + mark + b"good O\n"
        bad, good = reasons("conll", content)
        assert str(bad).startswith(("larger than 1,000 bytes", "it may hold more than 400 values"))
        assert good is None
    assert reasons("conll", b"w O\n" * 100) == [None]
