"""DocBin: Docs with entities, scores and fields."""

from pathlib import Path

from format_files import BY_NAME, RECORDS, read_records, reasons, write_records
from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab

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


def test_a_broken_file_is_a_bad_record() -> None:
    assert "not a DocBin" in str(reasons("docbin", b"docs")[-1])
