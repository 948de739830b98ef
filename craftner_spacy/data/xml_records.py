"""The records of an XML file one by one: one that is broken or too large loses nothing but itself.

The file is divided by its bytes, and each record is parsed alone.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from io import BufferedIOBase
from typing import Any, NamedTuple

from . import limits
from .encodings import as_utf8, marked_encoding
from .records import BadRecord, Record, or_bad_record, shorten
from .xml_parsing import CHUNK_BYTES, MAX_ROOT_BYTES, element_names, parse_element

MAX_HEAD_BYTES = 50_000
"""Bytes before the first record, without notes."""
_LONGEST_TAG = 4096
_ENDS = {b"<!--": b"-->", b"<![CDATA[": b"]]>", b"<?": b"?>"}


@dataclass(frozen=True, kw_only=True)
class XmlShape:
    """Where records are in a kind of XML files: names of elements, without namespaces.

    records (tuple[str, ...]): of records.
    alone (tuple[str, ...]): of what is a record, too, but a part of one inside of it.
    skipped (tuple[str, ...]): of what stands beside records and is not read.
    wrappers (tuple[str, ...]): of what holds records.
    notes (tuple[str, ...]): of what stands beside records, holds nothing but text, and is not read.
    """

    records: tuple[str, ...]
    alone: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    wrappers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def roots(self) -> tuple[str, ...]:
        """The names of elements that a file may begin with."""
        return (*self.wrappers, *self.records, *self.alone)

    @cached_property
    def token(self) -> re.Pattern[bytes]:
        """A tag of a record, or the beginning of what holds no tags."""
        return re.compile(
            rb"<!--|<!\[CDATA\[|<\?|<(?P<close>/)?(?:[\w.-]+:)?(?P<name>%s)(?:\s[^<>]*?)?(?P<empty>/)?>"
            % _any_of((*self.records, *self.alone, *self.skipped))
        )

    @cached_property
    def note(self) -> re.Pattern[bytes]:
        """A note with its text."""
        names = _any_of(self.notes)
        return re.compile(rb"<(?P<note>(?:[\w.-]+:)?(?:%s))(?:\s[^<>]*)?(?:/>|>[^<]*</(?P=note)\s*>)" % names)

    @cached_property
    def nothing(self) -> re.Pattern[bytes]:
        """What may stand between records, also where one file follows another in it."""
        wrapper = rb"</?(?:[\w.-]+:)?(?:%s)(?:\s[^<>]*)?>" % _any_of(self.wrappers)
        return re.compile(rb"<!DOCTYPE[^<>]*>|%s|%s" % (wrapper, self.note.pattern))

    @cached_property
    def wrapper_start(self) -> re.Pattern[bytes]:
        """The beginning of a wrapper's first tag."""
        return re.compile(rb"<(?:[\w.-]+:)?(%s)[\s>]" % _any_of(self.wrappers))

    @cached_property
    def wrapper_end(self) -> re.Pattern[bytes]:
        """The last tag of a wrapper."""
        return re.compile(rb"</(?:[\w.-]+:)?(?:%s)\s*>" % _any_of(self.wrappers))


class XmlRecord(NamedTuple):
    """A record of a file.

    name (str): of its element, without namespace.
    head (bytes): of the file, up to its first record, without notes: encoding, entities, namespaces.
    element (bytes): the record's element.
    encoding (str | None): of both; None: as the head says.
    """

    name: str
    head: bytes
    element: bytes
    encoding: str | None = None


def read_xml(
    file: BufferedIOBase, shape: XmlShape, parse: Callable[[Any], Record]
) -> Iterator[Record | BadRecord]:
    """Read a record from each element that is one.

    file (BufferedIOBase): the XML.
    shape (XmlShape): which elements these are.
    parse (Callable): gives the record of an element; it raises a ValueError for a bad one.
    """
    for record in split_xml(file, shape):
        if isinstance(record, BadRecord):
            yield record
        else:
            yield or_bad_record(partial(_parse, record, parse))


def split_xml(file: BufferedIOBase, shape: XmlShape) -> Iterator[XmlRecord | BadRecord]:
    """The records of a file as bytes; a bad record for all other content.

    file (BufferedIOBase): XML in UTF-16 or UTF-32, or in an encoding that writes the signs of XML as ASCII
        does.
    shape (XmlShape): which elements are records.
    """
    recoded, encoding = _recoded(file)
    head: bytes | None = None
    kept, inside = _Kept(), ""
    for piece, sign, name in _pieces(recoded, shape.token):
        if sign == "open" and (not inside or name == inside or name not in shape.alone):
            before = kept.take()
            if inside:
                yield BadRecord(f"not valid XML: <{name}> begins before the end of the <{inside}> before it")
            elif head is None:
                # It is parsed again with each record.
                head = shape.note.sub(b"", before)
            else:
                yield from _between(before, shape)
            inside = name
        # Comments between records say nothing; in the head the XML declaration looks like one.
        if inside or head is None or sign != "comment":
            kept.add(piece)
        if sign == "close" and head is not None and name == inside:
            inside = ""
            element = kept.take()
            if name not in shape.skipped:
                yield _checked(XmlRecord(name, head, element, encoding))
    rest = kept.take()
    if head is None:
        yield from _without_records(rest, shape)
    elif inside:
        yield BadRecord(f"not valid XML from here to the end of the file: it ends inside of <{inside}>")
    else:
        yield from _between(rest, shape)
        wrapper = shape.wrapper_start.search(head)
        if wrapper and not shape.wrapper_end.search(rest):
            yield BadRecord(f"the file ends without </{wrapper[1].decode()}>: it may be cut off")


