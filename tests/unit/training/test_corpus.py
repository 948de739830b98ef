"""corpus.py: made-up files and sentences only; nothing of CRAFT's."""

from pathlib import Path

import pytest
from spacy.vocab import Vocab
from tiny_corpus import SENTENCES, iob

from craftner_spacy.training.corpus import (
    Sentence,
    entities_of_tags,
    find_docbins,
    iob_doc,
    read_articles,
    read_iob,
)


def test_iob_is_read_with_our_labels_and_adjacent_entities_separate(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(b"mouse\tB-Taxon\r\nAbc1\tB-GGP\r\ngene\tI-GGP\r\n\r\n\r\nPlain\tO\n+\tB-SO\n+\tB-SO")
    assert read_iob(path) == [
        Sentence(("mouse", "Abc1", "gene"), ("B-Taxon", "B-Protein", "I-Protein")),
        Sentence(("Plain", "+", "+"), ("O", "B-Sequence", "B-Sequence")),
    ]


def test_a_byte_order_mark_is_not_part_of_the_first_word(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(b"\xef\xbb\xbfPlain\tO\n")
    assert read_iob(path) == [Sentence(("Plain",), ("O",))]
    path.write_bytes(b"Plain\tO\n\xef\xbb\xbfnext\tO\n")
    assert read_iob(path) == [Sentence(("Plain", "\ufeffnext"), ("O", "O"))]


@pytest.mark.parametrize(
    ("line", "problem", "allowed"),
    [
        (b"word", r"'word'", "one word, one tab and one tag"),
        (b"word O", r"'word O'", "one word, one tab and one tag"),
        (b"word\tO\tO", r"'word\\tO\\tO'", "one word, one tab and one tag"),
        (b"\tO", r"'\\tO'", "one word, one tab and one tag"),
        (b"word\tB-Gene", "unknown tag 'B-Gene'", "O, B- and I- with one of SO, CL, GGP, GO, Taxon, CHEBI"),
        (b"word\tGGP", "unknown tag 'GGP'", "O, B- and I-"),
        (b"word\tI-GGP", "'I-GGP' continues no entity", "B-GGP or I-GGP"),
        (b"w\xff\tO", r"b'w\\xff\\tO'", r"UTF-8 \(invalid start byte at byte 1\)"),
    ],
)
def test_a_malformed_line_is_an_error_with_file_line_and_what_is_allowed(
    tmp_path: Path, line: bytes, problem: str, allowed: str
) -> None:
    path = tmp_path / "bad.tsv"
    path.write_bytes(b"cell\tB-CL\n" + line + b"\n")
    with pytest.raises(ValueError, match=rf"bad\.tsv, line 2: .*{problem}.*{allowed}"):
        read_iob(path)


def test_an_entity_does_not_continue_after_an_empty_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.tsv"
    path.write_bytes(b"cell\tB-CL\n\nline\tI-CL\n")
    with pytest.raises(ValueError, match=r"bad\.tsv, line 3: 'I-CL' continues no entity"):
        read_iob(path)


def test_articles_are_read_unchanged(tmp_path: Path) -> None:
    (tmp_path / "2.txt").write_bytes("β\r\ntext".encode())
    (tmp_path / "1.txt").write_bytes(b"one")
    (tmp_path / "notes.md").write_bytes(b"no article")
    assert read_articles(tmp_path) == {"1": "one", "2": "β\r\ntext"}


def test_articles_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no PMID\.txt file"):
        read_articles(tmp_path)
    (tmp_path / "1.txt").write_bytes(b"ab\xe9")
    with pytest.raises(ValueError, match=r"1\.txt has to be UTF-8 \(.* at byte 2\)"):
        read_articles(tmp_path)


def test_entities_of_tags_end_where_the_next_begins() -> None:
    assert entities_of_tags(["B-Cell", "I-Cell", "B-Cell", "O", "B-Taxon"]) == [
        ("Cell", 0, 1),
        ("Cell", 2, 2),
        ("Taxon", 4, 4),
    ]


def test_iob_doc_has_one_token_for_each_word_of_the_corpus() -> None:
    vocab = Vocab()
    doc = iob_doc(vocab, SENTENCES, "11")
    assert doc.vocab is vocab
    assert [token.text for token in doc] == [word for sentence in SENTENCES for word in sentence.words]
    assert doc.text == " ".join(word for sentence in SENTENCES for word in sentence.words)
    tags = [tag for sentence in SENTENCES for tag in sentence.tags]
    assert [tag for _, tag in iob(doc)] == tags
    assert [len(sent) for sent in doc.sents] == [len(sentence.words) for sentence in SENTENCES]
    assert doc.user_data == {"pmid": "11"}
    assert len(iob_doc(Vocab(), [], "12")) == 0


def test_docbins_are_found_sorted_at_any_depth(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("sub/a.spacy", "b.spacy", "c.txt"):
        (tmp_path / name).touch()
    assert find_docbins(tmp_path) == [tmp_path / "b.spacy", tmp_path / "sub" / "a.spacy"]
    assert find_docbins(str(tmp_path / "b.spacy")) == [tmp_path / "b.spacy"]
