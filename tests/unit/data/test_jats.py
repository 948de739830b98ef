"""JATS XML. The article is made up; its elements are those of PMC's files."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest
from format_files import BY_NAME, read_bytes, read_record, read_records, reasons
from growth import growth

from craftner_spacy.data import limits
from craftner_spacy.data.formats import get_format
from craftner_spacy.data.records import Record

ARTICLE = """<?xml version="1.0"?>
<!DOCTYPE article PUBLIC "-//NLM//DTD JATS (Z39.96) Journal Archiving v1.3//EN" "http://127.0.0.1/j.dtd">
<article xmlns:mml="http://www.w3.org/1998/Math/MathML" article-type="research-article"><front>
<journal-meta><journal-title-group><journal-title>Journal of made-up mice</journal-title>
</journal-title-group>
</journal-meta><article-meta><article-id pub-id-type="pmid">101</article-id>
<article-id pub-id-type="pmc">9</article-id><article-id pub-id-type="doi">10.0000/mice.1</article-id>
<article-categories><subj-group><subject>Research</subject></subj-group></article-categories>
<title-group><article-title>Loss of <italic>Sox9</italic><xref ref-type="fn">*</xref></article-title>
</title-group>
<contrib-group><contrib contrib-type="author"><name><surname>Doe</surname><given-names>Jane</given-names>
</name>
</contrib></contrib-group><pub-date pub-type="epub"><year>2001</year></pub-date><volume>3</volume>
<permissions><license><license-p>CC BY</license-p></license></permissions>
<abstract><title>Summary</title><sec><title>Aim</title><p>We saw neurons.</p></sec></abstract>
<trans-abstract xml:lang="es"><p>No es.</p></trans-abstract>
<kwd-group><kwd>bone</kwd></kwd-group></article-meta></front>
<body><sec><label>1.</label><title>Results</title>
<p>Mice<sup><xref ref-type="bibr">12</xref>,<xref ref-type="bibr">13</xref></sup> lack it
[<xref ref-type="bibr">14</xref>]<inline-formula><alternatives><tex-math>\\pi</tex-math>
<mml:math><mml:mi>p</mml:mi></mml:math></alternatives></inline-formula>.
<fig><label>Figure 1</label><caption><title>Bones.</title><p>A femur.</p></caption><graphic href="x"/></fig>
They ran.</p>
<table-wrap><label>Table 1</label><caption><p>Genes.</p></caption><table>
<thead><tr><th>Gene</th><th>n</th></tr></thead>
<tbody><tr><td><p>Sox9</p><p>Pax6</p></td><td>2</td></tr></tbody></table></table-wrap>
<list><list-item><label>a</label><p>yeast</p></list-item></list></sec></body>
<back><ack><p>We thank mice.</p></ack><ref-list><ref><mixed-citation>Roe</mixed-citation></ref></ref-list>
</back>
<floats-group><fig><caption><p>A liver.</p></caption></fig></floats-group>
<sub-article><body><p>A review.</p></body></sub-article></article>"""
LINES = [
    ("title", None, "Loss of Sox9"),
    ("abstract_title", None, "Summary"),
    ("abstract_title", "Aim", "Aim"),
    ("abstract", "Aim", "We saw neurons."),
    ("section_title", "Results", "Results"),
    ("paragraph", "Results", "Mice 12,13 lack it [14] p."),
    ("caption", "Results", "Bones."),
    ("caption", "Results", "A femur."),
    ("paragraph", "Results", "They ran."),
    ("caption", "Results", "Genes."),
    ("table", "Results", "Gene\tn\nSox9 Pax6\t2"),
    ("paragraph", "Results", "yeast"),
    ("caption", None, "A liver."),
    ("paragraph", None, "We thank mice."),
]


def test_an_article_has_title_abstract_sections_captions_and_tables() -> None:
    record = read_record("jats", ARTICLE.encode())
    read = [
        (p.infons["type"], p.infons.get("section"), record.text[p.start : p.end]) for p in record.passages
    ]
    assert read == LINES
    assert record.text == "\n".join(text for *_, text in LINES)
    assert record.id == "PMC9"
    assert record.fields == {
        "article_type": "research-article",
        "pmcid": "PMC9",
        "pmid": "101",
        "doi": "10.0000/mice.1",
        "journal": "Journal of made-up mice",
        "year": "2001",
        "volume": "3",
        "license": "CC BY",
        "authors": ["Doe Jane"],
        "keywords": ["bone"],
        "subjects": ["Research"],
    }


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (
            '<article-id pub-id-type="pmcid">PMC8</article-id><article-id pub-id-type="pmc">9</article-id>',
            "PMC8",
        ),
        (
            '<article-id pub-id-type="doi">10.0/x</article-id><article-id pub-id-type="pmid">7</article-id>',
            "7",
        ),
        ("", "name"),
    ],
)
def test_the_id_is_that_of_pmc_else_another_else_the_files_name(ids: str, expected: str) -> None:
    article = f"<article><front><article-meta>{ids}</article-meta></front><body><p>x</p></body></article>"
    assert read_record("jats", article.encode()).id == expected


def test_a_set_of_articles_in_a_namespace_is_read() -> None:
    article = "<article><body><p>{}</p></body></article>"
    content = f'<pmc-articleset xmlns="n">{article.format("a")}{article.format("b")}</pmc-articleset>'
    texts = [record.text for record in read_bytes("jats", content.encode()) if isinstance(record, Record)]
    assert texts == ["a", "b"]


def test_a_broken_article_of_a_set_loses_only_itself() -> None:
    article = "<article><body><p>{}</p></body></article>"
    articles = "".join(map(article.format, ("a", "<b>b", "c")))
    first, second, third = reasons("jats", f"<pmc-articleset>{articles}</pmc-articleset>".encode())
    assert (first, third) == (None, None)
    assert str(second).startswith("not valid XML: Opening and ending tag mismatch")


def test_articles_in_answers_of_oai_are_read() -> None:
    record = "<record><header><identifier>x:1</identifier></header><metadata>{}</metadata></record>"
    articles = [f"<article><body><p>{text}</p></body></article>" for text in "ab"]
    content = f"<OAI-PMH><ListRecords>{''.join(map(record.format, articles))}</ListRecords></OAI-PMH>"
    assert reasons("jats", content.encode()) == [None, None]


def test_an_article_without_text_is_a_bad_record() -> None:
    assert reasons("jats", b"<article><front/></article>") == ["the article name has no text"]


def test_work_grows_as_the_article_does() -> None:
    def read(n: int) -> None:
        content = "<article><body><p>" + '<xref ref-type="fn"/>' * n + "x</p></body></article>"
        assert read_record("jats", content.encode()).text == "x"

    assert growth(read, 1_000, 8_000) < 24


def test_a_long_title_of_a_section_is_not_repeated_whole_in_each_passage() -> None:
    section = f"<sec><title>{'a' * 1000}</title>{'<p>x</p>' * 3}</sec>"
    record = read_record("jats", f"<article><body>{section}</body></article>".encode())
    assert record.text == "\n".join(["a" * 1000, "x", "x", "x"])
    assert [len(passage.infons["section"]) for passage in record.passages] == [500] * 4


def test_a_table_in_a_cell_is_text_of_that_cell_once() -> None:
    inner = "<table><tr><td>c</td><td>d</td></tr></table>"
    outer = f"<table><tr><td>a</td><td>b{inner}</td></tr><tr><td>e</td></tr></table>"
    assert read_record("jats", f"<article><body>{outer}</body></article>".encode()).text == "a\tb c d\ne"


def tar_of(files: dict[str, bytes], **other: object) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("link.xml")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return content.getvalue()


def test_articles_of_a_tar_file_are_read_and_its_other_files_are_not(tmp_path: Path) -> None:
    files = {
        "PMC000/PMC9.xml": ARTICLE.encode(),
        "PMC000/._PMC9.xml": b"\0",
        "PMC000/figure.jpg": b"\xff",
        "PMC000/a.nxml": b"<article><body><p>x</p></body></article>",
        "../b.xml": b"<article>",
    }
    path = tmp_path / "oa_comm_xml.PMC000xxxxxx.baseline.tar.gz"
    path.write_bytes(gzip.compress(tar_of(files)))
    fmt = get_format(path, None, "--x")
    assert fmt.name == "jats-tar"
    with pytest.raises(AssertionError, match=r"\.\./b\.xml: not valid XML"):
        read_records(fmt, path)
    del files["../b.xml"]
    path.write_bytes(gzip.compress(tar_of(files)))
    assert [record.id for record in read_records(fmt, path)] == ["PMC9", "a"]
    for name, content in (("a.tgz", path.read_bytes()), ("a.tar", tar_of(files))):
        (tmp_path / name).write_bytes(content)
        assert len(read_records(get_format(tmp_path / name, None, ""), tmp_path / name)) == 2


def test_a_damaged_tar_file_and_a_large_member_are_bad_records(monkeypatch: pytest.MonkeyPatch) -> None:
    content = tar_of({"a.xml": b"<article><body><p>x</p></body></article>"})
    assert reasons("jats-tar", b"no tar file") == [
        "not a valid tar file from here to the end: truncated header"
    ]
    assert reasons("jats-tar", content[:700])[-1] is not None
    monkeypatch.setattr(limits, "MAX_RECORD_BYTES", 10)
    assert reasons("jats-tar", content) == ["a.xml: larger than 10 bytes: no record may be"]
    assert BY_NAME["jats-tar"].write is None


def test_damage_in_a_tar_file_loses_only_what_is_there() -> None:
    article = "<article><body><p>{}</p></body></article>"
    files = {f"{name}.xml": article.format(name).encode() for name in "abcd"}
    content = bytearray(tar_of(files))
    at_end = "the tar file is damaged or cut off at its end: files may be lost"
    assert reasons("jats-tar", bytes(content)) == [None] * 4
    # The header of the second file, and of the last one and the link behind it; a file takes two blocks.
    second, last = content.copy(), content.copy()
    second[1024] ^= 1
    last[3072] ^= 1
    last[4096] ^= 1
    assert reasons("jats-tar", bytes(second)) == [
        None,
        "the tar file is damaged in front of c.xml: files may be lost",
        None,
        None,
    ]
    assert reasons("jats-tar", bytes(last)) == [None, None, None, at_end]
    assert reasons("jats-tar", bytes(content[: 4 * 1024])) == [None] * 4 + [at_end]
    assert reasons("jats-tar", bytes(content[: 4 * 1024 + 9])) == [None] * 4 + [at_end]
    # Archives that were put together.
    assert reasons("jats-tar", bytes(content + content)) == [None] * 8
