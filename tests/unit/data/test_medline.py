"""MEDLINE and PubMed XML. The citations are made up; their elements are those of the real files."""

from pathlib import Path

import pytest
from format_files import read_bytes, read_record, reasons

from craftner_spacy.data import limits
from craftner_spacy.data.records import BadRecord, Passage, Record

HEAD = (
    '<?xml version="1.0" encoding="utf-8"?>\n'
    '<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 1st January 2025//EN" "http://127.0.0.1/p.dtd">\n'
)
CITATION = """<PubmedArticle>
  <MedlineCitation Status="MEDLINE" Owner="NLM">
    <PMID Version="1">101</PMID>
    <Article PubModel="Print">
      <Journal>
        <ISSN IssnType="Print">0000-0001</ISSN>
        <JournalIssue CitedMedium="Print">
          <Volume>3</Volume><Issue>2</Issue>
          <PubDate><Year>2001</Year><Month>Feb</Month></PubDate>
        </JournalIssue>
        <Title>Journal of made-up mice</Title>
        <ISOAbbreviation>J Mice</ISOAbbreviation>
      </Journal>
      <ArticleTitle>Loss of <i>Sox9</i> in 10<sup>8</sup>
        cells &lt;of mice&gt;.</ArticleTitle>
      <Pagination><MedlinePgn>11-2</MedlinePgn></Pagination>
      <ELocationID EIdType="doi" ValidYN="Y">10.0000/mice.1</ELocationID>
      <Abstract>
        <AbstractText Label="BACKGROUND" NlmCategory="OBJECTIVE">IL-1&#x3b2; is <b>absent</b>.</AbstractText>
        <AbstractText Label="METHODS"/>
        <AbstractText Label="RESULTS" NlmCategory="RESULTS">&#x1d6fc;-tubulin stays.</AbstractText>
        <CopyrightInformation>None.</CopyrightInformation>
      </Abstract>
      <AuthorList CompleteYN="Y">
        <Author ValidYN="Y"><LastName>Doe</LastName><ForeName>Jane</ForeName><Initials>J</Initials></Author>
        <Author ValidYN="Y"><CollectiveName>The Mouse Group</CollectiveName></Author>
      </AuthorList>
      <Language>eng</Language>
      <PublicationTypeList><PublicationType UI="D0">Journal Article</PublicationType></PublicationTypeList>
    </Article>
    <ChemicalList><Chemical><RegistryNumber>0</RegistryNumber><NameOfSubstance UI="D1">Water</NameOfSubstance>
    </Chemical></ChemicalList>
    <CommentsCorrectionsList><CommentsCorrections><PMID Version="1">5</PMID></CommentsCorrections>
    </CommentsCorrectionsList>
    <MeshHeadingList><MeshHeading><DescriptorName UI="D2" MajorTopicYN="N">Mice</DescriptorName></MeshHeading>
    </MeshHeadingList>
    <OtherAbstract Type="Publisher" Language="spa"><AbstractText>No es.</AbstractText></OtherAbstract>
    <KeywordList Owner="NOTNLM"><Keyword MajorTopicYN="N">bone</Keyword></KeywordList>
  </MedlineCitation>
  <PubmedData>
    <ArticleIdList><ArticleId IdType="pubmed">101</ArticleId><ArticleId IdType="pmc">PMC9</ArticleId>
</ArticleIdList>
    <ReferenceList><Reference><ArticleIdList><ArticleId IdType="doi">10.0/other</ArticleId></ArticleIdList>
    </Reference></ReferenceList>
  </PubmedData>
</PubmedArticle>"""
BARE = (
    "<PubmedArticle><MedlineCitation><PMID>{id}</PMID><Article>{article}</Article></MedlineCitation>"
    "</PubmedArticle>"
)


def article_set(*citations: str, head: str = HEAD) -> bytes:
    return f"{head}<PubmedArticleSet>{''.join(citations)}</PubmedArticleSet>".encode()


