"""Mentions with ids: from annotated Docs, and from tables."""

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ..types import NO_ID
from .ontologies import read_table
from .schema import SeenMention


def doc_mentions(docs: Iterable[Doc]) -> Iterator[tuple[str, SeenMention]]:
    """Label and mention of each entity that has an id.

    >>> from spacy.tokens import Span
    >>> doc = Doc(Vocab(), words=["two", "neurons"])
    >>> doc.ents = [Span(doc, 1, 2, label="Cell", kb_id="CL:0000540")]
    >>> list(doc_mentions([doc]))
    [('Cell', SeenMention(text='neurons', id='CL:0000540', frequency=1, name=''))]
    """
    for doc in docs:
        for ent in doc.ents:
            if ent.kb_id_ not in NO_ID:
                yield ent.label_, SeenMention(ent.text, ent.kb_id_)


def read_mentions(path: str | Path) -> Iterator[tuple[str, SeenMention]]:
    """Read mentions with ids.

    path (str | Path): a .spacy file (entities of its Docs that have an id), or a .tsv file with a header and
        the columns label, text and id; count and name may be there too.
    YIELDS: label and mention.
    RAISES: FileNotFoundError if there is no such file; ValueError if it has another suffix, is damaged or
        has no mention with an id.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"mentions = {str(path)!r}: there is no such file")
    readers = {".spacy": _read_docbin, ".tsv": _read_tsv}
    if path.suffix.lower() not in readers:
        raise ValueError(f"mentions = {str(path)!r}: allowed are files that end with {', '.join(readers)}")
    n_found = 0
    try:
        for pair in readers[path.suffix.lower()](path):
            n_found += 1
            yield pair
    except (ValueError, KeyError, zlib.error) as err:
        raise ValueError(f"mentions = {str(path)!r} is damaged ({err})") from err
    if not n_found:
        raise ValueError(f"mentions = {str(path)!r}: there is no mention with an id in it")


def _read_docbin(path: Path) -> Iterator[tuple[str, SeenMention]]:
    return doc_mentions(DocBin().from_disk(path).get_docs(Vocab()))


def _read_tsv(path: Path) -> Iterator[tuple[str, SeenMention]]:
    with path.open("rb") as file:
        for row in read_table(file, ("label", "text", "id"), ("count", "name")):
            if row["count"] and not row["count"].isdecimal():
                raise ValueError(f"count = {row['count']!r}: allowed are whole numbers from 1")
            yield row["label"], SeenMention(row["text"], row["id"], int(row["count"] or 1), row["name"])
