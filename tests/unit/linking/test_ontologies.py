"""Concepts of OBO, OWL and tables, and of files that are none."""

import gzip
import sys
import zipfile
from pathlib import Path

import pytest

from craftner_spacy.linking.builder import build
from craftner_spacy.linking.knowledge_base import KnowledgeBase
from craftner_spacy.linking.ontologies import MAX_LINE, read_ontology
from craftner_spacy.linking.schema import Concept

OBO = r"""format-version: 1.2
default-namespace: things
ontology: x

[Typedef]
id: part_of
name: part of

[Term]
id: X:1
name: first\, thing
synonym: "the \"first\" one" EXACT PLURAL [Y:1]
synonym: "front" BROAD []
synonym: "odd" []
alt_id: X:10
xref: Y:1 "elsewhere"
xref: Z:2
is_a: X:2 ! second
relationship: only_in_taxon T:1 ! mouse
relationship: part_of X:2

[Term]
id: X:2
name: second ! with a remark
namespace: others
is_a: X:1

[Term]
id: X:3
name: obsolete third
is_obsolete: true
replaced_by: X:4

[Term]
id: X:4
name: obsolete fourth
is_obsolete: true
replaced_by: X:1

[Term]
id: X:5
name: obsolete fifth
is_obsolete: true
replaced_by: X:6

[Term]
id: X:6
name: obsolete sixth
is_obsolete: true
replaced_by: X:5

[Term]
id: X:7
name: obsolete seventh
is_obsolete: true
replaced_by: X:1
replaced_by: X:2

[Term]
id: X:8

[Term]
id: W:1
name: from elsewhere

[Instance]
id: X:99
name: an instance
"""
OWL = """<?xml version="1.0"?>
<rdf:RDF xmlns="http://purl.obolibrary.org/obo/x.owl#"
  xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:owl="http://www.w3.org/2002/07/owl#"
  xmlns:rdfs="http://www.w3.org/2000/01/rdf-schema#" xmlns:obo="http://purl.obolibrary.org/obo/"
  xmlns:oboInOwl="http://www.geneontology.org/formats/oboInOwl#">
<owl:Ontology rdf:about="http://purl.obolibrary.org/obo/x.owl">{imports}</owl:Ontology>
<owl:Class rdf:about="http://purl.obolibrary.org/obo/X_1">
  <rdfs:label>first thing</rdfs:label>
  <oboInOwl:hasExactSynonym>number one</oboInOwl:hasExactSynonym>
  <oboInOwl:hasAlternativeId>X:10</oboInOwl:hasAlternativeId>
  <oboInOwl:hasDbXref>Y:1</oboInOwl:hasDbXref>
  <oboInOwl:hasOBONamespace>things</oboInOwl:hasOBONamespace>
</owl:Class>
<owl:Class rdf:about="http://purl.obolibrary.org/obo/X_2">
  <rdfs:label>obsolete second</rdfs:label>
  <owl:deprecated rdf:datatype="http://www.w3.org/2001/XMLSchema#boolean">true</owl:deprecated>
  <obo:IAO_0100001 rdf:resource="http://purl.obolibrary.org/obo/X_1"/>
</owl:Class>
<owl:Class rdf:about="http://purl.obolibrary.org/obo/X_3">
  <oboInOwl:hasOBONamespace>others</oboInOwl:hasOBONamespace>
</owl:Class>
</rdf:RDF>
"""


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_obo(tmp_path: Path) -> None:
    assert list(read_ontology(write(tmp_path / "x.obo", OBO))) == [
        Concept(
            "X:1",
            "first, thing",
            (('the "first" one', "exact"), ("front", "broad"), ("odd", "related")),
            (("X:10", "alternative"), ("Y:1", "xref"), ("Z:2", "xref")),
            "T:1",
        ),
        Concept("X:2", "second"),
        Concept("W:1", "from elsewhere"),
        Concept("X:1", "", other_ids=(("X:3", "replaced"),)),
        Concept("X:1", "", other_ids=(("X:4", "replaced"),)),
    ]


def test_replacements_lead_to_the_last_one_and_cycles_to_none(tmp_path: Path) -> None:
    path = write(tmp_path / "x.obo", OBO)
    build(tmp_path / "kb", (("A", concept) for concept in read_ontology(path)))
    kb = KnowledgeBase(tmp_path / "kb")
    assert kb.concepts("X:3") == [("A", "X:1", "first, thing", "replaced")]
    assert kb.concepts("X:5") == kb.concepts("X:6") == kb.concepts("X:7") == []


