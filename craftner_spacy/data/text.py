"""Plain text: each file is one record."""

from collections.abc import Iterator
from functools import partial
from io import BufferedIOBase

from .encodings import as_utf8
from .limits import MAX_RECORD_BYTES, check_size
from .records import BadRecord, ReadOptions, Record, decode_text, or_bad_record


def read_text(file: BufferedIOBase, options: ReadOptions) -> Iterator[Record | BadRecord]:
    """Read the file as one text, named after the file; line breaks stay as they are.

    There is no writer: plain text cannot hold entities.
    """
    raw = as_utf8(file, options.encoding).read(MAX_RECORD_BYTES + 1)
    yield or_bad_record(partial(_parse_text, raw, options))


def _parse_text(raw: bytes, options: ReadOptions) -> Record:
    """The record of a file's content; ValueError if it has none."""
    check_size(len(raw))
    return Record(options.name, decode_text(raw, options.encoding), {})
