"""JATS XML as PubMed Central has it, also in tar files as its bulk files are: each article is one record."""

from collections.abc import Iterator
from functools import partial
from io import BufferedIOBase, BytesIO
from pathlib import PurePosixPath
from typing import Any

from .records import BadRecord, ReadOptions, Record
from .structure import make_record
from .tar_members import read_members
from .xml_records import XmlShape, read_xml
from .xml_text import (
    clean,
    element_text,
    join_passages,
    local_name,
    text_pieces,
    without_empty,
)

XML = XmlShape(
    records=("article",),
    # Of PMC's services: of several articles, and of OAI-PMH.
    wrappers=(
        "articles",
        "pmc-articleset",
        "OAI-PMH",
        "GetRecord",
        "ListRecords",
        "record",
        "header",
        "metadata",
    ),
    notes=("responseDate", "request", "identifier", "datestamp", "setSpec", "resumptionToken"),
)
SUFFIXES = (".nxml", ".xml")
"""Of articles in a tar file."""
_SKIP = frozenset(
    "alt-text annotation annotation-xml front-stub graphic inline-graphic label long-desc object-id "
    "ref-list related-article related-object response sub-article tex-math trans-abstract trans-title".split()
)
"""What is not read: references, translations, reviews, labels such as "Figure 1", formulas in TeX."""
_BLOCKS = frozenset(
    "abstract ack app app-group attrib bio boxed-text caption chem-struct-wrap def def-item def-list "
    "disp-formula-group disp-quote fig fig-group floats-group fn fn-group glossary list list-item media "
    "notes p preformat sec sig-block speech statement subtitle supplementary-material table-wrap "
    "table-wrap-foot table-wrap-group term title verse-group verse-line".split()
)
"""Elements whose text is a passage of its own; others are part of a line."""
_BREAKS = _BLOCKS | {"break", "disp-formula"}
_IN_CELLS = _BREAKS | {"td", "th"}
_MAX_SECTION = 500
"""Characters of a section's title that are an infon of each passage in it."""
_TYPES = {"title": "section_title", "subtitle": "subtitle", "caption": "caption", "p": "paragraph"}
"""The passages' types by element; inside an element without type the type around it goes on."""
_IDS = {"pmcid": "pmcid", "pmc": "pmcid", "pmid": "pmid", "doi": "doi", "publisher-id": "publisher_id"}
"""The kinds of ids, the best first, and their fields."""


def read_jats(file: BufferedIOBase, options: ReadOptions) -> Iterator[Record | BadRecord]:
    """Read a record from each article: its id is that of PMC, else the PMID, the DOI or the publisher's.

    The text has a line for the title, and for each paragraph, heading, caption and table of abstract, body,
    floats and back matter. In a table, tabs separate the cells and line breaks the rows. References, reviews,
    translations and numbers of figures and sections are not read.
    """
    return read_xml(file, XML, partial(_parse_article, name=options.name))


def read_jats_tar(file: BufferedIOBase, options: ReadOptions) -> Iterator[Record | BadRecord]:
    """Read a record from each article of a tar file, compressed or not; its other files are not read."""
    for member in read_members(file, SUFFIXES):
        if isinstance(member, BadRecord):
            yield member
            continue
        name, content = member
        path = PurePosixPath(name)
        if path.name.startswith("._"):
            continue
        for record in read_jats(BytesIO(content), options._replace(name=path.stem)):
            yield BadRecord(f"{name}: {record.reason}") if isinstance(record, BadRecord) else record


def _parse_article(article: Any, name: str) -> Record:
    """The record of an article; `name` is its id if it has none. ValueError if it has no text."""
    meta = article.find("{*}front/{*}article-meta")
    ids = {} if meta is None else _read_ids(meta)
    lines = _Lines()
    if meta is not None:
        for title in meta.iterfind("{*}title-group/{*}article-title"):
            lines.add("title", "", clean(text_pieces(title, _SKIP | {"xref"}, _BREAKS)))
        for subtitle in meta.iterfind("{*}title-group/{*}subtitle"):
            lines.read(subtitle, "subtitle", "")
        for abstract in meta.iterfind("{*}abstract"):
            lines.read(abstract, "abstract", abstract.get("abstract-type") or "")
    for part in ("body", "floats-group", "back"):
        for element in article.iterfind(f"{{*}}{part}"):
            lines.read(element, "paragraph", "")
    text, passages = join_passages(lines.parts)
    identifier = next(iter(ids.values()), name)
    if not text:
        raise ValueError(f"the article {identifier} has no text")
    return make_record(identifier, text, _read_fields(article, meta, ids), passages)


