"""Plain text: a file is one text, unchanged."""

from pathlib import Path

import pytest
from format_files import BY_NAME, MAKE_DOC, read_bytes, reasons

from craftner_spacy.data.formats import write_file
from craftner_spacy.data.records import Record


def test_text_is_unchanged_but_for_a_byte_order_mark() -> None:
    assert read_bytes("text", b"\xef\xbb\xbfa\r\nb ") == [Record("name", "a\r\nb ", {})]
    assert reasons("text", b"a\xff") == [
        "not UTF-8: byte 0xff at 1; --encoding names another one, such as cp1252 (of Windows and Excel in "
        "the West)"
    ]


def test_text_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="text cannot hold entities"):
        write_file(tmp_path / "a.txt", BY_NAME["text"], [], MAKE_DOC, compress=False)


def test_a_text_is_not_read_without_end() -> None:
    assert reasons("text", b"a" * 16_000_001) == ["larger than 16,000,000 bytes: no record may be"]
