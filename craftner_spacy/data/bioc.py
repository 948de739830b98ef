"""BioC in XML and JSON: each document is one record."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from io import BufferedIOBase
from itertools import count
from typing import Any

from ..types import Entity
from .encodings import as_utf8
from .json_documents import split_json
from .records import (
    PLAIN,
    BadRecord,
    Passage,
    ReadOptions,
    Record,
    Tokenizer,
    WriteOptions,
    check_entities,
    import_extra,
    or_bad_record,
    parse_concept,
    parse_score,
    shorten,
)
from .structure import as_text, load_json, make_record, parse_infons
from .xml_records import XmlShape, read_xml

MAX_GAP = 1_000_000
"""Characters in front of passages and sentences, in a document at most: they are filled."""
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, not even as a reference."""
_DOCUMENT = {"id", "infon", "passage", "annotation", "relation"}
_PASSAGE = {"infon", "offset", "text", "sentence", "annotation", "relation"}
"""The elements of a document and of a passage or a sentence."""
_KEYS = {"infons", "offset", "sentences", "annotations", "relations", "passages"}
"""What a passage in JSON may have in place of a text: with other names the text may be one of them."""
_MEMBERS = _KEYS | {"bioctype", "id", "text"}
"""What BioC has in a document or passage; other members become infons."""
XML = XmlShape(
    records=("document",), wrappers=("collection",), notes=("source", "date", "key", "infon", "version")
)


def read_bioc_xml(file: BufferedIOBase, options: ReadOptions) -> Iterator[Record | BadRecord]:
    """Read a record from each document of a collection, with or without a namespace.

    The document's infons are the fields. Offsets are BioC's own: line breaks fill the text where no passage
    is, and spaces where no sentence is. Elements in a text are left out, but not their text.
    """
    return read_xml(file, XML, partial(_parse_xml, options=options))


def read_bioc_json(file: BufferedIOBase, options: ReadOptions) -> Iterator[Record | BadRecord]:
    """Read a record from each document of a collection, of PMC's list of collections or of PubTator 3.

    Fields and offsets are as in `read_bioc_xml`; see `json_documents.split_json`.
    """
    for document in split_json(as_utf8(file, options.encoding)):
        if isinstance(document, BadRecord):
            yield document
        else:
            yield or_bad_record(partial(_parse_json, document, options))


def write_bioc_xml(
    file: BufferedIOBase, records: Iterable[Record], tokenizer: Tokenizer, options: WriteOptions = PLAIN
) -> None:
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


def write_bioc_json(
    file: BufferedIOBase, records: Iterable[Record], tokenizer: Tokenizer, options: WriteOptions = PLAIN
) -> None:
    """Write each record to a document of one collection, as `write_bioc_xml` does, with all characters."""
    biocjson = import_extra("bioc.biocjson")
    head, tail = biocjson.dumps(_make_collection()).rsplit("[]", 1)
    file.write(f"{head}[".encode())
    for number, record in enumerate(records):
        document = biocjson.dumps(_make_document(record, str), ensure_ascii=False)
        file.write(f"{',' if number else ''}\n{document}".encode())
    file.write(f"\n]{tail}\n".encode())


def _parse_xml(element: Any, options: ReadOptions) -> Record:
    """The record of a document in XML; ValueError if it has none."""
    return _parse_document(_load_element(element, _DOCUMENT, options), options)


def _parse_json(document: bytes, options: ReadOptions) -> Record:
    """The record of a document in JSON; ValueError if it has none."""
    return _parse_document(load_json(document, options.encoding), options)


def _load_element(element: Any, allowed: set[str], options: ReadOptions) -> dict[str, Any]:
    """A document, passage or sentence in the form that BioC JSON has; annotations only if they are read."""
    row: dict[str, Any] = {"infons": {}, "passages": [], "sentences": [], "annotations": []}
    has_text = bool((element.text or "").strip())
    for child in element:
        tag = child.tag.rpartition("}")[2]
        if has_text or (child.tail or "").strip():
            raise ValueError(f"not a BioC document: text beside the elements, near <{tag}>")
        if tag not in allowed:
            raise ValueError(f"not a BioC document: <{tag}> in it is unknown")
        if tag == "infon":
            row["infons"][child.get("key", "")] = "".join(child.itertext())
        elif tag in ("passage", "sentence"):
            row[f"{tag}s"].append(_load_element(child, _PASSAGE, options))
        elif tag in ("id", "offset", "text"):
            if tag in row:
                raise ValueError(f"two elements <{tag}> where one is allowed")
            row[tag] = "".join(child.itertext())
        elif tag == "annotation" and options.entities:
            row["annotations"].append(_load_annotation(child))
    return row


def _load_annotation(element: Any) -> dict[str, Any]:
    """An annotation in the form that BioC JSON has."""
    return {
        "infons": {i.get("key", ""): "".join(i.itertext()) for i in element.iterfind("{*}infon")},
        "locations": [dict(location.attrib) for location in element.iterfind("{*}location")],
    }


