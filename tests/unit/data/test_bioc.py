"""BioC: offsets are the file's own, files are valid, and what is broken is a bad record."""

import json
from pathlib import Path
from typing import Any

import bioc
import pytest
from bioc import biocjson, biocxml
from format_files import BY_NAME, RECORDS, read_bytes, read_record, read_records, reasons, write_records

from craftner_spacy.data.records import Passage, Record
from craftner_spacy.types import Entity

BIOC = """<?xml version="1.0"?><!DOCTYPE collection SYSTEM "BioC.dtd">
<collection><source>x</source><date/><key/>
<document><id>1</id><infon key="type">paper</infon>
<passage><infon key="type">title</infon><offset>5</offset><text>A <!-- no --> mouse</text>
<annotation id="T1"><infon key="type">Species</infon><location offset="8" length="5"/><text>mouse</text>
</annotation>
</passage>
<passage><offset>20</offset>
<sentence><offset>20</offset><text>One.</text></sentence><sentence><offset>26</offset><text>Two.</text></sentence>
</passage></document></collection>"""


@pytest.mark.parametrize("name", ["bioc-xml", "bioc-json"])
def test_written_files_are_valid(name: str, tmp_path: Path) -> None:
    across = Record(
        "3", "one two\n\nthree", {}, (Passage(0, 7, {}), Passage(9, 14, {})), (Entity(4, 14, "X", 0.1),)
    )
    path = write_records(BY_NAME[name], [*RECORDS, across], tmp_path)
    load = biocxml.load if name == "bioc-xml" else biocjson.load
    with path.open(encoding="utf8") as file:
        collection = load(file)
    bioc.validate(collection)
    assert [len(document.passages) for document in collection.documents] == [2, 1, 2]
    assert read_records(BY_NAME[name], path)[2] == across


def test_offsets_are_the_files_own() -> None:
    record = read_record("bioc-xml", BIOC.encode())
    assert record.text == "\n" * 5 + "A  mouse" + "\n" * 7 + "One.  Two."
    assert record.passages == (Passage(5, 13, {"type": "title"}), Passage(20, 30, {}))
    assert record.fields == {"type": "paper"}
    assert record.entities == (Entity(8, 13, "Species", None),)


def test_json_of_web_services_is_read() -> None:
    passage = {
        "offset": 0,
        "infons": {},
        "text": "A mouse",
        "sentences": [],
        "annotations": [],
        "relations": [],
    }
    document = {"id": "1", "infons": {}, "annotations": [], "relations": [], "passages": [passage]}
    collection = {"source": "PMC", "date": "", "key": "", "infons": {}, "documents": [document]}
    contents: list[Any] = [collection, [collection], {"PubTator3": [document]}]
    for content in contents:
        record = read_record("bioc-json", json.dumps(content).encode())
        assert (record.id, record.text) == ("1", "A mouse")


def test_a_wrong_document_is_a_bad_record_and_the_next_is_read() -> None:
    content = BIOC.replace("<offset>20</offset>\n", "<offset>7</offset>\n", 1).replace(
        "</collection>", "<document><id>2</id></document></collection>"
    )
    assert reasons("bioc-xml", content.encode()) == [
        "a passage begins at 7, and the one before it ends at 13",
        None,
    ]
    assert reasons("bioc-json", b'{"documents": [{"id": "1"}]}') == [
        "not a BioC document: no 'passages' in {'id': '1'}"
    ]
    far = BIOC.replace("<offset>5<", "<offset>5000000000<")
    assert reasons("bioc-xml", far.encode()) == [
        "a passage begins at 5000000000, and the one before it ends at 0"
    ]


def test_a_broken_file_ends_with_a_bad_record() -> None:
    (good, cut) = reasons("bioc-xml", BIOC.replace("</collection>", "<document>").encode())
    assert good is None
    assert cut is not None
    assert cut.startswith("not valid XML from here")
    assert "not valid JSON from here" in str(reasons("bioc-json", b'{"documents": [')[-1])


def test_xml_does_not_read_other_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("SECRET", encoding="utf8")
    entities = f'<!ENTITY x SYSTEM "file://{tmp_path}/secret"><!ENTITY m "mice">'
    passage = "<passage><offset>0</offset><text>&m; {}</text></passage>"
    document = f"<document><id>1</id>{passage}</document>"
    content = f"<!DOCTYPE collection [{entities}]><collection>{document}</collection>"
    assert read_record("bioc-xml", content.format("").encode()).text == "mice "
    assert not any(
        isinstance(record, Record) and "SECRET" in record.text
        for record in read_bytes("bioc-xml", content.format("&x;").encode())
    )


def test_a_character_that_xml_cannot_hold_is_replaced_in_its_place(tmp_path: Path) -> None:
    record = Record("1", "a\x00\x0cmouse", {"k\x01": "v\x02"}, (), (Entity(3, 8, "Taxon", 0.5),))
    xml = BY_NAME["bioc-xml"]
    (read,) = read_records(xml, write_records(xml, [record], tmp_path))
    assert read.text == "a\ufffd\ufffdmouse"
    assert read.entities == record.entities
    assert read.fields == {"k\ufffd": "v\ufffd"}
