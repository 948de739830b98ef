"""Mentions with ids, of annotated Docs and of tables."""

from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span

from craftner_spacy.linking.mentions import doc_mentions, read_mentions
from craftner_spacy.linking.schema import SeenMention


def annotated() -> Doc:
    doc = spacy.blank("en")("Two nerve cells of mice and rats.")
    doc.ents = [
        Span(doc, 1, 3, label="Cell", kb_id="X:1"),
        Span(doc, 4, 5, label="Taxon"),
        Span(doc, 6, 7, label="Taxon", kb_id="NIL"),
    ]
    return doc


def test_entities_with_an_id_alone() -> None:
    assert list(doc_mentions([annotated()])) == [("Cell", SeenMention("nerve cells", "X:1"))]


def test_docbin(tmp_path: Path) -> None:
    DocBin(docs=[annotated(), annotated()]).to_disk(tmp_path / "a.spacy")
    assert list(read_mentions(tmp_path / "a.spacy")) == [("Cell", SeenMention("nerve cells", "X:1"))] * 2


def test_table(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("label\ttext\tid\tcount\tname\nCell\tnerve cells\tX:1\t3\tneuron\nCell\tglia\tX:2\t\t\n")
    assert list(read_mentions(path)) == [
        ("Cell", SeenMention("nerve cells", "X:1", 3, "neuron")),
        ("Cell", SeenMention("glia", "X:2")),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.spacy", b"no DocBin", "is damaged"),
        ("a.tsv", b"label\ttext\n", "lacks the column id"),
        ("a.tsv", b"label\ttext\tid\n", "there is no mention with an id"),
        ("a.tsv", b"label\ttext\tid\tcount\nCell\ta\tX:1\t-1\n", "count = '-1': allowed are whole numbers"),
        ("a.csv", b"", "allowed are files that end with .spacy, .tsv"),
    ],
)
def test_what_is_refused(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"mentions = '.*{name}'.*{message}"):
        list(read_mentions(tmp_path / name))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"mentions = '.*a.tsv': there is no such file"):
        list(read_mentions(tmp_path / "a.tsv"))