def test_a_citation_is_title_and_abstract_with_all_that_is_said_of_it() -> None:
    record = read_record("medline", article_set(CITATION))
    assert record.id == "101"
    lines = ["Loss of Sox9 in 108 cells <of mice>.", "IL-1β is absent.", "𝛼-tubulin stays."]
    assert record.text == "\n".join(lines)
    assert record.passages == (
        Passage(0, 36, {"type": "title"}),
        Passage(37, 53, {"type": "abstract", "label": "BACKGROUND", "category": "OBJECTIVE"}),
        Passage(54, 70, {"type": "abstract", "label": "RESULTS", "category": "RESULTS"}),
    )
    assert [record.text[p.start : p.end] for p in record.passages] == lines
    assert record.fields == {
        "journal": "Journal of made-up mice",
        "journal_abbreviation": "J Mice",
        "published": "2001 Feb",
        "volume": "3",
        "issue": "2",
        "pages": "11-2",
        "doi": "10.0000/mice.1",
        "pmcid": "PMC9",
        "language": ["eng"],
        "authors": ["Doe J", "The Mouse Group"],
        "publication_types": ["Journal Article"],
        "keywords": ["bone"],
        "mesh": ["Mice"],
        "chemicals": ["Water"],
    }


def test_a_title_alone_is_a_text_and_a_citation_without_text_is_a_bad_record() -> None:
    titled = BARE.format(id="1", article="<ArticleTitle>Mice.</ArticleTitle>")
    empty = BARE.format(id="2", article="<ArticleTitle/>")
    assert reasons("medline", article_set(titled, empty)) == [
        None,
        "the citation 2 has neither a title nor an abstract",
    ]


def test_books_and_files_of_before_2017_are_read() -> None:
    book = (
        "<PubmedBookArticle><BookDocument><PMID>7</PMID><Book><BookTitle>A book</BookTitle></Book><Abstract>"
        "<AbstractText>On mice.</AbstractText></Abstract></BookDocument></PubmedBookArticle>"
    )
    assert read_record("medline", article_set(book)).text == "A book\nOn mice."
    chapter = book.replace("</Book>", "</Book><ArticleTitle>Bones</ArticleTitle>")
    record = read_record("medline", article_set(chapter))
    assert (record.text, record.fields) == ("Bones\nOn mice.", {"book": "A book"})
    old = "<MedlineCitationSet><MedlineCitation><PMID>8</PMID><Article><ArticleTitle>Old.</ArticleTitle>"
    record = read_record("medline", f"{old}</Article></MedlineCitation></MedlineCitationSet>".encode())
    assert (record.id, record.text) == ("8", "Old.")


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        # An element of the second citation is not closed, closed twice, or no XML.
        (("<ArticleTitle>Two", "<ArticleTitle><i>Two"), ["One.", "not valid XML", "Three."]),
        (("Two.", "Two.</i>"), ["One.", "not valid XML", "Three."]),
        (("Two.", "1 < 2 & 3"), ["One.", "not valid XML", "Three."]),
        (("Two.", "\x01"), ["One.", "not valid XML", "Three."]),
        # Its own end is missing; its own beginning; both are part of another word.
        (
            ("Two.</ArticleTitle></Article></MedlineCitation></PubmedArticle>", "Two."),
            ["One.", "not", "Three."],
        ),
        (("<PubmedArticle><MedlineCitation><PMID>2", "<PMID>2"), ["One.", "not in a record", "Three."]),
        (
            ("<PubmedArticle><MedlineCitation><PMID>2", "<MedlineCitation><PMID>2"),
            ["One.", "Two.", "not", "Three."],
        ),
        (("Two.", "<PubmedArticle>"), ["One.", "not valid XML", "not valid XML", "Three."]),
        # A comment that does not end takes all that follows, as XML has it.
        (("Two.", "<!-- Two."), ["One.", "not valid XML from here to the end of the file"]),
        (("Two.", "<!-- Two. -->Three?"), ["One.", "Three?", "Three."]),
        (("Two.", "<![CDATA[</PubmedArticle>]]>"), ["One.", "</PubmedArticle>", "Three."]),
    ],
)
def test_a_broken_citation_loses_only_itself(broken: tuple[str, str], expected: list[str]) -> None:
    citations = [
        BARE.format(id=number, article=f"<ArticleTitle>{title}</ArticleTitle>")
        for number, title in enumerate(("One.", "Two.", "Three."), start=1)
    ]
    content = article_set(*citations).replace(broken[0].encode(), broken[1].encode(), 1)
    read = [r.reason if isinstance(r, BadRecord) else r.text for r in read_bytes("medline", content)]
    assert [found[: len(start)] for found, start in zip(read, expected, strict=True)] == expected


