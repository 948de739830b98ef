"""BioC: offsets are the file's own, files are valid, and what is broken is a bad record."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import bioc
import pytest
from bioc import biocjson, biocxml
from format_files import (
    BY_NAME,
    MAKE_DOC,
    RECORDS,
    read_bytes,
    read_record,
    read_records,
    reasons,
    write_records,
)
from growth import growth

from craftner_spacy.data.records import BadRecord, Passage, Record
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


def test_work_grows_as_the_record_does() -> None:
    def write(n: int) -> None:
        passages = tuple(Passage(2 * k, 2 * k + 1, {}) for k in range(n))
        entities = tuple(Entity(2 * k, 2 * k + 1, "X") for k in range(n))
        BY_NAME["bioc-json"].write(BytesIO(), [Record("1", "a " * n, {}, passages, entities)], MAKE_DOC)

    assert growth(write, 500, 4_000) < 24


def test_white_space_is_looked_at_once() -> None:
    def read(n: int) -> None:
        content = f"<collection><document>{' ' * 100 * n}{'<infon/>' * n}</document></collection>"
        assert reasons("bioc-xml", content.encode()) == [None]

    assert growth(read, 500, 4_000, repeats=1) < 24


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


def test_members_that_bioc_lacks_are_infons() -> None:
    passage = {"offset": 0, "text": "A mouse", "kind": "title"}
    document = {"_id": "7", "passages": [passage], "authors": ["A B"], "infons": {"year": 2020}, "date": None}
    record = read_record("bioc-json", json.dumps(document).encode())
    assert record.fields == {"_id": "7", "authors": '["A B"]', "year": "2020"}
    assert record.passages[0].infons == {"kind": "title"}


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


def in_passage(content: str, head: str = "") -> bytes:
    """A collection of a document with this passage, and of a good one."""
    good = "<document><id>2</id><passage><offset>0</offset><text>good</text></passage></document>"
    bad = f"<document><id>1</id><passage><offset>0</offset>{content}</passage></document>"
    return f"{head}<collection><source/>{bad}{good}</collection>".encode()


def test_markup_in_a_text_is_left_out_but_not_its_text() -> None:
    first, _ = read_bytes(
        "bioc-xml", in_passage("<text>Loss of <i>Sox<b>9</b></i> in <![CDATA[<mice>]]></text>")
    )
    assert isinstance(first, Record)
    assert first.text == "Loss of Sox9 in <mice>"


def test_entities_of_html_are_text() -> None:
    # As in a file with a DTD, which is not loaded; without one, XML has no such entities.
    head = '<!DOCTYPE collection SYSTEM "BioC.dtd">'
    first, _ = read_bytes("bioc-xml", in_passage("<text>A&nbsp;mouse</text>", head))
    assert isinstance(first, Record)
    assert first.text == "A\xa0mouse"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("<text>A&nosuch;mouse</text>", "the entity &nosuch; is neither one of HTML nor declared"),
        ("<text>One</text><text>Two</text>", "two elements <text>"),
        ("One <text>Two</text>", "text beside the elements"),
        ("<text>One</text> Two", "text beside the elements"),
        ("<paragraph>One</paragraph>", "<paragraph> in it is unknown"),
        ("<a>" * 300 + "</a>" * 300, "not valid XML"),
        ("<a>" * 3000 + "</a>" * 3000, "not valid XML"),
        (f"<text>{'a' * 10_000_001}</text>", "not valid XML"),
        ("<text>a & b</text>", "not valid XML"),
        ("<text>a</b></text>", "not valid XML"),
        ("<text>\x01</text>", "not valid XML"),
        ("<document><text>3</b></document>", "<document> begins before the end of the <document> before it"),
        ("<a/>" * 1_000_001, "more than 1,000,000 values"),
        ("<text>a</text>" + " " * 16_000_000, "larger than 16,000,000 bytes"),
        ("<sentence><offset>200000000</offset><text>a</text></sentence>", "a sentence begins at 200000000"),
        ("<offset>x</offset>", "two elements <offset>"),
        ("<annotation/><relation><node/></relation>", None),
        ("<text>a</text><annotation id='1'><text>a</text></annotation>", None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_bad_document_loses_only_itself(content: str, reason: str | None) -> None:
    head = '<!DOCTYPE collection SYSTEM "BioC.dtd">'
    # What `annotate` does not carry over is not looked at.
    first, *others = read_bytes("bioc-xml", in_passage(content, head), entities=False)
    if reason is None:
        assert isinstance(first, Record)
    else:
        assert isinstance(first, BadRecord), first
        assert reason in first.reason
    # The rest of a document that ends too early is one more bad record, if it is not white space.
    assert [record.text for record in others if isinstance(record, Record)] == ["good"]


def test_many_gaps_are_refused_before_the_text_is_made() -> None:
    offsets = [number * 1_000_000 for number in range(8000)]
    passages = "".join(f"<passage><offset>{at}</offset><text>a</text></passage>" for at in offsets)
    content = f"<collection><document><id>1</id>{passages}</document></collection>"
    assert reasons("bioc-xml", content.encode()) == [
        "a passage begins at 2000000, and the one before it ends at 1000001"
    ]
    rows = [{"offset": at, "text": "a"} for at in offsets]
    assert "begins at 2000000" in str(
        reasons("bioc-json", json.dumps({"id": "1", "passages": rows}).encode())
    )


def test_content_between_documents_and_a_file_that_is_cut_off_are_bad_records() -> None:
    content = in_passage("<text>a</text>").decode()
    between = content.replace("</document><document>", "</document><doc>lost</doc><document>")
    assert reasons("bioc-xml", between.encode()) == [
        None,
        "not in a record, which are <document>: '<doc>lost</doc>'",
        None,
    ]
    assert "may be cut off" in str(reasons("bioc-xml", content.replace("</collection>", "").encode())[-1])


@pytest.mark.parametrize(
    ("passage", "reason"),
    [
        ({"offset": "0", "text": "a"}, None),
        ({"offset": 0.0, "text": "a", "infons": None}, None),
        ({"offset": 0, "text": None, "sentences": None}, None),
        ({"offset": 0, "infons": {}}, None),
        ({"offset": 0, "tekst": "a", "sentences": []}, "the passage at 0 has no text and no sentences, but"),
        ({"offset": None, "text": "a"}, "offset has to be a whole number, not None"),
        ({"offset": True, "text": "a"}, "offset has to be a whole number, not True"),
        ({"offset": 0.5, "text": "a"}, "offset has to be a whole number, not 0.5"),
        ({"offset": 0, "text": 5}, "a text has to be a string, not 5"),
        ({"offset": 0, "text": "a", "infons": [1]}, "infons have to be an object"),
        ("a", "AttributeError"),
    ],
)
def test_values_of_other_types_in_json_are_read_or_make_a_bad_record(
    passage: Any, reason: str | None
) -> None:
    content = json.dumps({"documents": [{"id": 7, "infons": None, "passages": [passage]}]})
    [found] = reasons("bioc-json", content.encode())
    assert found is None if reason is None else reason in str(found)


def test_names_that_xml_makes_equal_are_both_kept(tmp_path: Path) -> None:
    xml = BY_NAME["bioc-xml"]
    record = Record("1", "a", {"\x00": "x", "\x01": "y"})
    (read,) = read_records(xml, write_records(xml, [record], tmp_path))
    assert read.fields == {"\ufffd": "x", "\ufffd_2": "y"}
