"""Plain text: each file is one record."""

from collections.abc import Iterator
from functools import partial
from io import BufferedIOBase

from .limits import MAX_RECORD_BYTES, check_size
from .records import BadRecord, ReadOptions, Record, decode_utf8, or_bad_record


def read_text(file: BufferedIOBase, options: ReadOptions) -> Iterator[Record | BadRecord]:
    """Read the file as one text in UTF-8, named after the file; line breaks stay as they are.

    There is no writer: plain text cannot hold entities.
    """
    yield or_bad_record(partial(_parse_text, file.read(MAX_RECORD_BYTES + 1), options))


def _parse_text(raw: bytes, options: ReadOptions) -> Record:
    """The record of a file's content; ValueError if it has none."""
    check_size(len(raw))
    return Record(options.name, decode_utf8(raw), {})