def test_lists_of_deleted_citations_are_no_records_and_other_content_is_a_bad_one() -> None:
    good = BARE.format(id="1", article="<ArticleTitle>Mice.</ArticleTitle>")
    deleted = "<DeleteCitation><PMID>5</PMID><PMID>6</PMID></DeleteCitation><DeleteDocument/>"
    assert reasons("medline", article_set(deleted, good, deleted)) == [None]
    assert reasons("medline", article_set(deleted)) == []
    assert reasons("medline", article_set()) == []
    assert reasons("medline", article_set(good) + b"<") == [
        None,
        "not in a record, which are <PubmedArticle>, <PubmedBookArticle>, <MedlineCitation>: '<'",
    ]
    assert reasons("medline", article_set(good)[:-5]) == [
        None,
        "not in a record, which are <PubmedArticle>, <PubmedBookArticle>, <MedlineCitation>: "
        "'</PubmedArticl'",
        "the file ends without </PubmedArticleSet>: it may be cut off",
    ]
    assert reasons("medline", b"<html><p/></html>") == [
        "no record: its root element is <html>; what is read are the elements <PubmedArticle>, "
        "<PubmedBookArticle>, <MedlineCitation>"
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "iso-8859-1"])
def test_encodings_are_read(encoding: str) -> None:
    head = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>'
    citation = BARE.format(id="1", article="<ArticleTitle>M\xe4use &#x3b2;.</ArticleTitle>")
    content = article_set(citation, citation, head=head).decode().encode(encoding)
    assert [r.text for r in read_bytes("medline", content) if isinstance(r, Record)] == ["M\xe4use β."] * 2


def test_entities_are_those_of_the_file_if_they_are_text_else_of_html(
    tmp_path: Path, no_network: list[object]
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("hidden", encoding="utf8")
    text = "<ArticleTitle>{}</ArticleTitle>".format
    named = BARE.format(id="1", article=text("A&nbsp;mouse of type &alpha;."))
    assert read_record("medline", article_set(named)).text == "A\xa0mouse of type α."
    declared = (
        f'<!DOCTYPE PubmedArticleSet [<!ENTITY x SYSTEM "{secret.as_uri()}"><!ENTITY alpha "a">'
        '<!ENTITY beta "&x;"><!ENTITY markup "<Year/>">'
        '<!ENTITY y SYSTEM "http://127.0.0.1/y"><!ENTITY % z SYSTEM "http://127.0.0.1/z"> %z;]>'
    )
    own = BARE.format(id="1", article=text("A&alpha;mouse"))
    assert read_record("medline", article_set(own, head=declared)).text == "Aamouse"
    for name in ("x", "y", "beta", "markup", "unknown"):
        citation = BARE.format(id="1", article=text(f"A&{name};mouse"))
        (reason,) = reasons("medline", article_set(citation, head=declared))
        assert reason is not None
        assert f"&{name};" in reason
        assert "hidden" not in reason
    assert not no_network


def test_entities_cannot_fill_the_memory() -> None:
    lines = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    head = f'<!DOCTYPE PubmedArticleSet [<!ENTITY a0 "{"a" * 10}">{lines}]>'
    citation = BARE.format(id="&a9;", article="<ArticleTitle>Mice.</ArticleTitle>")
    (reason,) = reasons("medline", article_set(citation, head=head))
    assert reason is not None
    assert "amplification" in reason


@pytest.mark.parametrize(
    "inside", ["<i>" * 300, f"<ArticleTitle>{'x' * 10_100_000}"], ids=["depth", "length"]
)
def test_depth_and_length_are_limited(inside: str) -> None:
    (reason,) = reasons("medline", article_set(BARE.format(id="1", article=inside)))
    assert reason is not None
    assert reason.startswith("not valid XML")


def test_an_element_without_end_is_not_taken_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_RECORD_BYTES", 100_000)
    good = BARE.format(id="1", article="<ArticleTitle>Mice.</ArticleTitle>")
    # Each of them is small: the count begins anew after each record.
    assert len(read_bytes("medline", article_set(*[good] * 3000))) == 3000
    endless = BARE.format(id="2", article="<A>x</A>" * 40_000)
    assert reasons("medline", article_set(good, endless, good)) == [
        None,
        "larger than 100,000 bytes: no record may be",
        None,
    ]
