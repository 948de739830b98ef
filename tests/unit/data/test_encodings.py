"""Plain text in other encodings than UTF-8."""

import io
import zipfile

import pytest
from foreign_files import MAKERS
from format_files import BY_NAME, MAKE_DOC, read_bytes, read_record, reasons

from craftner_spacy.data.encodings import CHUNK_BYTES, as_utf8, check_encoding
from craftner_spacy.data.records import BadRecord, Record

RECORDS = (Record("1", "Caf\xe9 mice\nwere na\xefve.", {}), Record("2", "Two \xb5m\ncells.", {}))
PLAIN_TEXT = ["text", "jsonl", "csv", "tsv", "bioc-json", "pubtator", "conll", "prodigy"]


def utf8_file(name: str) -> bytes:
    """A file of the records."""
    if name in MAKERS:
        return MAKERS[name](RECORDS)
    file = io.BytesIO()
    write = BY_NAME[name].write
    assert write is not None
    write(file, RECORDS, MAKE_DOC)
    return file.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", [*PLAIN_TEXT, "bioc-xml"])
def test_the_first_bytes_tell_the_encoding_whatever_the_option_says(name: str, encoding: str) -> None:
    content = utf8_file(name)
    expected = read_bytes(name, content)
    assert all(isinstance(record, Record) for record in expected)
    recoded = content.decode().encode(encoding)
    assert read_bytes(name, recoded) == read_bytes(name, recoded, encoding="cp1252") == expected


@pytest.mark.parametrize("name", PLAIN_TEXT)
def test_the_option_tells_the_encoding_or_the_error_names_it(name: str) -> None:
    content = utf8_file(name)
    recoded = content.decode().encode("cp1252")
    assert read_bytes(name, recoded, encoding="cp1252") == read_bytes(name, content)
    for reason in reasons(name, recoded):
        assert "--encoding names another one, such as cp1252" in str(reason)
        assert str(reason).startswith("not UTF-8: byte 0x")


def zip_of(files: dict[str, str], encoding: str) -> bytes:
    """A zip file of texts in an encoding."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text.encode(encoding))
    return content.getvalue()


def test_texts_and_annotations_of_brat_are_recoded() -> None:
    files = {"a.txt": "Caf\xe9 mice", "a.ann": "T1\tX 0 4\tCaf\xe9\n"}
    for encoding in ("cp1252", "utf-16"):
        record = read_record("brat", zip_of(files, encoding), encoding="cp1252")
        assert [record.text[e.start : e.end] for e in record.entities] == ["Caf\xe9"]
    (reason,) = reasons("brat", zip_of(files, "cp1252"))
    assert str(reason).startswith("not UTF-8: byte 0xe9 at 3; --encoding names another")


LINES = '{"text": "\xe9"}\n{"text": "?"}\n{"text": "c"}\n'


@pytest.mark.parametrize(
    ("damaged", "encoding", "reason"),
    [
        (LINES.encode("cp1252").replace(b"?", b"\x81"), "cp1252", "not cp1252: byte 0x81 at 10"),
        (LINES.encode("utf-16-le").replace(b"?\0", b"\0\xd8"), "utf-16-le", "not utf-16-le: byte 0xff at"),
    ],
    ids=["a byte that cp1252 does not have", "half of a surrogate pair"],
)
def test_damage_loses_only_its_record(damaged: bytes, encoding: str, reason: str) -> None:
    first, bad, third = read_bytes("jsonl", damaged, encoding=encoding)
    assert (first, third) == (Record("", "\xe9", {}), Record("", "c", {}))
    assert isinstance(bad, BadRecord)
    assert bad.reason.startswith(reason)


def test_a_file_that_ends_within_a_character_is_a_bad_record() -> None:
    (bad,) = reasons("text", "mice".encode("utf-16")[:-1])
    assert str(bad).startswith("not UTF-8: byte 0xff at 3")


def test_a_large_file_is_recoded_chunk_by_chunk() -> None:
    text = "a\xe9\U0001d6fc\n" * CHUNK_BYTES
    recoded = as_utf8(io.BytesIO(text.encode("utf-16")), None)
    assert recoded.readline() == "a\xe9\U0001d6fc\n".encode()
    assert recoded.read() == text.encode()[8:]


@pytest.mark.parametrize("name", ["latin-99", "hex", "", "a\0b"])
def test_names_of_no_encoding_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="allowed are names of encodings that Python knows, such as cp1252"):
        check_encoding(name)
