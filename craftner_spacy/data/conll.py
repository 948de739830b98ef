"""CoNLL: a word and its tag on each line, an empty line after each sentence. IOB, IOB2, BILUO and BIOES."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from io import BufferedIOBase
from itertools import groupby

from ..types import Entity
from .encodings import as_utf8
from .limits import LineBlock, bounded_lines, is_blank
from .records import (
    BadRecord,
    Passage,
    ReadOptions,
    Record,
    check_entities,
    decode_text,
    or_bad_record,
    shorten,
)

SENTENCES = 10
"""Sentences of a record, where nothing marks documents; as spaCy's `convert` recommends."""
SENTENCE = "sentence"
"""The type of passages that are sentences."""
_TAG = re.compile(r"O|([BILUES])-(.+)")
_LONGEST_MARK = 300
_BEGINS, _ENDS = "BUS", "LEUS"
_DOCUMENT = re.compile(r"-DOCSTART-|# ?(?:newdoc(?: id)?|doc_id\b)(?:\s*=\s*(\S+))?")
"""A line that begins a document, and perhaps gives its id."""
VALUES_PER_LINE = 4
"""What a word becomes, for the limit on the values of a record."""


def read_conll(file: BufferedIOBase, options: ReadOptions) -> Iterator[Record | BadRecord]:
    """Read a record from each document, or from `SENTENCES` sentences where nothing marks documents.

    Lines ``-DOCSTART-``, ``# newdoc id = ID`` and ``# doc_id = ID`` begin a document, which has that id.
    The first column is the word, the last one the tag; white space separates columns, and other lines that
    begin with ``# `` are comments. Spaces join the words of a sentence, and line breaks the sentences, which
    are the passages of the record. A line with one sentence, each word with its tag after ``|``, is read too.
    """
    for identifier, block in _documents(bounded_lines(as_utf8(file, options.encoding))):
        yield or_bad_record(partial(_parse_document, identifier, block, options))


def tagged_spans(tags: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """The entities of a sentence: first word, the word behind the last one, and label.

    Not by spaCy's `iob_to_biluo`, whose time grows with the square of the number of words, and which goes on
    after ``U-`` and ``L-``.

    tags (Sequence[str]): of its words, in IO, IOB, IOB2, BILUO or BIOES.
    RAISES: ValueError for a tag of none of these schemes.

    >>> list(tagged_spans(["I-Cell", "E-Cell", "O", "S-Taxon", "I-Gene"]))
    [(0, 2, 'Cell'), (3, 4, 'Taxon'), (4, 5, 'Gene')]
    """
    start, label = 0, ""
    for number, tag in enumerate([*tags, "O"]):
        match = _TAG.fullmatch(tag)
        if match is None:
            raise ValueError(f"tag {tag!r}: allowed are O, and B-, I-, L-, U-, E- or S- with a label")
        prefix, of_tag = match[1] or "O", match[2] or ""
        if label and (prefix in _BEGINS or of_tag != label):
            yield start, number, label
            label = ""
        if of_tag and not label:
            start, label = number, of_tag
        if label and prefix in _ENDS:
            yield start, number + 1, label
            label = ""


def _documents(lines: Iterable[bytes]) -> Iterator[tuple[str, LineBlock]]:
    """Id and lines of each document, without comments, and with an empty line behind each sentence."""
    block, n_sentences, identifier = LineBlock(VALUES_PER_LINE), 0, ""
    is_inside = has_marks = False
    for line in lines:
        line = line.removeprefix(b"\xef\xbb\xbf")
        mark = _DOCUMENT.match(line[:_LONGEST_MARK].decode(errors="replace"))
        if not mark and not is_blank(line):
            if not _is_comment(line):
                block.add(line)
                is_inside = True
            continue
        if is_inside:
            block.add(b"\n")
            n_sentences += 1
        is_inside, has_marks = False, has_marks or mark is not None
        if mark or (n_sentences == SENTENCES and not has_marks):
            if block.n_lines:
                yield identifier, block
                block, n_sentences, identifier = LineBlock(VALUES_PER_LINE), 0, ""
            # Two marks may stand together.
            identifier = (mark and mark[1]) or identifier
    if block.n_lines:
        yield identifier, block


def _is_comment(line: bytes) -> bool:
    """Whether a line is a comment, and not the word ``#`` with its tag."""
    return line.startswith(b"# ") and _TAG.fullmatch(line.split()[-1].decode("latin-1")) is None


def _parse_document(identifier: str, block: LineBlock, options: ReadOptions) -> Record:
    """The record of a document's lines; ValueError if one is wrong."""
    sentences = [list(lines) for is_empty, lines in groupby(block.check(), bytes.isspace) if not is_empty]
    texts: list[str] = []
    passages: list[Passage] = []
    entities: list[Entity] = []
    start = 0
    for lines in sentences:
        for words, tags in _columns([decode_text(line, options.encoding).strip() for line in lines]):
            offsets = [start]
            for word in words:
                offsets.append(offsets[-1] + len(word) + 1)
            if options.entities:
                entities += [
                    Entity(offsets[first], offsets[end] - 1, label)
                    for first, end, label in tagged_spans(tags)
                ]
            texts.append(" ".join(words))
            passages.append(Passage(start, start + len(texts[-1]), {"type": SENTENCE}))
            start += len(texts[-1]) + 1
    text = "\n".join(texts)
    return Record(identifier, text, {}, tuple(passages), check_entities(entities, len(text)))


def _columns(lines: list[str]) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """Words and tags of the lines of a sentence; of lines with ``word|tag``, each is a sentence."""
    if all("\t" not in line and all("|" in word for word in line.split()) for line in lines):
        for line in lines:
            parts = [word.split("|") for word in line.split()]
            yield [part[0] for part in parts], [part[-1] for part in parts]
        return
    rows = [line.split("\t") if "\t" in line else line.split() for line in lines]
    for line, row in zip(lines, rows, strict=True):
        if len(row) != len(rows[0]) or len(row) < 2 or not row[0].strip():
            raise ValueError(
                f"line {shorten(line)} has {len(row)} columns, and the first one of its sentence "
                f"{len(rows[0])}: needed are a word, a tag, and the same number in all lines"
            )
    yield [row[0].strip() for row in rows], [row[-1].strip() for row in rows]
