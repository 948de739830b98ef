"""BioC in XML and JSON: each document is one record."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from io import BufferedIOBase
from typing import Any

from ..types import Entity
from .records import (
    BadRecord,
    Passage,
    ReadOptions,
    Record,
    Tokenizer,
    check_entities,
    import_extra,
    or_bad_record,
    parse_concept,
    parse_score,
)

MAX_GAP = 1_000_000
"""Characters between the end of a passage and the start of the next, at most: they are filled."""
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, not even as a reference."""


def read_bioc_xml(file: BufferedIOBase, options: ReadOptions) -> Iterator[Record | BadRecord]:
    """Read a record from each document of a collection.

    The document's infons are the fields. Offsets are BioC's own: line breaks fill the text where no passage
    is. Where the XML is broken, one bad record stands for the rest of the file.
    """
    etree = import_extra("lxml.etree")
    elements = etree.iterparse(
        file,
        tag="document",
        huge_tree=True,
        remove_comments=True,
        remove_pis=True,
        # A file from elsewhere must not make us read other files of this machine.
        resolve_entities="internal",
    )
    try:
        for _, element in elements:
            source = etree.tostring(element, encoding="unicode", with_tail=False)
            yield or_bad_record(partial(_parse_document, partial(_load_xml, source), options))
            # iterparse keeps what it has read unless it is removed.
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
    except etree.XMLSyntaxError as err:
        yield BadRecord(f"not valid XML from here to the end of the file: {err}")


def read_bioc_json(file: BufferedIOBase, options: ReadOptions) -> Iterator[Record | BadRecord]:
    """Read a record from each document of a collection, of PMC's list of collections or of PubTator 3.

    Fields, offsets and broken files are as in `read_bioc_xml`.
    """
    ijson, biocjson = import_extra("ijson"), import_extra("bioc.biocjson")
    start = file.read(256)
    file.seek(0)
    path = "documents.item"
    if re.match(rb"\s*\[", start):
        path = "item.documents.item"
    elif re.match(rb'\s*\{\s*"PubTator3"', start):
        path = "PubTator3.item"
    try:
        for row in ijson.items(file, path, use_float=True):
            load = partial(biocjson.fromJSON, row, "BioCDocument")
            yield or_bad_record(partial(_parse_document, load, options))
    except ijson.JSONError as err:
        yield BadRecord(f"not valid JSON from here to the end of the file: {err}")


def write_bioc_xml(file: BufferedIOBase, records: Iterable[Record], tokenizer: Tokenizer) -> None:
    """Write each record to a document of one collection.

    A character that XML cannot hold becomes U+FFFD. Fields that are not text become JSON. An entity belongs
    to the passage that holds all of it, else to the document; its label is the infon ``type``, its score the
    infon ``score``. The id of its concept is the infon ``identifier``, with ``concept_name`` and
    ``concept_score``.
    """
    writer = import_extra("bioc.biocxml").BioCXMLDocumentWriter(file, encoding="UTF-8")
    writer.write_collection_info(_make_collection())
    for record in records:
        writer.write_document(_make_document(record, partial(_NOT_XML.sub, "\ufffd")))
    writer.close()


def write_bioc_json(file: BufferedIOBase, records: Iterable[Record], tokenizer: Tokenizer) -> None:
    """Write each record to a document of one collection, as `write_bioc_xml` does, with all characters."""
    biocjson = import_extra("bioc.biocjson")
    head, tail = biocjson.dumps(_make_collection()).rsplit("[]", 1)
    file.write(f"{head}[".encode())
    for number, record in enumerate(records):
        document = biocjson.dumps(_make_document(record, str), ensure_ascii=False)
        file.write(f"{',' if number else ''}\n{document}".encode())
    file.write(f"\n]{tail}\n".encode())


def _load_xml(document: str) -> Any:
    """The BioCDocument of an element's source."""
    return import_extra("bioc.biocxml").loads(f"<collection>{document}</collection>").documents[0]


