"""The documents of a BioC JSON file one by one, as bytes: a broken or oversized one loses only itself.

Nothing is parsed but brackets and the borders of strings. A parser of streams (ijson was tried) holds a whole
string in memory however long it is, needs memory that grows with the square of the depth, and cannot go on
behind what is not JSON, such as NaN.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase

from .limits import MAX_RECORD_BYTES, check_json
from .records import BadRecord, shorten

CHUNK_BYTES = 65_536
_STRING = rb'[^"\\]*(?:\\.[^"\\]*)*'
_IN_STRING = re.compile(_STRING, re.DOTALL)
_OUTSIDE = re.compile(rb'(?:[^"\[\]{}]+|"%s")*' % _STRING, re.DOTALL)
"""What has no bracket: up to the end of a string, and any number of whole strings with what is between."""
_ARRAY = re.compile(rb'(?<!\\)"(documents|PubTator3|passages)"\s*:\s*\[\Z')
"""The beginning of an array that holds documents, or that makes the object around it a document."""
_LONGEST_NAME = 200
MAX_DEPTH = 200
"""Brackets in each other, in a document."""


@dataclass
class _Open:
    """An open bracket outside of documents.

    has_documents (bool): whether it is an array of documents.
    start (int): its place in the bytes that are kept; -1 if it is no longer there.
    n_documents (int): objects in it that are documents.
    n_others (int): objects in it that hold none, and for which no bad record stands yet.
    """

    has_documents: bool
    start: int
    n_documents: int = 0
    n_others: int = 0


def split_json(file: BufferedIOBase) -> Iterator[bytes | BadRecord]:
    """The documents of collections, of lists of collections or documents, and documents that stand alone.

    A bad record stands for other content. The documents of a collection are the values of the array
    `documents`, or of PubTator's `PubTator3`, and any object with `passages`.

    file (BufferedIOBase): JSON in UTF-8, one text or several.
    """
    return _Splitter().split(file)


class _Splitter:
    """Where a file is divided."""

    def __init__(self) -> None:
        """Start outside of all brackets."""
        self._kept = bytearray()
        self._opened: list[_Open] = []
        self._has_any = self._is_cut = False
        self._depth = self._deepest = 0

    def split(self, file: BufferedIOBase) -> Iterator[bytes | BadRecord]:
        """See `split_json`."""
        for piece, bracket in _pieces(file):
            if self._depth:
                self._kept += piece[: MAX_RECORD_BYTES + 1 - len(self._kept)]
                if bracket:
                    self._depth += 1 if bracket in b"[{" else -1
                    self._deepest = max(self._deepest, self._depth)
                    if not self._depth:
                        yield self._document()
                continue
            self._kept += piece
            if len(self._kept) > MAX_RECORD_BYTES:
                self._forget(_LONGEST_NAME)
            if bracket and bracket in b"[{":
                yield from self._open(bracket)
            elif bracket:
                yield from self._close()
        if self._depth or self._opened:
            yield BadRecord("not valid JSON from here to the end of the file: it ends inside of brackets")
        elif self._kept.removeprefix(b"\xef\xbb\xbf").strip():
            yield self._not_a_document(self._kept)

    def _open(self, bracket: bytes) -> Iterator[BadRecord]:
        """An opening bracket outside of documents."""
        name = _ARRAY.search(self._kept, max(0, len(self._kept) - _LONGEST_NAME))
        if self._opened and self._opened[-1].has_documents:
            yield from self._between(self._kept[:-1])
            self._begin_document(len(self._kept) - 1, depth=1)
        elif len(self._opened) > MAX_DEPTH:
            depth, start = len(self._opened) + 1, self._opened[0].start
            self._opened.clear()
            self._begin_document(start, depth)
        elif name and name[1] == b"passages" and self._opened:
            start = self._opened.pop().start
            if self._opened:
                self._opened[-1].n_documents += 1
                yield from self._beside_documents()
            self._begin_document(start, depth=2)
        elif name and self._opened:
            self._has_any = True
            self._opened.append(_Open(True, -1))
            self._kept.clear()
        else:
            if not self._opened:
                yield from self._between(self._kept[:-1].removeprefix(b"\xef\xbb\xbf"))
                del self._kept[:-1]
                self._has_any = False
            self._opened.append(_Open(False, len(self._kept) - 1))

    def _close(self) -> Iterator[BadRecord]:
        """A closing bracket outside of documents."""
        if not self._opened:
            yield BadRecord("not valid JSON: a bracket is closed that was not opened")
            self._kept.clear()
            return
        closed = self._opened.pop()
        if self._opened and not closed.n_documents and not closed.has_documents:
            self._opened[-1].n_others += 1
            yield from self._beside_documents()
        if closed.has_documents:
            yield from self._between(self._kept[:-1])
            self._forget()
        elif not self._opened:
            if not self._has_any:
                yield self._not_a_document(self._kept)
            self._kept.clear()

    def _begin_document(self, start: int, depth: int) -> None:
        """Go into a document, which begins at a place in what is kept; -1: its beginning is gone."""
        self._is_cut = start < 0
        del self._kept[: max(0, start)]
        self._depth = self._deepest = depth
        self._has_any = True

    def _document(self) -> bytes | BadRecord:
        """The document that has just ended."""
        document = bytes(self._kept)
        self._forget()
        if self._is_cut:
            return BadRecord("not valid JSON: 'passages' in an object with more than one document in it")
        if self._deepest > MAX_DEPTH:
            return BadRecord(f"nested deeper than {MAX_DEPTH} brackets: no record may be")
        try:
            check_json(document)
        except ValueError as err:
            return BadRecord(str(err))
        return document

    def _forget(self, n_bytes: int = 0) -> None:
        """Keep so many of the last bytes; so no open bracket is there any more."""
        del self._kept[: len(self._kept) - n_bytes]
        for row in self._opened:
            row.start = -1

    def _beside_documents(self) -> Iterator[BadRecord]:
        """A bad record for objects that hold no document, if they stand beside documents."""
        bracket = self._opened[-1]
        if bracket.n_documents and bracket.n_others:
            yield BadRecord(f"{bracket.n_others} objects without 'passages' in a list with documents")
            bracket.n_others = 0

    def _between(self, content: bytes | bytearray) -> Iterator[BadRecord]:
        """A bad record for content between documents, if there is any."""
        found = content.strip(b" \t\r\n,")
        if found:
            yield self._not_a_document(found)

    def _not_a_document(self, content: bytes | bytearray) -> BadRecord:
        """A bad record that shows how something begins."""
        shown = shorten(bytes(content[:200]).decode(errors="replace"))
        return BadRecord(
            f"no record: {shown}; what is read are documents of BioC (objects with 'passages'), alone, in a "
            "list, or in the 'documents' of a collection (JSON Lines: --input-format jsonl)"
        )


def _pieces(file: BufferedIOBase) -> Iterator[tuple[bytes, bytes]]:
    """All bytes of a file in order, in pieces, each with the bracket outside of strings that it ends with."""
    in_string = is_escaped = False
    while chunk := file.read(CHUNK_BYTES):
        # A backslash at the end of a chunk is about the first sign of the next one.
        start, position = 0, int(is_escaped)
        is_escaped = False
        while position < len(chunk):
            match = (_IN_STRING if in_string else _OUTSIDE).match(chunk, position)
            assert match is not None  # Both may be empty.
            position = match.end()
            sign = chunk[position : position + 1]
            position += 1
            if sign == b'"':
                in_string = not in_string
            elif sign == b"\\":
                is_escaped = True
            elif sign:
                yield chunk[start:position], sign
                start = position
        yield chunk[start:], b""
