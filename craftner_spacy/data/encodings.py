"""Files of plain text in any encoding, given to the readers as UTF-8."""

import codecs
import io
from io import BufferedIOBase

CHUNK_BYTES = 65_536
_MARKS = {
    # Those of UTF-32 begin with those of UTF-16.
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8",
}
"""Byte order marks, and the encodings that they tell."""
_KEEP_DAMAGE = "craftner_spacy.keep_damage"


def check_encoding(name: str) -> None:
    """Refuse a name that is no encoding of text.

    name (str): as a user gives it.
    RAISES: ValueError if Python knows no such encoding.
    """
    try:
        "".encode(name)
    except (LookupError, ValueError) as err:
        raise ValueError(
            f"encoding = {name!r}: allowed are names of encodings that Python knows, such as cp1252 or utf-16"
        ) from err


def marked_encoding(file: BufferedIOBase) -> str | None:
    """The encoding that a file's first bytes tell; None if they tell nothing. The file is at its start then.

    file (BufferedIOBase): a file that can be searched.

    >>> [marked_encoding(io.BytesIO(start)) for start in (b"\\xff\\xfea\\0", b"a\\0b\\0", b"ab")]
    ['utf-16', 'utf-16-le', None]
    """
    file.seek(0)
    start = file.read(4)
    file.seek(0)
    for mark, encoding in _MARKS.items():
        if start.startswith(mark):
            return encoding
    # Without a mark, Latin letters have a zero byte each, which text in other encodings does not have.
    if start[1::2] == b"\0\0" and 0 not in start[::2]:
        return "utf-16-le"
    return "utf-16-be" if start[::2] == b"\0\0" and 0 not in start[1::2] else None


def as_utf8(file: BufferedIOBase, encoding: str | None) -> BufferedIOBase:
    """A file of plain text as UTF-8.

    What is no text in the file's encoding becomes bytes that are no UTF-8: only the record that holds them is
    a bad one.

    file (BufferedIOBase): a file that can be searched.
    encoding (str | None): of the file, unless its first bytes tell another one; None: UTF-8.
    RAISES: LookupError if there is no such encoding.

    >>> as_utf8(io.BytesIO(b"caf\\xe9"), "cp1252").read()
    b'caf\\xc3\\xa9'
    """
    known = codecs.lookup(marked_encoding(file) or encoding or "utf-8").name
    return file if known in ("utf-8", "utf-8-sig") else io.BufferedReader(_Recoded(file, known), CHUNK_BYTES)


class _Recoded(io.RawIOBase):
    """The bytes of a file, recoded as UTF-8 chunk by chunk."""

    def __init__(self, file: BufferedIOBase, encoding: str) -> None:
        """Begin at the file's position."""
        self._file = file
        self._decoder = codecs.getincrementaldecoder(encoding)(_KEEP_DAMAGE)
        self._recoded = memoryview(b"")
        self._is_done = False

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        """Fill a buffer, as far as there are bytes."""
        while not self._recoded and not self._is_done:
            chunk = self._file.read(CHUNK_BYTES)
            self._is_done = not chunk
            text = self._decoder.decode(chunk, final=self._is_done)
            self._recoded = memoryview(text.encode("utf-8", "surrogateescape"))
        n_bytes = min(len(buffer), len(self._recoded))
        buffer[:n_bytes] = self._recoded[:n_bytes]
        self._recoded = self._recoded[n_bytes:]
        return n_bytes


def _keep_damage(err: UnicodeError) -> tuple[str, int]:
    """In place of bytes that are no text, what `surrogateescape` writes as a byte that is no UTF-8."""
    assert isinstance(err, UnicodeDecodeError)
    byte = err.object[err.start]
    return chr(0xDC00 + byte) if byte > 127 else "\udcff", err.end


codecs.register_error(_KEEP_DAMAGE, _keep_damage)
