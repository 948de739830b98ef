"""What one record may take in its file, checked before it is parsed: a small file cannot fill the memory."""

from collections.abc import Iterator
from io import BufferedIOBase

MAX_RECORD_BYTES = 16_000_000
"""Bytes of one record in its file, decompressed. The pipeline takes a million characters."""
MAX_VALUES = 1_000_000
"""Values, elements or attributes in one record: each takes up to a hundred bytes of memory."""


def bounded_lines(file: BufferedIOBase, is_limited: bool = True) -> Iterator[bytes]:
    r"""The lines of a file. A line that is too long is cut after `MAX_RECORD_BYTES` + 1 bytes.

    file (BufferedIOBase): the file.
    is_limited (bool): whether any line is too long.

    >>> from io import BytesIO
    >>> list(bounded_lines(BytesIO(b"a\n\nb")))
    [b'a\n', b'\n', b'b']
    """
    if not is_limited:
        yield from file
        return
    while line := file.readline(MAX_RECORD_BYTES + 1):
        yield line
        while len(line) > MAX_RECORD_BYTES and line[-1:] != b"\n":
            # What is left of a long line, piece by piece.
            line = file.readline(MAX_RECORD_BYTES + 1) or b"\n"


def is_blank(line: bytes) -> bool:
    r"""Whether a line of `bounded_lines` is of white space; of one that is too long, the rest is not known.

    >>> is_blank(b" \r\n"), is_blank(b" a\n")
    (True, False)
    """
    return len(line) <= MAX_RECORD_BYTES and line.isspace()


class LineBlock:
    """The lines of a record while they are read; those beyond what a record may have are not kept.

    n_lines (int): that were added.
    """

    def __init__(self, values_per_line: int) -> None:
        """Hold no line.

        values_per_line (int): how many values a line counts for.
        """
        self._lines: list[bytes] = []
        self._values_per_line = values_per_line
        self._n_bytes = self.n_lines = 0

    def add(self, line: bytes) -> None:
        """Add a line."""
        self._n_bytes += len(line)
        self.n_lines += 1
        if self._n_bytes <= MAX_RECORD_BYTES and self.n_lines * self._values_per_line <= MAX_VALUES:
            self._lines.append(line)

    def check(self) -> list[bytes]:
        """All lines.

        RAISES: ValueError if they have more bytes or values than a record may have.
        """
        check_size(self._n_bytes)
        if self.n_lines * self._values_per_line > MAX_VALUES:
            raise ValueError(f"it may hold more than {MAX_VALUES:,} values: no record may")
        return self._lines


def check_size(n_bytes: int) -> None:
    """Refuse a record that takes too many bytes.

    n_bytes (int): in the file, or where they are counted as they would be written there.
    RAISES: ValueError if there are more than `MAX_RECORD_BYTES`.
    """
    if n_bytes > MAX_RECORD_BYTES:
        raise ValueError(f"larger than {MAX_RECORD_BYTES:,} bytes: no record may be")


def check_values(raw: bytes, marks: tuple[bytes, ...]) -> None:
    """Refuse a record of too many bytes or values.

    raw (bytes): as it is in the file.
    marks (tuple[bytes, ...]): before or after each value there is one of these.
    RAISES: ValueError if there are more than `MAX_RECORD_BYTES` or `MAX_VALUES`.
    """
    check_size(len(raw))
    if len(raw) > MAX_VALUES and sum(map(raw.count, marks)) > MAX_VALUES:
        raise ValueError(f"it may hold more than {MAX_VALUES:,} values: no record may")


def check_json(raw: bytes) -> None:
    """Refuse a record in JSON of too many bytes or values; see `check_values`.

    RAISES: ValueError if it has too many.
    """
    check_values(raw, (b"[", b"{", b",", b":"))
