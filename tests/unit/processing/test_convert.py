"""Annotated files into other formats, and into training data."""

import csv
import gzip
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import spacy
from command_runner import CliRunner
from format_files import BY_NAME, MAKE_DOC, RECORDS, read_records
from spacy.tokens import Doc, DocBin
from tiny_records import read_lines, write_lines

from craftner_spacy.__main__ import app
from craftner_spacy.data.formats import write_file
from craftner_spacy.processing import seen_ids
from craftner_spacy.processing.convert import convert
from craftner_spacy.training.sentence_windows import SentenceWindows

SENTENCES = "Sox9 B-Gene\nin O\nmice B-Taxon\n\nNone O\n. O\n"


def read_docs(path: Path) -> list[Doc]:
    return list(DocBin(store_user_data=True).from_disk(path).get_docs(spacy.blank("en").vocab))


def ents(doc: Doc) -> list[tuple[str, str]]:
    return [(ent.text, ent.label_) for ent in doc.ents]


def test_an_annotated_file_becomes_one_of_another_format(tmp_path: Path) -> None:
    source, out = tmp_path / "in.bioc.json", tmp_path / "out.jsonl.gz"
    write_file(source, BY_NAME["bioc-json"], RECORDS, MAKE_DOC, compress=False)
    done = convert(source, out, progress=False)
    assert read_records(BY_NAME["jsonl"], out) == read_records(BY_NAME["bioc-json"], source)
    assert gzip.decompress(out.read_bytes()).count(b"\n") == done.records == len(RECORDS)
    assert done.entities == sum(done.labels.values()) == sum(len(r.entities) for r in RECORDS)
    assert done.labels["Protein"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.bioc.json", "out.jsonl.gz"]


def test_names_of_fields_are_kept_and_texts_left_out_where_asked(tmp_path: Path) -> None:
    row = {"pmid": 7, "abstract": "a mouse", "text": "other", "id": "x"}
    row["entities"] = [{"start": 2, "end": 7, "label": "Taxon"}]
    source = write_lines(tmp_path / "in.jsonl", [row])
    names: dict[str, Any] = {"text_field": "abstract", "id_field": "pmid"}
    convert(source, tmp_path / "a.jsonl", **names)
    convert(source, tmp_path / "b.jsonl", keep_names=True, **names)
    convert(source, tmp_path / "c.jsonl", keep_names=True, no_text=True, **names)
    convert(source, tmp_path / "d.csv", keep_names=True, fields=True, **names)
    plain, kept, without = (read_lines(tmp_path / f"{name}.jsonl")[0] for name in "abc")
    assert list(plain) == ["id", "text", "source_text", "source_id", "entities"]
    assert list(kept) == ["pmid", "abstract", "source_text", "source_id", "entities"]
    assert list(without) == ["pmid", "source_text", "source_id", "entities"]
    assert without["entities"][0]["text"] == "mouse"
    header, entity = csv.reader((tmp_path / "d.csv").read_text(encoding="utf8").splitlines())
    assert header == ["pmid", "start", "end", "label", "score", "text", "source_text", "source_id"]
    assert entity == ["7", "2", "7", "Taxon", "", "mouse", "other", "x"]


def test_bad_records_and_outputs_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"text": "a"}, {"title": "b"}, {"id": "in:1", "text": "c"}])
    out = tmp_path / "out.tsv"
    with pytest.raises(ValueError, match=r"in\.jsonl, record 2: field 'text' has to be"):
        convert(source, out)
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]
    done = convert(source, out, skip_errors=True)
    assert (done.records, done.skipped) == (1, 2)
    reasons = [row["reason"] for row in read_lines(tmp_path / "out.tsv.skipped.jsonl")]
    assert "its id 'in:1' is also that of" in reasons[1]
    with pytest.raises(FileExistsError):
        convert(source, out, skip_errors=True)
    assert convert(source, out, skip_errors=True, overwrite=True).records == 1
    for name in ("x.txt", "x.conll"):
        with pytest.raises(ValueError, match=rf"{name}: its suffix names no format.* Known are \.jsonl"):
            convert(source, tmp_path / name)
    with pytest.raises(
        ValueError, match=r"pubtator cannot do without the texts \(--no-text\); these can: jsonl"
    ):
        convert(source, tmp_path / "x.pubtator", no_text=True)


