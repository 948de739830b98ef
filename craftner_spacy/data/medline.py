"""MEDLINE and PubMed XML: each citation is one record, of title and abstract."""

from collections.abc import Iterator
from io import BufferedIOBase
from typing import Any

from .records import BadRecord, ReadOptions, Record
from .structure import make_record
from .xml_records import XmlShape, read_xml
from .xml_text import element_text, join_passages, without_empty

XML = XmlShape(
    records=("PubmedArticle", "PubmedBookArticle"),
    # As in files of before 2017.
    alone=("MedlineCitation",),
    skipped=("DeleteCitation", "DeleteDocument"),
    wrappers=("PubmedArticleSet", "PubmedBookArticleSet", "MedlineCitationSet"),
)
_SKIP = ("annotation", "annotation-xml")
"""Formulas in TeX, which stand beside the same formula in MathML."""
_ABSTRACT = ("Label", "label"), ("NlmCategory", "category")


def read_medline(file: BufferedIOBase, options: ReadOptions) -> Iterator[Record | BadRecord]:
    """Read a record from each citation: its id is the PMID.

    The text is the title and, on lines of their own, the sections of the abstract, whose labels are infons of
    the passages. Abstracts in other languages and lists of deleted citations are not read.
    """
    return read_xml(file, XML, _parse_citation)


def _parse_citation(element: Any) -> Record:
    """The record of a citation; ValueError if it has no text."""
    title = _first(element, "ArticleTitle", "BookTitle")
    parts = [(element_text(title, _SKIP), {"type": "title"})]
    # Not those of OtherAbstract, which are in other languages or for lay readers.
    for section in element.iterfind(".//{*}Abstract/{*}AbstractText"):
        infons = {name: section.get(attribute) for attribute, name in _ABSTRACT if section.get(attribute)}
        parts.append((element_text(section, _SKIP), {"type": "abstract", **infons}))
    text, passages = join_passages(parts)
    pmid = element_text(_first(element, "PMID"))
    if not text:
        raise ValueError(f"the citation {pmid or '?'} has neither a title nor an abstract")
    return make_record(pmid, text, _read_fields(element), passages)


def _read_fields(element: Any) -> dict[str, Any]:
    """What a citation says beside its text; what it leaves out is left out."""
    date = _first(element, "PubDate")
    ids = {
        row.get("IdType"): element_text(row)
        for row in element.iterfind("./{*}PubmedData/{*}ArticleIdList/{*}ArticleId")
    }
    return without_empty(
        {
            "book": element_text(_first(element, "BookTitle")),
            "journal": element_text(_first(element, "Journal/{*}Title", "MedlineTA")),
            "journal_abbreviation": element_text(_first(element, "Journal/{*}ISOAbbreviation", "MedlineTA")),
            "published": " ".join(element_text(part) for part in date) if date is not None else "",
            "volume": element_text(_first(element, "JournalIssue/{*}Volume")),
            "issue": element_text(_first(element, "JournalIssue/{*}Issue")),
            "pages": element_text(_first(element, "MedlinePgn")),
            "doi": ids.get("doi") or element_text(_first(element, "ELocationID[@EIdType='doi']")),
            "pmcid": ids.get("pmc", ""),
            "language": _texts(element, "Article/{*}Language"),
            "vernacular_title": element_text(_first(element, "VernacularTitle"), _SKIP),
            "authors": [_name(author) for author in element.iterfind(".//{*}AuthorList/{*}Author")],
            "publication_types": _texts(element, "PublicationType"),
            "keywords": _texts(element, "KeywordList/{*}Keyword"),
            "mesh": _texts(element, "MeshHeading/{*}DescriptorName"),
            "chemicals": _texts(element, "Chemical/{*}NameOfSubstance"),
        }
    )


def _first(element: Any, *paths: str) -> Any:
    """The first element below that one of the paths leads to; None if there is none."""
    for path in paths:
        found = element.find(f".//{{*}}{path}")
        if found is not None:
            return found
    return None


def _texts(element: Any, path: str) -> list[str]:
    """The texts of all elements below that a path leads to."""
    return [text for text in map(element_text, element.iterfind(f".//{{*}}{path}")) if text]


def _name(author: Any) -> str:
    """The name of an author or of a group, e.g. ``Doe J``."""
    parts = (author.find(f"{{*}}{tag}") for tag in ("CollectiveName", "LastName", "Initials"))
    return " ".join(element_text(part) for part in parts if part is not None)