def _parse_document(load: Callable[[], Any], options: ReadOptions) -> Record:
    """The record of the BioCDocument that `load` returns; ValueError if there is none."""
    bioc = import_extra("bioc")
    try:
        document = load()
        parts = [bioc.get_text(passage) for passage in document.passages]
        annotations = [pair.annotation for pair in bioc.annotations(document)] if options.entities else []
        entities = [_parse_annotation(annotation) for annotation in annotations]
    except (KeyError, TypeError, AttributeError, AssertionError) as err:
        raise ValueError(f"not a BioC document: {type(err).__name__}: {err}") from err
    text, passages = "", []
    for passage, (offset, content) in zip(document.passages, parts, strict=True):
        gap = offset - len(text)
        if not 0 <= gap <= MAX_GAP:
            raise ValueError(f"a passage begins at {offset}, and the one before it ends at {len(text)}")
        text += "\n" * gap + content
        passages.append(Passage(offset, len(text), _read_infons(passage)))
    return Record(
        document.id or "",
        text,
        _read_infons(document),
        tuple(passages),
        check_entities(entities, len(text)),
    )


def _read_infons(element: Any) -> dict[str, str]:
    """The infons of a BioC element, all as text."""
    return {str(key): "" if value is None else str(value) for key, value in element.infons.items()}


def _parse_annotation(annotation: Any) -> Entity:
    """The entity of a BioCAnnotation."""
    span, infons = annotation.total_span, annotation.infons
    concept = parse_concept(infons.get("identifier"), infons.get("concept_name"), infons.get("concept_score"))
    score = parse_score(infons.get("score"))
    return Entity(span.offset, span.end, str(infons.get("type", "")), score, concept)


def _make_collection() -> Any:
    """An empty BioCCollection."""
    collection = import_extra("bioc").BioCCollection()
    # The library puts today's date, and the same records would not give the same file.
    collection.source, collection.date = "craftner_spacy", ""
    return collection


def _make_document(record: Record, clean: Callable[[str], str]) -> Any:
    """The BioCDocument of a record; `clean` replaces what the file cannot hold, character by character."""
    bioc = import_extra("bioc")
    document = bioc.BioCDocument()
    document.id = clean(record.id)
    document.infons = {
        clean(name): clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in record.fields.items()
    }
    for part in record.passages or (Passage(0, len(record.text), {}),):
        passage = bioc.BioCPassage.of_text(clean(record.text[part.start : part.end]), part.start)
        passage.infons = {clean(key): clean(value) for key, value in part.infons.items()}
        document.add_passage(passage)
    spans = [(passage.offset, passage.offset + len(passage.text), passage) for passage in document.passages]
    for number, entity in enumerate(record.entities, start=1):
        mention = record.text[entity.start : entity.end]
        annotation = _make_annotation(number, entity, mention, clean)
        holder = next((p for start, end, p in spans if start <= entity.start and entity.end <= end), document)
        holder.add_annotation(annotation)
    return document


def _make_annotation(number: int, entity: Entity, mention: str, clean: Callable[[str], str]) -> Any:
    """The BioCAnnotation of an entity; its id is its number in the document."""
    bioc = import_extra("bioc")
    annotation = bioc.BioCAnnotation()
    annotation.id = str(number)
    annotation.infons = {"type": clean(entity.label)}
    if entity.score is not None:
        annotation.infons["score"] = str(entity.score)
    if entity.concept is not None:
        annotation.infons["identifier"] = clean(entity.concept.id)
        annotation.infons["concept_name"] = clean(entity.concept.name)
        if entity.concept.score is not None:
            annotation.infons["concept_score"] = str(entity.concept.score)
    annotation.text = clean(mention)
    annotation.add_location(bioc.BioCLocation(entity.start, entity.end - entity.start))
    return annotation
