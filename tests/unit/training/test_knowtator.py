"""CRAFT's concept annotations, here of a sentence of our own."""

from pathlib import Path

import pytest

from craftner_spacy.training.knowtator import (
    LABEL_OF_ONTOLOGY,
    ConceptAnnotation,
    read_concept_annotations,
)

TEXT = "Basal and stem cells."
XML = """<?xml version="1.0" encoding="UTF-8"?>
<annotations textSource="7.txt">
  <annotation><mention id="i2"/><span start="10" end="20"/><spannedText>stem cells</spannedText></annotation>
  <annotation><mention id="i1"/><span start="0" end="5"/><span start="15" end="20"/></annotation>
  <classMention id="i1"><mentionClass id="X:1">basal cell</mentionClass></classMention>
  <classMention id="i2"><mentionClass id="X:2">stem cell</mentionClass></classMention>
  <classMention id="i3"><hasSlotMention id="s"/></classMention>
</annotations>
"""
NONE = '<annotations textSource="7.txt"/>'


def folder_of(tmp_path: Path, content: str) -> Path:
    for ontology in LABEL_OF_ONTOLOGY:
        folder = tmp_path / ontology / ontology / "knowtator"
        folder.mkdir(parents=True)
        (folder / "7.txt.knowtator.xml").write_text(content if ontology == "CL" else NONE)
    return tmp_path


def test_annotations_in_order(tmp_path: Path) -> None:
    basal, stem = read_concept_annotations(folder_of(tmp_path, XML), "7", TEXT)
    assert basal == ConceptAnnotation("Cell", ((0, 5), (15, 20)), "X:1", "basal cell")
    assert (basal.text(TEXT), stem.text(TEXT)) == ("Basal cells", "stem cells")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is no valid XML"),
        (XML[:-20], "is no valid XML"),
        ("<html/>", "has to be <annotations> of Knowtator"),
        ('<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/hostname">]>' + NONE, "without a document type"),
        (XML.replace('mention id="i1"', 'mention id="i9"'), "has no concept"),
        (XML.replace('mention id="i1"', 'mention id="i3"'), "has no concept"),
        (XML.replace('end="20"', 'end="99"'), "are not in the article's text"),
        (XML.replace('<span start="10" end="20"/>', ""), "are not in the article's text"),
    ],
)
def test_what_is_no_annotation(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        list(read_concept_annotations(folder_of(tmp_path, content), "7", TEXT))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no file"):
        list(read_concept_annotations(tmp_path, "7", TEXT))
