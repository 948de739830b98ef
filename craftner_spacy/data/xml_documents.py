"""The documents of an XML file one by one, as bytes: a broken or oversized one loses nothing but itself."""

import re
from collections.abc import Iterator
from io import BufferedIOBase
from typing import NamedTuple

from .limits import MAX_RECORD_BYTES, check_values
from .records import BadRecord, import_extra, shorten

CHUNK_BYTES = 65_536
MAX_HEAD_BYTES = 1_000_000
"""Bytes before the first document."""
_LONGEST_TAG = 4096
_TOKEN = re.compile(
    rb"<!--|<!\[CDATA\[|<\?|<(?P<close>/)?(?:[\w.-]+:)?document(?:\s[^<>]*?)?(?P<empty>/)?>", re.DOTALL
)
_ENDS = {b"<!--": b"-->", b"<![CDATA[": b"]]>", b"<?": b"?>"}
_COLLECTION = re.compile(rb"<(?:[\w.-]+:)?collection[\s>]")
_END_OF_COLLECTION = re.compile(rb"</(?:[\w.-]+:)?collection\s*>")
_DESCRIPTION = ("source", "date", "key", "infon", "version")
"""What a collection has before its documents."""
_NO_CONTENT = re.compile(
    rb"<!DOCTYPE[^<>]*>|</?(?:[\w.-]+:)?collection(?:\s[^<>]*)?>"
    rb"|<(?P<tag>(?:[\w.-]+:)?(?:%s))(?:\s[^<>]*)?(?:/>|>[^<]*</(?P=tag)\s*>)"
    % "|".join(_DESCRIPTION).encode()
)
"""What may stand between documents, where collections follow each other."""


class XmlDocument(NamedTuple):
    """A document of a file.

    head (bytes): of the file, up to its first document: encoding, entities, namespaces.
    element (bytes): the document's element.
    """

    head: bytes
    element: bytes


def split_xml(file: BufferedIOBase) -> Iterator[XmlDocument | BadRecord]:
    """The elements `document` of a file, with or without a namespace; bad records for all other content.

    file (BufferedIOBase): XML in an encoding that writes the signs of XML as ASCII does.
    """
    head: bytes | None = None
    kept, is_inside, is_nested = _Kept(), False, False
    for piece, name in _pieces(file):
        is_nested = is_inside and (is_nested or name == "open")
        if name == "open" and not is_inside:
            before, is_inside = kept.take(), True
            if head is None:
                head = before
            else:
                yield from _between(before)
        # Comments between documents say nothing; in the head the XML declaration looks like one.
        if is_inside or head is None or name != "comment":
            kept.add(piece)
        if name == "close" and is_inside and head is not None:
            is_inside = False
            document = _document(head, kept.take())
            yield (
                BadRecord("not valid XML: a document begins inside of another one") if is_nested else document
            )
    rest = kept.take()
    if head is None:
        yield from _without_documents(rest)
    elif is_inside:
        yield BadRecord("not valid XML from here to the end of the file: it ends inside of a document")
    else:
        yield from _between(rest)
        if _COLLECTION.search(head) and not _END_OF_COLLECTION.search(rest):
            yield BadRecord("the file ends without </collection>: it may be cut off")


class _Kept:
    """The bytes since they were last taken, as far as a record may have so many."""

    def __init__(self) -> None:
        """Start without any."""
        self._bytes = bytearray()

    def add(self, piece: bytes) -> None:
        """Add bytes; those over the limit are dropped, but for the first one of them."""
        self._bytes += piece[: MAX_RECORD_BYTES + 1 - len(self._bytes)]

    def take(self) -> bytes:
        """The bytes; none are kept."""
        taken = bytes(self._bytes)
        self._bytes.clear()
        return taken


def _pieces(file: BufferedIOBase) -> Iterator[tuple[bytes, str]]:
    """All bytes of a file in order, in pieces.

    The name of a piece is "open" or "close" for a tag of a document, "comment" for comments and processing
    instructions, and empty for anything else, with CDATA.
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
                yield buffer[start:position], "comment" if is_comment else ""
                start = position
            match = _TOKEN.search(buffer, position)
            if match is None:
                break
            yield buffer[start : match.start()], ""
            start, position = match.start(), match.end()
            end = _ENDS.get(match[0], b"")
            is_comment = match[0] != b"<![CDATA["
            if not end:
                yield match[0], "close" if match["close"] else "open"
                start = position
                if match["empty"]:
                    yield b"", "close"
        # What may be the beginning of a tag, or of the end of a comment, waits for the next bytes.
        held = len(buffer) - 2 if end else buffer.rfind(b"<", max(position, len(buffer) - _LONGEST_TAG))
        keep_from = max(position, held if held >= 0 else len(buffer)) if chunk else len(buffer)
        yield buffer[start:keep_from], "comment" if end and is_comment else ""
        buffer = buffer[keep_from:]
        if not chunk:
            return


def _document(head: bytes, element: bytes) -> XmlDocument | BadRecord:
    """A document, unless it is too large."""
    try:
        if len(head) > MAX_HEAD_BYTES:
            raise ValueError(f"the file has more than {MAX_HEAD_BYTES:,} bytes before its first document")
        check_values(element, (b"<", b"="))
    except ValueError as err:
        return BadRecord(str(err))
    return XmlDocument(head, element)


def _between(content: bytes) -> Iterator[BadRecord]:
    """A bad record for content between documents, if there is any."""
    found = _NO_CONTENT.sub(b"", content).strip()
    if found:
        yield BadRecord(f"not a document: {shorten(found[:200].decode(errors='replace'))}")


def _without_documents(content: bytes) -> Iterator[BadRecord]:
    """A bad record for a file without documents, unless it is empty or an empty collection."""
    if not content.strip():
        return
    etree = import_extra("lxml.etree")
    parser = etree.XMLPullParser(events=("start",), resolve_entities=False, no_network=True)
    names = []
    try:
        parser.feed(content[:MAX_HEAD_BYTES])
        names = [etree.QName(element).localname for _, element in parser.read_events()]
        parser.close()
    except etree.XMLSyntaxError as err:
        if names[:1] in ([], ["collection"]):
            yield BadRecord(f"not valid XML: {err}")
            return
    if names[:1] != ["collection"] or not {*names[1:]} <= {*_DESCRIPTION}:
        yield BadRecord(
            f"no record: its root element is <{names[0] if names else '?'}>; what is read are the elements "
            "<document> of BioC's <collection>"
        )