def _parse_document(row: Any, options: ReadOptions) -> Record:
    """The record of a document as BioC JSON has it; ValueError if it is none."""
    if not isinstance(row, dict) or "passages" not in row:
        raise ValueError(f"not a BioC document: no 'passages' in {shorten(row)}")
    pieces: list[str] = []
    passages: list[Passage] = []
    end = gaps = 0
    for passage in row["passages"]:
        start = _whole(passage.get("offset"), "offset")
        gaps += start - end
        if start < end or gaps > MAX_GAP:
            raise ValueError(f"a passage begins at {start}, and the one before it ends at {end}")
        text, gaps = _passage_text(passage, start, gaps)
        pieces += ["\n" * (start - end), text]
        end = start + len(text)
        passages.append(Passage(start, end, _all_infons(passage)))
    entities = _parse_annotations(row) if options.entities else []
    return make_record(
        row.get("id"),
        "".join(pieces),
        _all_infons(row),
        tuple(passages),
        check_entities(entities, end),
    )


def _all_infons(row: Any) -> dict[str, str]:
    """The infons of a document or passage, and what it has beside BioC's members, as PubTator 3 has.

    >>> _all_infons({"id": "1", "passages": [], "journal": "J", "meta": {}, "infons": {"year": 2020}})
    {'journal': 'J', 'year': '2020'}
    """
    others = {
        name: value for name, value in row.items() if name not in _MEMBERS and value not in (None, "", [], {})
    }
    return {**parse_infons(others), **parse_infons(row.get("infons"))}


def _passage_text(passage: Any, start: int, gaps: int) -> tuple[str, int]:
    """The text of a passage, or of its sentences, and the number of characters filled so far."""
    text = _text(passage)
    if text:
        return text, gaps
    others = [] if "text" in passage or passage.get("sentences") else sorted(set(passage) - _KEYS)
    if others:
        raise ValueError(f"the passage at {start} has no text and no sentences, but {shorten(others)}")
    pieces, end = [], start
    for sentence in passage.get("sentences") or ():
        offset = _whole(sentence.get("offset"), "offset")
        gaps += offset - end
        if offset < end or gaps > MAX_GAP:
            raise ValueError(f"a sentence begins at {offset}, and what is before it ends at {end}")
        pieces += [" " * (offset - end), _text(sentence)]
        end = offset + len(pieces[-1])
    return "".join(pieces), gaps


def _text(row: Any) -> str:
    """The text of a passage or sentence; empty if it has none."""
    text = row.get("text")
    if not isinstance(text, str | None):
        raise ValueError(f"a text has to be a string, not {shorten(text)}")
    return text or ""


def _whole(value: Any, name: str) -> int:
    """A whole number, which files also hold as text or as 7.0.

    >>> [_whole(value, "offset") for value in (7, " 7 ", 7.0)]
    [7, 7, 7]
    """
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} has to be a whole number, not {shorten(value)}")
    return value


def _parse_annotations(row: Any) -> list[Entity]:
    """The entities of a document, of its passages and of their sentences."""
    holders = [row, *row["passages"]]
    holders += [sentence for passage in row["passages"] for sentence in passage.get("sentences") or ()]
    return [_parse_annotation(a) for holder in holders for a in holder.get("annotations") or ()]


def _parse_annotation(annotation: Any) -> Entity:
    """The entity of an annotation: from its first to its last character, if it has several parts."""
    infons = annotation.get("infons") or {}
    parts = [(_whole(p["offset"], "offset"), _whole(p["length"], "length")) for p in annotation["locations"]]
    if not parts:
        raise ValueError("an annotation has no location")
    start, end = min(offset for offset, _ in parts), max(sum(part) for part in parts)
    concept = parse_concept(infons.get("identifier"), infons.get("concept_name"), infons.get("concept_score"))
    return Entity(start, end, str(infons.get("type", "")), parse_score(infons.get("score")), concept)


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
    document.infons = _clean_infons(record.fields, clean)
    for part in record.passages or (Passage(0, len(record.text), {}),):
        passage = bioc.BioCPassage.of_text(clean(record.text[part.start : part.end]), part.start)
        passage.infons = _clean_infons(part.infons, clean)
        document.add_passage(passage)
    starts = [passage.offset for passage in document.passages]
    for number, entity in enumerate(record.entities, start=1):
        mention = record.text[entity.start : entity.end]
        annotation = _make_annotation(number, entity, mention, clean)
        # Passages are in order.
        holder = document.passages[max(0, bisect_right(starts, entity.start) - 1)]
        is_inside = holder.offset <= entity.start and entity.end <= holder.offset + len(holder.text)
        (holder if is_inside else document).add_annotation(annotation)
    return document


def _clean_infons(values: Mapping[str, Any], clean: Callable[[str], str]) -> dict[str, str]:
    """Infons for values in JSON's types; a name that is another one's once it is clean gets a number."""
    infons: dict[str, str] = {}
    for name, value in values.items():
        key = clean(name)
        if key in infons:
            key = next(f"{key}_{n}" for n in count(2) if f"{key}_{n}" not in infons)
        infons[key] = clean(as_text(value))
    return infons


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
