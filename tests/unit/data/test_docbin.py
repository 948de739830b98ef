"""DocBin: Docs with entities, scores and fields."""

import re
import zlib
from pathlib import Path
from typing import Any

import pytest
import srsly
from format_files import BY_NAME, RECORDS, read_bytes, read_records, reasons, write_records
from spacy.attrs import LEMMA, ORTH
from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab

from craftner_spacy.data import docbin
from craftner_spacy.data.records import Record
from craftner_spacy.types import Entity

DOCBIN = BY_NAME["docbin"]


def test_docs_have_entities_scores_and_fields(tmp_path: Path) -> None:
    path = write_records(DOCBIN, RECORDS, tmp_path)
    doc, empty = DocBin().from_disk(path).get_docs(Vocab())
    assert [(ent.text, ent.label_) for ent in doc.ents][:2] == [("Sox9", "Protein"), ("mouse", "Taxon")]
    assert doc.spans["craft_ner"].attrs["scores"][:2] == [0.987654, 0.5]
    assert doc.user_data["journal"] == "J. Mice"
    assert not empty.ents


def test_a_doc_without_span_group_gives_its_ents(tmp_path: Path) -> None:
    doc = Doc(Vocab(), words=["A", "mouse"], user_data={"pmid": "9", ("._.", "x", None, None): 1})
    doc.ents = [Span(doc, 1, 2, "Taxon")]
    DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "x.spacy")
    (record,) = read_records(DOCBIN, tmp_path / "x.spacy", id_field="pmid")
    assert record == Record("9", "A mouse ", {}, (), (Entity(2, 7, "Taxon", None),))


def test_user_data_with_names_that_a_record_needs_is_kept_or_passed_over() -> None:
    doc = Doc(Vocab(), words=["A", "mouse"], user_data={"text": "as it was", "entities": "two"})
    doc.ents = [Span(doc, 1, 2, "Taxon")]
    (record,) = read_bytes("docbin", DocBin(docs=[doc], store_user_data=True).to_bytes())
    assert record == Record("", "A mouse ", {"source_text": "as it was"}, (), (Entity(2, 7, "Taxon"),))


def test_a_broken_file_is_a_bad_record() -> None:
    assert "not a DocBin" in str(reasons("docbin", b"docs")[-1])


def unpacked(*docs: Doc) -> dict[str, Any]:
    """What the file of some Docs holds before it is compressed."""
    return srsly.msgpack_loads(zlib.decompress(DocBin(docs=docs, store_user_data=True).to_bytes()))


def packed(message: Any) -> bytes:
    """The file of such content."""
    return zlib.compress(srsly.msgpack_dumps(message))


def two_docs() -> tuple[Doc, Doc]:
    """Two Docs with entities and ids."""
    vocab = Vocab()
    docs = tuple(Doc(vocab, words=["A", "mouse"], user_data={"id": number}) for number in "12")
    for doc in docs:
        doc.ents = [Span(doc, 1, 2, "Taxon")]
    return docs[0], docs[1]


@pytest.mark.parametrize(
    ("part", "value", "is_entity"),
    [
        ("user_data", b"\xc1", False),
        ("user_data", srsly.msgpack_dumps([1]), False),
        ("user_data", srsly.msgpack_dumps({"id": [1]}), False),
        ("user_data", srsly.msgpack_dumps({"id": "1", "x": b"\xff"}), False),
        ("flags", [1], False),
        ("span_groups", b"\xc1", True),
        ("span_groups", srsly.msgpack_dumps([b"\x93"]), True),
    ],
)
def test_a_damaged_doc_loses_only_itself(part: str, value: Any, is_entity: bool) -> None:
    message = unpacked(*two_docs())
    message[part] = [value, message[part][1]]
    assert [reason is None for reason in reasons("docbin", packed(message))] == [False, True]
    # What `annotate` does not carry over is not looked at.
    read = read_bytes("docbin", packed(message), entities=False)
    assert [isinstance(record, Record) for record in read] == [is_entity, True]


def test_missing_strings_and_unknown_attributes() -> None:
    message = unpacked(*two_docs())
    message["strings"] = [string for string in message["strings"] if string != "Taxon"]
    assert all("E084" in str(reason) for reason in reasons("docbin", packed(message)))
    assert (
        len([r for r in read_bytes("docbin", packed(message), entities=False) if isinstance(r, Record)]) == 2
    )
    message["attrs"] = [attr if attr == ORTH else 9999 + attr for attr in message["attrs"]]
    assert [r is None for r in reasons("docbin", packed(message))] == [True, True]
    message["strings"] = []
    assert all("E018" in str(reason) for reason in reasons("docbin", packed(message)))


@pytest.mark.parametrize(
    ("part", "value", "reason"),
    [
        ("lengths", b"\x09\x00\x00\x00", "differ in number"),
        ("lengths", b"\xff\xff\xff\xff", "differ in number"),
        ("lengths", b"\x01", "buffer size"),
        ("tokens", b"", "differ in number"),
        ("spaces", None, "TypeError"),
        ("attrs", [], "reshape"),
        ("attrs", [1] * 20, "reshape|differ|ORTH"),
        ("strings", [[[[]]]], "Error"),
        ("user_data", 5, "Error"),
    ],
)
def test_a_damaged_file_is_a_bad_record(part: str, value: Any, reason: str) -> None:
    message = {**unpacked(*two_docs()), part: value}
    found = reasons("docbin", packed(message))
    assert found
    assert all(re.search(reason, str(bad)) for bad in found)


def test_a_small_file_is_not_unpacked_without_end() -> None:
    zeros = zlib.compress(b"\x81\xa6tokens\xc6\x10\x00\x00\x00" + bytes(70_000_000), 1)
    assert "more than 64,000,000 bytes" in str(reasons("docbin", zeros))
    lists = b"\x81\xa7strings\xdd\x00\x08\x00\x00" + b"\x92\x90\x90" * 0x80000
    assert "more than 1,000,000 values" in str(reasons("docbin", zlib.compress(lists)))
    assert "it is not complete" in str(reasons("docbin", zlib.compress(lists)[:-9]))
    assert "a list is longer" in str(
        reasons("docbin", zlib.compress(lists[:2000000].replace(b"\x08", b"\xff", 1)))
    )


def test_numbers_of_more_than_64_bits_become_text(tmp_path: Path) -> None:
    record = Record("1", "a", {"x": 2**70, "y": [{"z": -(2**64)}], "n": 2**64 - 1})
    (read,) = read_records(DOCBIN, write_records(DOCBIN, [record], tmp_path))
    assert read.fields == {"x": str(2**70), "y": f'[{{"z": -{2**64}}}]', "n": 2**64 - 1}


def test_tokens_without_words_and_too_many_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    message = unpacked(*two_docs())
    attrs = [LEMMA if attr == ORTH else attr for attr in message["attrs"]]
    assert reasons("docbin", packed({**message, "attrs": attrs})) == ["not a DocBin: its tokens have no ORTH"]
    monkeypatch.setattr(docbin, "MAX_VALUES", 1000)
    long = Doc(Vocab(), words=["a"] * 1001)
    content = DocBin(docs=[long, two_docs()[0]]).to_bytes()
    # Not the values of the whole file.
    monkeypatch.setattr(docbin, "check_message", lambda *arguments: None)
    assert reasons("docbin", content) == ["1001 tokens: no record may have more than 1,000", None]
