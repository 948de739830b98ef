"""Plain text: each file is one record."""

from collections.abc import Iterator
from io import BufferedIOBase

from .records import BadRecord, ReadOptions, Record, decode_utf8, or_bad_record


def read_text(file: BufferedIOBase, options: ReadOptions) -> Iterator[Record | BadRecord]:
    """Read the file as one text in UTF-8, named after the file; line breaks stay as they are.

    There is no writer: plain text cannot hold entities.
    """
    yield or_bad_record(lambda: Record(options.name, decode_utf8(file.read()), {}))