def test_files_of_all_kinds_become_the_same_training_data(tmp_path: Path) -> None:
    text = "Sox9 in mice\nNone ."
    spans = [{"start": 0, "end": 4, "label": "Gene"}, {"start": 8, "end": 12, "label": "Taxon"}]
    (tmp_path / "a.iob").write_text(SENTENCES, encoding="utf8")
    write_lines(tmp_path / "a.jsonl", [{"text": text, "spans": spans, "answer": "accept"}])
    (tmp_path / "a.txt").write_text(text, encoding="utf8")
    (tmp_path / "a.ann").write_text("T1\tGene 0 4\tSox9\nT2\tTaxon 8 12\tmice\n", encoding="utf8")
    (tmp_path / "a.pubtator").write_text(
        "1|t|Sox9 in mice\n1|a|None .\n1\t0\t4\tSox9\tGene\t-\n1\t8\t12\tmice\tTaxon\t-\n", encoding="utf8"
    )
    convert(tmp_path / "a.ann", tmp_path / "a.xml", output_format="bioc-xml")
    for name, fmt in [
        ("a.iob", None),
        ("a.jsonl", "prodigy"),
        ("a.ann", None),
        ("a.pubtator", None),
        ("a.xml", None),
    ]:
        done = convert(tmp_path / name, tmp_path / "a.spacy", input_format=fmt, overwrite=True)
        assert done.labels == {"Gene": 1, "Taxon": 1}, name
        (doc,) = read_docs(tmp_path / "a.spacy")
        assert doc.text == text
        assert ents(doc) == [("Sox9", "Gene"), ("mice", "Taxon")]
        assert doc.has_annotation("SENT_START")
        examples = list(SentenceWindows(tmp_path / "a.spacy")(spacy.blank("en")))
        assert ents(examples[0].reference) == [("Sox9", "Gene"), ("mice", "Taxon")]


def test_tokens_of_training_data_fit_the_entities_and_the_longest_of_two_is_used(tmp_path: Path) -> None:
    text = "SirT1ko mice were here. Then T cells came."
    spans = [(0, 5, "Gene"), (8, 12, "Taxon"), (29, 30, "Letter"), (29, 36, "Cell")]
    entities = [{"start": start, "end": end, "label": label} for start, end, label in spans]
    write_lines(tmp_path / "a.jsonl", [{"text": text, "entities": entities}])
    convert(tmp_path / "a.jsonl", tmp_path / "a.spacy")
    (doc,) = read_docs(tmp_path / "a.spacy")
    assert ents(doc) == [("SirT1", "Gene"), ("mice", "Taxon"), ("T cells", "Cell")]
    assert [sent.text for sent in doc.sents] == ["SirT1ko mice were here.", "Then T cells came."]
    assert len(doc.spans["craft_ner"]) == len(spans)
    assert doc.user_data["id"] == "a:1"


def test_the_command_says_what_it_has_read(tmp_path: Path) -> None:
    (tmp_path / "a.iob").write_text(SENTENCES, encoding="utf8")
    done = CliRunner().invoke(app, ["convert", str(tmp_path / "a.iob"), "-o", str(tmp_path / "a.spacy")])
    assert done.stdout == f"{tmp_path / 'a.spacy'}: 1 records, 2 entities (Gene 1, Taxon 1)\n"
    (tmp_path / "b.txt").write_text("no entity", encoding="utf8")
    done = CliRunner().invoke(app, ["convert", str(tmp_path / "b.txt"), "-o", str(tmp_path / "b.jsonl")])
    assert "0 entities (no label)" in done.stdout
    assert "No entity was read: does --input-format name the format (prodigy, brat)?" in done.stderr
    write_lines(tmp_path / "c.jsonl", [{"text": "x", "answer": "accept"}, {"text": "y", "answer": "ignore"}])
    arguments = [
        "convert",
        str(tmp_path / "c.jsonl"),
        "-o",
        str(tmp_path / "c.tsv"),
        "--input-format",
        "prodigy",
    ]
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 1
    assert "record 2: its answer is 'ignore': accepted tasks are read" in refused.stderr
    done = CliRunner().invoke(app, [*arguments, "--skip-errors"])
    assert "1 bad records were left out" in done.stderr
    assert json.loads((tmp_path / "c.tsv.skipped.jsonl").read_text())["record"] == 2


def test_the_command_names_the_files_of_a_folder_that_it_has_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write_lines(folder / "a.jsonl", [{"id": 1, "text": "a mouse", "entities": []}])
    (folder / "notes.md").touch()
    arguments = ["convert", str(folder), "-o", str(tmp_path / "out.csv"), "--input-format", "jsonl"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "files of folders that were left out: 1 other suffix (notes.md)" in done.stderr


def test_the_folder_of_the_output_is_made_and_nothing_is_left_by_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"id": 1, "text": "a mouse"}])
    out = tmp_path / "new" / "folder" / "out.csv"
    assert convert(source, out).records == 1
    with monkeypatch.context() as patch:
        patch.setattr(seen_ids, "SeenIds", no_space)
        with pytest.raises(OSError, match=r"ids cannot be stored in .*out.*\(database or disk is full\)"):
            convert(source, out, overwrite=True)
    assert list(out.parent.iterdir()) == [out]


def no_space(*_: object) -> None:
    raise sqlite3.OperationalError("database or disk is full")