def _any_of(names: Iterable[str]) -> bytes:
    """A pattern for one of the names; for nothing if there is none."""
    return "|".join(map(re.escape, names)).encode() or b"(?!)"


def _parse(record: XmlRecord, parse: Callable[[Any], Record]) -> Record:
    """The record of an element; ValueError if it has none."""
    return parse(parse_element(record.head, record.element, record.name, record.encoding))


class _Kept:
    """The bytes since they were last taken, as far as a record may have so many."""

    def __init__(self) -> None:
        """Start without any."""
        self._bytes = bytearray()

    def add(self, piece: bytes) -> None:
        """Add bytes; those over the limit are dropped, but for the first one of them."""
        self._bytes += piece[: limits.MAX_RECORD_BYTES + 1 - len(self._bytes)]

    def take(self) -> bytes:
        """The bytes; none are kept."""
        taken = bytes(self._bytes)
        self._bytes.clear()
        return taken


def _recoded(file: BufferedIOBase) -> tuple[BufferedIOBase, str | None]:
    """A file, as UTF-8 if it is in UTF-16 or UTF-32; and its encoding, if it is now another one."""
    encoding = marked_encoding(file)
    # XML in other encodings says so by itself.
    return (file, None) if encoding in (None, "utf-8") else (as_utf8(file, encoding), "utf-8")


def _pieces(file: BufferedIOBase, token: re.Pattern[bytes]) -> Iterator[tuple[bytes, str, str]]:
    """All bytes of a file in order, in pieces, each with a sign and a name.

    The sign is "open" or "close" for a tag of a record, with the element's name, "comment" for comments and
    processing instructions, and empty for anything else, with CDATA.
    """
    buffer, end, is_comment = b"", b"", False
    while True:
        chunk = file.read(CHUNK_BYTES)
        buffer += chunk
        start = position = 0
        while True:
            if end:
                found = buffer.find(end, position)
                if found < 0:
                    break
                position, end = found + len(end), b""
                yield buffer[start:position], "comment" if is_comment else "", ""
                start = position
            match = token.search(buffer, position)
            if match is None:
                break
            yield buffer[start : match.start()], "", ""
            start, position = match.start(), match.end()
            end = _ENDS.get(match[0], b"")
            is_comment = match[0] != b"<![CDATA["
            if not end:
                name = match["name"].decode()
                yield match[0], "close" if match["close"] else "open", name
                start = position
                if match["empty"]:
                    yield b"", "close", name
        # What may be the beginning of a tag, or of the end of a comment, waits for the next bytes.
        held = len(buffer) - 2 if end else buffer.rfind(b"<", max(position, len(buffer) - _LONGEST_TAG))
        keep_from = max(position, held if held >= 0 else len(buffer)) if chunk else len(buffer)
        yield buffer[start:keep_from], "comment" if end and is_comment else "", ""
        buffer = buffer[keep_from:]
        if not chunk:
            return


def _checked(record: XmlRecord) -> XmlRecord | BadRecord:
    """A record, unless it is too large."""
    try:
        if len(record.head) > MAX_HEAD_BYTES:
            raise ValueError(f"the file has more than {MAX_HEAD_BYTES:,} bytes before its first record")
        limits.check_values(record.element, (b"<", b"=", b"&"))
    except ValueError as err:
        return BadRecord(str(err))
    return record


def _between(content: bytes, shape: XmlShape) -> Iterator[BadRecord]:
    """A bad record for content between records, if there is any."""
    found = shape.nothing.sub(b"", content).strip()
    if found:
        shown = shorten(found[:200].decode(errors="replace"))
        yield BadRecord(
            f"not in a record, which are <{'>, <'.join((*shape.records, *shape.alone))}>: {shown}"
        )


def _without_records(content: bytes, shape: XmlShape) -> Iterator[BadRecord]:
    """A bad record for a file without records, unless it is empty or an empty set of them."""
    if not content.strip():
        return
    names, error = [], ""
    try:
        for name in element_names([content[:MAX_ROOT_BYTES]]):
            names.append(name)
    except ValueError as err:
        error = str(err)
    if error and (not names or names[0] in shape.wrappers):
        yield BadRecord(error)
    elif names[0] not in shape.wrappers or not {*names} <= {*shape.wrappers, *shape.notes}:
        yield BadRecord(
            f"no record: its root element is <{names[0]}>; what is read are the elements "
            f"<{'>, <'.join((*shape.records, *shape.alone))}>"
        )
