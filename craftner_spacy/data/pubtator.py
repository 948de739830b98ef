"""PubTator: a title, an abstract and annotations; an empty line between records."""

import re
from collections.abc import Iterable, Iterator
from functools import partial
from io import BufferedIOBase
from typing import Any

from ..types import Entity
from .encodings import as_utf8
from .limits import LineBlock, bounded_lines, is_blank
from .records import (
    PLAIN,
    BadRecord,
    Passage,
    ReadOptions,
    Record,
    Tokenizer,
    WriteOptions,
    check_entities,
    decode_text,
    id_problem,
    import_extra,
    one_line,
    or_bad_record,
    parse_concept,
    parse_score,
    shorten,
)
from .structure import make_record

FORBIDDEN_ID_CHARS = "|\t\n\r\ufeff"
"""What ends an id or a line, and the byte order mark, which a reader removes from the start of a line."""
VALUES_PER_LINE = 6
"""Columns of an annotation, for the limit on the values of a record."""
_NAME = re.compile("[A-Za-z]")
_TEXT_LINE = re.compile(r"([^|\t]*)\|([^|\t]{1,10})\|(.*)")


def read_pubtator(file: BufferedIOBase, options: ReadOptions) -> Iterator[Record | BadRecord]:
    """Read a record from each block of lines; one or more empty lines end a block.

    A block has a line with the title, perhaps one with the abstract, and lines of columns: annotations, which
    are entities, and relations, which are not read. The second column of an annotation is a number; its type
    and the id of its concept may be empty or not there. Offsets count the break between title and abstract as
    one character.
    """
    for block in _blocks(bounded_lines(as_utf8(file, options.encoding))):
        yield or_bad_record(partial(_parse_block, block, options))


def write_pubtator(
    file: BufferedIOBase, records: Iterable[Record], tokenizer: Tokenizer, options: WriteOptions = PLAIN
) -> None:
    """Write each record as title and abstract with annotations; other fields are not written.

    The title is the first passage, else the first line, and the abstract is the rest. Any other line break
    becomes a space. The sixth column is the id of the entity's concept, or ``-``, the seventh its score.

    RAISES: ValueError if an id contains one of `FORBIDDEN_ID_CHARS`.
    """
    for record in records:
        if reason := id_problem(record.id, FORBIDDEN_ID_CHARS):
            raise ValueError(reason)
        file.write(f"{_make_document(record)}\n".encode())


def _blocks(lines: Iterable[bytes]) -> Iterator[LineBlock]:
    """The lines between empty ones."""
    block = LineBlock(VALUES_PER_LINE)
    for line in lines:
        if not is_blank(line):
            block.add(line)
        elif block.n_lines:
            yield block
            block = LineBlock(VALUES_PER_LINE)
    if block.n_lines:
        yield block


def _parse_block(block: LineBlock, options: ReadOptions) -> Record:
    """The record of a block; ValueError if it has none.

    bioc's own reader of documents strips their lines, which moves offsets, and prints what it cannot read.
    """
    lines = [decode_text(raw, options.encoding).rstrip("\r\n") for raw in block.check()]
    parts: dict[str, str] = {}
    ids, rows = set(), []
    for line in lines:
        if match := _TEXT_LINE.fullmatch(line):
            name = match[2]
            if name not in ("t", "a"):
                raise ValueError(f"{shorten(line)}: parts other than |t| and |a| are not read")
            if name in parts:
                raise ValueError(f"two lines with |{name}| and no empty line between them")
            parts[name] = match[3]
            ids.add(match[1])
        else:
            rows.append(line.split("\t"))
            if not (_is_annotation(rows[-1]) or _is_relation(rows[-1])):
                raise ValueError(
                    f"{shorten(line)} is neither a title, an abstract, an annotation nor a relation, each of "
                    "which has one line"
                )
            ids.add(rows[-1][0])
    if "t" not in parts:
        raise ValueError("no line with a title (ID|t|TITLE)")
    if len(ids) > 1:
        raise ValueError(f"lines of different ids, and no empty line between them: {shorten(sorted(ids))}")
    title, abstract = parts["t"], parts.get("a", "")
    passages = [Passage(0, len(title), {"type": "title"})]
    text = f"{title}\n{abstract}" if abstract else title
    if abstract:
        passages.append(Passage(len(title) + 1, len(text), {"type": "abstract"}))
    annotations = [(_offsets(row), row) for row in rows if _is_annotation(row)]
    entities = [_make_entity(*annotation) for annotation in annotations] if options.entities else []
    return make_record(ids.pop(), text, {}, tuple(passages), check_entities(entities, len(text)))


def _is_annotation(columns: list[str]) -> bool:
    """Whether a line's columns are an annotation, and not a relation.

    >>> [_is_annotation(line.split()) for line in ("1 0 4 Mice", "1 Bind 7 8", "1 Association 7 8 Novel")]
    [True, False, False]
    """
    return len(columns) > 5 or (len(columns) > 3 and columns[1].strip().isdecimal())


def _is_relation(columns: list[str]) -> bool:
    """Whether a line's columns are a relation: id, a name, the ids of two concepts, and perhaps a comment.

    >>> [_is_relation(line.split(",")) for line in ("1,Bind,7,8", "1,Association,7,8,Novel", "1,-,7,in mice")]
    [True, True, False]
    """
    return len(columns) > 3 and _NAME.search(columns[1]) is not None and " " not in columns[2] + columns[3]


def _offsets(columns: list[str]) -> tuple[int, int]:
    """Start and end of an annotation's line; ValueError if they are no numbers."""
    try:
        return int(columns[1]), int(columns[2])
    except ValueError as err:
        line = shorten("\t".join(columns))
        raise ValueError(f"{line}: an annotation's second and third columns have to be numbers") from err


def _make_entity(offsets: tuple[int, int], columns: list[str]) -> Entity:
    """The entity of a line's columns: id, start, end, text, and perhaps type, concept, score."""
    label, concept, score = (*columns[4:], "", "", "")[:3]
    return Entity(*offsets, label, parse_score(score), parse_concept(concept))


def _make_document(record: Record) -> Any:
    """The PubTator document of a record; its str is a block of lines."""
    pubtator = import_extra("bioc.pubtator")
    title_end = _title_end(record)
    document = pubtator.PubTator(
        record.id, one_line(record.text[:title_end]), one_line(record.text[title_end + 1 :])
    )
    for entity in record.entities:
        mention = one_line(record.text[entity.start : entity.end]).replace("\t", " ")
        label = one_line(entity.label).replace("\t", " ")
        concept = "-" if entity.concept is None else one_line(entity.concept.id).replace("\t", " ")
        score = [] if entity.score is None else [str(entity.score)]
        document.add_annotation(
            pubtator.PubTatorAnn(record.id, entity.start, entity.end, mention, label, concept, score)
        )
    return document


def _title_end(record: Record) -> int:
    """The offset of the white space between title and abstract, or of the text's end if it has one part.

    >>> [_title_end(Record("1", text, {})) for text in ("A title\\nand more", "all in one", "and a break\\n")]
    [7, 10, 12]
    """
    text = record.text
    last = len(text) - 1
    if record.passages and record.passages[0].end < last and text[record.passages[0].end].isspace():
        return record.passages[0].end
    line_end = text.find("\n")
    return line_end if 0 <= line_end < last else len(text)
