"""XML files divided into records."""

import pytest
from format_files import read_bytes, reasons

from craftner_spacy.data.records import Record


@pytest.mark.parametrize("prefix", ["", "b:"])
def test_namespaces_comments_and_several_collections_are_read(prefix: str) -> None:
    document = (
        "<{0}document><{0}id>{1}</{0}id><{0}passage><{0}offset>0</{0}offset><{0}text>&m;</{0}text></{0}passage>"
        "</{0}document>"
    )
    one, two = (document.format(prefix, number) for number in (1, 2))
    name = f"{prefix}collection"
    space = f' xmlns{":b" if prefix else ""}="http://bioc.org"'
    comment = "<!-- <document><id>3</id></document> --><?pi </document> ?>"
    head = '<?xml version="1.0" encoding="ISO-8859-1"?><!DOCTYPE collection [<!ENTITY m "m\xe4use">]>'
    inside = f"<{prefix}source>x</{prefix}source>{comment}{one}{comment}{two}"
    content = f"{head}<{name}{space}>{inside}</{name}>\n<{name}{space}><{prefix}key/>{one}</{name}>"
    records = read_bytes("bioc-xml", content.encode("latin-1"))
    assert [(r.id, r.text) for r in records if isinstance(r, Record)] == [(n, "m\xe4use") for n in "121"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("<article><front/></article>", "root element is <article>"),
        ('<?xml version="1.0"?><!-- x --><PubmedArticleSet><a/></PubmedArticleSet>', "is <PubmedArticleSet>"),
        ("<collection><doc/></collection>", "is <collection>"),
        ("<collection><source/>", "not valid XML"),
        ("what", "not valid XML"),
        ("<collection/>", None),
        ("<collection><source>x</source><date/><key/></collection>", None),
        ("", None),
    ],
)
def test_xml_without_documents_is_a_bad_record_unless_it_is_empty(content: str, reason: str | None) -> None:
    found = reasons("bioc-xml", content.encode())
    assert found == [] if reason is None else (len(found) == 1 and reason in str(found[0]))


def test_the_head_of_a_file_is_limited_but_for_its_notes() -> None:
    document = "<document><id>1</id></document></collection>"
    notes = "<source>x</source>" * 5000
    assert reasons("bioc-xml", f"<collection>{notes}{document}".encode()) == [None]
    (reason,) = reasons("bioc-xml", f"<!-- {'x' * 50_000} --><collection>{document}".encode())
    assert reason == "the file has more than 50,000 bytes before its first record"