class _Lines:
    """The passages of an article, while its elements are read."""

    def __init__(self) -> None:
        """Hold no passage yet."""
        self.parts: list[tuple[str, dict[str, str]]] = []
        self._pieces: list[str] = []

    def add(self, kind: str, section: str, text: str) -> None:
        """Add a passage; an empty one is left out.

        kind (str): its type.
        section (str): the title of its section, if it has one.
        text (str): its text.
        """
        self.parts.append((text, {"type": kind, **({"section": section} if section else {})}))

    def read(self, element: Any, kind: str, section: str) -> None:
        """Add the passages of an element.

        element (Any): one of `_BLOCKS`, or one that holds such.
        kind (str): the type of its passages, unless they have a type of their own.
        section (str): the title of the section that it is in.
        """
        self._read_inside(element, kind, section)
        self._end_line(kind, section)

    def _read_inside(self, element: Any, kind: str, section: str) -> None:
        self._add_piece(element.text)
        for child in element:
            name = local_name(child)
            if name == "table":
                self._end_line(kind, section)
                self.add("table", section, _table_text(child))
            elif name in _BLOCKS:
                self._end_line(kind, section)
                of_child = section
                if name == "sec":
                    of_child = element_text(child.find("{*}title"), _SKIP)[:_MAX_SECTION] or section
                self.read(child, _type_in(kind, name), of_child)
            elif name not in _SKIP:
                self._begin_inline(child, name)
                self._read_inside(child, kind, section)
                self._add_piece(" " if name in _BREAKS else "")
            self._add_piece(child.tail)

    def _begin_inline(self, element: Any, name: str) -> None:
        """Put a space before a formula, and before a reference's number that stands directly after a word."""
        is_reference = name == "xref" and element.get("ref-type") == "bibr"
        if name in _BREAKS or (is_reference and self._pieces and self._pieces[-1][-1].isalnum()):
            self._add_piece(" ")

    def _add_piece(self, text: str | None) -> None:
        """Add text to the line; no piece is empty."""
        if text:
            self._pieces.append(text)

    def _end_line(self, kind: str, section: str) -> None:
        """Make a passage of the text since the last one."""
        self.add(kind, section, clean(self._pieces))
        self._pieces.clear()


def _type_in(kind: str, name: str) -> str:
    """The type of an element's passages inside another one.

    >>> _type_in("abstract", "p"), _type_in("abstract", "title"), _type_in("caption", "p")
    ('abstract', 'abstract_title', 'caption')
    """
    if kind == "abstract":
        return "abstract_title" if name == "title" else kind
    return kind if kind == "caption" else _TYPES.get(name, kind)


def _table_text(table: Any) -> str:
    """The cells of a table: a tab between two of them, a line break between two rows."""
    rows = []
    for row in table.iter("{*}tr"):
        if next(row.iterancestors("{*}table")) is not table:
            # Of a table in a cell, which is text of that cell.
            continue
        cells = [cell for cell in row if local_name(cell) in ("td", "th")]
        rows.append("\t".join(clean(text_pieces(cell, _SKIP, _IN_CELLS)) for cell in cells).rstrip("\t"))
    return "\n".join(row for row in rows if row)


def _read_ids(meta: Any) -> dict[str, str]:
    """The ids of an article by the field's name, the best first."""
    found: dict[str, str] = {}
    for row in meta.iterfind("{*}article-id"):
        found.setdefault(row.get("pub-id-type") or "", element_text(row))
    ids: dict[str, str] = {}
    for kind, field in _IDS.items():
        value = found.get(kind, "")
        if value:
            is_bare = field == "pmcid" and not value.startswith("PMC")
            ids.setdefault(field, f"PMC{value}" if is_bare else value)
    return ids


def _read_fields(article: Any, meta: Any, ids: dict[str, str]) -> dict[str, Any]:
    """What an article says beside its text; what it leaves out is left out."""
    fields: dict[str, Any] = {"article_type": article.get("article-type") or "", **ids}
    fields["journal"] = element_text(article.find("{*}front/{*}journal-meta//{*}journal-title"))
    if meta is not None:
        dates = [element_text(year) for year in meta.iterfind("{*}pub-date/{*}year")]
        fields["year"] = min((date for date in dates if date), default="")
        for field, path in (("volume", "volume"), ("issue", "issue"), ("first_page", "fpage")):
            fields[field] = element_text(meta.find(f"{{*}}{path}"))
        fields["license"] = element_text(meta.find("{*}permissions/{*}license//{*}license-p"))
        fields["authors"] = [_name(row) for row in meta.iterfind("{*}contrib-group/{*}contrib")]
        fields["keywords"] = [element_text(row, _SKIP) for row in meta.iterfind("{*}kwd-group/{*}kwd")]
        fields["subjects"] = [element_text(row) for row in meta.iterfind(".//{*}subj-group/{*}subject")]
    return without_empty(fields)


def _name(contributor: Any) -> str:
    """The name of an author or of a group, e.g. ``Doe Jane``."""
    parts = [contributor.find(f"{{*}}name/{{*}}{tag}") for tag in ("surname", "given-names")]
    parts.append(contributor.find("{*}collab"))
    return " ".join(element_text(part) for part in parts if part is not None)