def test_prefix_and_namespace(tmp_path: Path) -> None:
    path = write(tmp_path / "x.obo", OBO)
    assert [c.id for c in read_ontology(path, prefix="W")] == ["W:1", "X:1", "X:1"]
    assert [c.id for c in read_ontology(path, namespace="others")] == ["X:2"]
    assert [c.id for c in read_ontology(path, namespace="things", prefix="X")][:1] == ["X:1"]
    with pytest.raises(ValueError, match=r"x.obo', prefix = 'V', namespace = 'others': there is no concept"):
        list(read_ontology(path, prefix="V", namespace="others"))


def test_packed_files(tmp_path: Path) -> None:
    plain = list(read_ontology(write(tmp_path / "x.obo", OBO)))
    write(tmp_path / "x.obo.gz", gzip.compress(OBO.encode()))
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("folder/x.OBO", OBO)
        archive.writestr("readme.txt", "")
    assert list(read_ontology(tmp_path / "x.obo.gz")) == plain
    assert list(read_ontology(tmp_path / "x.zip")) == plain


def test_windows_line_ends_and_a_byte_order_mark(tmp_path: Path) -> None:
    text = "\ufeff" + OBO.replace("\n", "\r\n")
    assert next(iter(read_ontology(write(tmp_path / "x.obo", text)))).name == "first, thing"


def test_owl(tmp_path: Path) -> None:
    pytest.importorskip("pronto")
    path = write(tmp_path / "x.owl", OWL.format(imports=""))
    first = Concept(
        "X:1", "first thing", (("number one", "exact"),), (("X:10", "alternative"), ("Y:1", "xref"))
    )
    assert list(read_ontology(path)) == [first, Concept("X:1", "", other_ids=(("X:2", "replaced"),))]
    assert next(iter(read_ontology(path, namespace="things"))) == first
    with pytest.raises(ValueError, match="there is no concept"):
        list(read_ontology(path, namespace="others"))


def test_owl_fetches_no_imports(tmp_path: Path, no_network: list[object]) -> None:
    pytest.importorskip("pronto")
    imports = '<owl:imports rdf:resource="http://example.org/other.owl"/>'
    path = write(tmp_path / "x.owl", OWL.format(imports=imports))
    assert next(iter(read_ontology(path))).id == "X:1"
    assert no_network == []


def owl_with(*classes: str) -> str:
    """The ontology with more classes."""
    return OWL.format(imports="").replace("</rdf:RDF>", "\n".join([*classes, "</rdf:RDF>"]))


def owl_class(number: int, *content: str) -> str:
    about = f'rdf:about="http://purl.obolibrary.org/obo/X_{number}"'
    return f"<owl:Class {about}><rdfs:label>thing {number}</rdfs:label>{''.join(content)}</owl:Class>"


def test_owl_with_cycles(tmp_path: Path) -> None:
    pytest.importorskip("pronto")
    parent = '<rdfs:subClassOf rdf:resource="http://purl.obolibrary.org/obo/X_{}"/>'
    old = "<owl:deprecated>true</owl:deprecated>"
    new = '<obo:IAO_0100001 rdf:resource="http://purl.obolibrary.org/obo/X_{}"/>'
    text = owl_with(
        owl_class(11, parent.format(12)),
        owl_class(12, parent.format(11)),
        owl_class(13, old, new.format(14)),
        owl_class(14, old, new.format(13)),
    )
    concepts = list(read_ontology(write(tmp_path / "x.owl", text)))
    assert [c.name for c in concepts if c.name] == ["first thing", "thing 11", "thing 12"]
    assert [c.other_ids for c in concepts if not c.name] == [(("X:2", "replaced"),)]


def test_duplicate_ids_are_one_concept_and_counted(tmp_path: Path) -> None:
    pytest.importorskip("pronto")
    obo = write(tmp_path / "x.obo", OBO + "\n[Term]\nid: X:1\nname: thing 1\n")
    owl = write(tmp_path / "x.owl", owl_with(owl_class(1)))
    for path, n_duplicates in ((obo, 1), (owl, 0)):
        kb = tmp_path / f"{path.suffix}.sqlite"
        counts = build(kb, (("A", concept) for concept in read_ontology(path)))
        # pronto has made them one.
        assert counts["duplicate ids"] == n_duplicates
        assert len(KnowledgeBase(kb).concepts("X:1")) == 1


def test_obo_fetches_no_imports(tmp_path: Path, no_network: list[object]) -> None:
    text = OBO.replace("ontology: x", "ontology: x\nimport: http://example.org/other.obo")
    assert next(iter(read_ontology(write(tmp_path / "x.obo", text)))).id == "X:1"
    assert no_network == []


@pytest.mark.parametrize(
    "declarations",
    [
        '<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/hostname">]>',
        "<!DOCTYPE r [" + '<!ENTITY a0 "aaaaaaaaaa">'
        + "".join(f'<!ENTITY a{i + 1} "{f"&a{i};" * 10}">' for i in range(9)) + '<!ENTITY a "&a9;">]>',
    ],
)  # fmt: skip
def test_owl_with_hostile_entities(declarations: str, tmp_path: Path) -> None:
    pytest.importorskip("pronto")
    text = OWL.format(imports="").replace('<?xml version="1.0"?>', declarations).replace("first", "&a;")
    with pytest.raises(ValueError, match=r"x.owl' is damaged"):
        list(read_ontology(write(tmp_path / "x.owl", text)))


def test_table(tmp_path: Path) -> None:
    table = "taxon\tname\tid\tmore\nT:1\tone\tX:1\t-\n\tuno\tX:1\t-\n\n\ttwo\tX:2\t-\n"
    assert list(read_ontology(write(tmp_path / "x.tsv", table))) == [
        Concept("X:1", "one", (("uno", "exact"),), (), "T:1"),
        Concept("X:2", "two"),
    ]
    table = "id\tname\tscope\nX:1\tuno\tbroad\nX:1\tone\tname\n"
    assert list(read_ontology(write(tmp_path / "x.tsv", table))) == [
        Concept("X:1", "one", (("uno", "broad"),))
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.obo", b"", "there is no concept with a name"),
        ("x.obo", b"\xff\xfe[Term]\nid: X:1\n", r"is damaged \(UnicodeDecodeError"),
        ("x.obo", "[Term]\nname: nameless\n", r"is damaged \(ValueError: a \[Term\] without id"),
        (
            "x.obo",
            "[Term]\nid: X:1\nname: a\nsynonym: torn\n",
            "a synonym of X:1 that is no quoted text: 'torn'",
        ),
        ("x.obo", "<html>not an ontology</html>", "there is no concept with a name"),
        ("x.obo.gz", b"no gzip", r"is damaged \(BadGzipFile"),
        ("x.obo.gz", gzip.compress(OBO.encode())[:-20], r"is damaged \(EOFError"),
        ("x.zip", b"no zip", r"is damaged \(BadZipFile"),
        ("x.tsv", "id\tnom\n", r"lacks the column name"),
        ("x.tsv", "", r"lacks the column id, name"),
        ("x.tsv", "id\tname\nX:1\n", r"line 2 has 1 columns; has to have 2"),
        ("x.tsv", "id\tname\tscope\nX:1\ta\tEXACT\n", r"scope = 'EXACT' of X:1: allowed are name, exact"),
        ("x.txt", "", r"allowed are files that end with .obo, .owl, .tsv, with .gz"),
    ],
)
def test_what_is_no_ontology(name: str, content: str | bytes, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(ValueError, match=f"ontology = .*{message}"):
        list(read_ontology(path))


@pytest.mark.parametrize("content", ["<html>", "", "<?xml version='1.0'?><rdf/>"])
def test_what_is_no_owl(content: str, tmp_path: Path) -> None:
    pytest.importorskip("pronto")
    with pytest.raises(ValueError, match=r"x.owl' is damaged"):
        list(read_ontology(write(tmp_path / "x.owl", content)))


def test_a_table_has_no_namespace(tmp_path: Path) -> None:
    path = write(tmp_path / "x.tsv", "id\tname\nX:1\ta\n")
    with pytest.raises(ValueError, match="namespace = 'a': a table has none"):
        list(read_ontology(path, namespace="a"))


@pytest.mark.parametrize("names", [[], ["a.obo", "b.obo"], ["a.txt"]])
def test_a_zip_has_one_ontology(names: list[str], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in names:
            archive.writestr(name, OBO)
    with pytest.raises(ValueError, match=r"is damaged .*has to be one"):
        list(read_ontology(tmp_path / "x.zip"))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        list(read_ontology(tmp_path / "x.obo"))


@pytest.mark.parametrize(("name", "module"), [("x.obo", "obonet.read"), ("x.owl", "pronto")])
def test_a_missing_extra_is_named(
    name: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"pip install '\.\[ontologies\]'"):
        list(read_ontology(write(tmp_path / name, OBO)))


def test_a_line_of_any_length_is_passed_over(tmp_path: Path) -> None:
    long = f'synonym: "{"a { ! " * MAX_LINE}" EXACT []\n'
    text = f'[Term]\nid: X:1\nname: a\n{long}def: "{"b" * 1_000_000}" []\n'
    assert list(read_ontology(write(tmp_path / "x.obo", text))) == [Concept("X:1", "a")]
