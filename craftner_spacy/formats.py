"""Files of texts and of annotated texts: one table of formats, each with its reader and writer.

A new format is a row of `FORMATS`. Its reader takes a binary file and yields a `Record` or, for each record
that cannot be read, a `BadRecord`; its writer takes records, which it may go through more than once, and a
binary file. Both stream, but for DocBin, which spaCy reads and writes whole.
"""

import gzip
import importlib
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from spacy.tokens import Doc, DocBin, SpanGroup
from spacy.util import filter_spans
from spacy.vocab import Vocab

EXTRA = "craftner_spacy[formats]"
SPANS_KEY = "craft_ner"
# Names that `as_json` gives a meaning: a field of the input that has another is called source_NAME.
RESERVED = ("id", "text", "passages", "entities")
# How many characters a BioC passage may begin behind the end of the one before it: what is between is filled.
MAX_GAP = 1_000_000
_LINE_BREAK = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
# Characters that XML 1.0 cannot hold, not even as a reference.
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# What ends an id or a line, and the mark that a line's reader takes off its start.
_NOT_IN_PUBTATOR_IDS = "|\t\n\r\ufeff"
_PUBTATOR_TEXT = re.compile(r"([^|\t]*)\|([ta])\|(.*)")


class Annotation(NamedTuple):
    """An entity of a record's text.

    start, end (int): half-open, in characters.
    label (str): its label.
    score (float | None): in [0, 1]; None: not known.
    """

    start: int
    end: int
    label: str
    score: float | None


class Passage(NamedTuple):
    """A part of a record's text: start and end (half-open) in characters, and what BioC tells of it."""

    start: int
    end: int
    infons: Mapping[str, str]


class Record(NamedTuple):
    """One text of a file.

    id (str): its name in the file; empty: it has none.
    text (str): its text; all offsets are characters of it.
    fields (Mapping[str, Any]): everything else the file tells of it, in JSON's types.
    passages (tuple[Passage, ...]): its parts in order; empty: it is not divided.
    entities (tuple[Annotation, ...]): in order of their starts.
    """

    id: str
    text: str
    fields: Mapping[str, Any]
    passages: tuple[Passage, ...] = ()
    entities: tuple[Annotation, ...] = ()


class BadRecord(NamedTuple):
    """A record that cannot be read, and why."""

    reason: str


class Reading(NamedTuple):
    """What a reader has to know.

    name (str): the file's name without suffix; the id of a text that is a file of its own.
    text_field, id_field (str): names of these fields where a format's records have fields.
    entities (bool): whether annotations are read; if not, they are left out unread, right or wrong.
    """

    name: str
    text_field: str = "text"
    id_field: str = "id"
    entities: bool = True


Reader = Callable[[BinaryIO, Reading], Iterator[Record | BadRecord]]
Tokenizer = Callable[[str], Doc]
Writer = Callable[[BinaryIO, Iterable[Record], Tokenizer], None]


class Format(NamedTuple):
    """One row of the table.

    name (str): as `--input-format` and `--output-format` take it.
    suffixes (tuple[str, ...]): of its files; each may be followed by ``.gz``.
    libraries (tuple[str, ...]): modules it needs from the extra.
    read (Reader): its reader.
    write (Writer | None): its writer; None: it cannot hold entities.
    not_in_ids (str): characters that an id in its files cannot have.
    """

    name: str
    suffixes: tuple[str, ...]
    libraries: tuple[str, ...]
    read: Reader
    write: Writer | None
    not_in_ids: str = ""


def as_json(record: Record) -> dict[str, Any]:
    """A record as JSON Lines has it: its id, text and fields, its passages if it has any, its entities.

    >>> as_json(Record("7", "a mouse", {"year": 2001}, entities=(Annotation(2, 7, "Taxon", 0.9),)))
    {'id': '7', 'text': 'a mouse', 'year': 2001,
     'entities': [{'start': 2, 'end': 7, 'label': 'Taxon', 'score': 0.9, 'text': 'mouse'}]}
    """
    row: dict[str, Any] = {"id": record.id, "text": record.text, **record.fields}
    if record.passages:
        row["passages"] = [
            {"start": p.start, "end": p.end, "infons": dict(p.infons)} for p in record.passages
        ]
    row["entities"] = [{**e._asdict(), "text": record.text[e.start : e.end]} for e in record.entities]
    return row


def of_json(row: Any, reading: Reading) -> Record:
    """The record of a row as `as_json` gives it, or of any mapping with a text.

    row: its values; an id may be a whole number.
    RAISES: ValueError if it is no mapping, has no text, or has an id, passages or entities of a wrong form.
    """
    if not isinstance(row, dict):
        raise ValueError(f"a record has to be an object with fields, not {_short(row)}")
    fields = dict(row)
    text = fields.pop(reading.text_field, None)
    if not isinstance(text, str):
        names = _short(list(row))
        raise ValueError(
            f"field {reading.text_field!r} has to be a text, not {_short(text)}; fields: {names}"
        )
    number = fields.pop(reading.id_field, None)
    if isinstance(number, bool) or not isinstance(number, str | int | None):
        raise ValueError(
            f"field {reading.id_field!r} has to be a text or a whole number, not {_short(number)}"
        )
    annotations = fields.pop("entities", None) or []
    passages = _passages(fields.get("passages"), len(text))
    if passages:
        fields.pop("passages")
    return Record(
        "" if number is None else str(number),
        text,
        {f"source_{name}" if name in RESERVED else name: value for name, value in fields.items()},
        passages,
        _annotations(annotations, len(text)) if reading.entities else (),
    )


def _passages(rows: Any, length: int) -> tuple[Passage, ...]:
    """Passages as `as_json` gives them; none if the rows are something else under the same name."""
    try:
        found = tuple(
            Passage(row["start"], row["end"], {k: v for k, v in dict(row["infons"]).items() if v is not None})
            for row in rows
        )
        in_order = all(0 <= p.start <= p.end <= length for p in found)
    except (TypeError, KeyError, ValueError):
        return ()
    return found if in_order else ()


def _annotations(rows: Any, length: int) -> tuple[Annotation, ...]:
    try:
        found = [Annotation(row["start"], row["end"], row["label"], row.get("score")) for row in rows]
    except (TypeError, KeyError, AttributeError) as err:
        raise ValueError("field 'entities' has to be a list of objects with start, end and label") from err
    return _in_order(found, length)


def _in_order(annotations: Iterable[Annotation], length: int) -> tuple[Annotation, ...]:
    found = []
    for e in annotations:
        if not isinstance(e.start, int) or not isinstance(e.end, int) or not 0 <= e.start < e.end <= length:
            raise ValueError(
                f"an entity at {e.start!r} to {e.end!r} is not in the text, which ends at {length}"
            )
        if not isinstance(e.label, str) or not isinstance(e.score, int | float | None):
            raise ValueError(f"an entity at {e.start} has a label {e.label!r} and a score {e.score!r}")
        found.append(e)
    return tuple(sorted(found, key=lambda e: e[:3]))


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _need(module: str) -> Any:
    """Import a module of the extra."""
    try:
        return importlib.import_module(module)
    except ImportError as err:
        raise ImportError(f"this format needs {module.partition('.')[0]}: pip install {EXTRA}") from err


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise ValueError(f"not UTF-8: {err.reason} at byte {err.start}") from err


def _read_text(file: BinaryIO, reading: Reading) -> Iterator[Record | BadRecord]:
    yield _tried(lambda: Record(reading.name, _decoded(file.read()), {}))


def _tried(read: Callable[[], Record]) -> Record | BadRecord:
    try:
        return read()
    except ValueError as err:
        return BadRecord(str(err))


def _read_jsonl(file: BinaryIO, reading: Reading) -> Iterator[Record | BadRecord]:
    for line in file:
        if line.strip():
            yield _tried(partial(_json_line, line, reading))


def _json_line(line: bytes, reading: Reading) -> Record:
    try:
        row = json.loads(_decoded(line))
    except (json.JSONDecodeError, RecursionError) as err:
        raise ValueError(f"no JSON: {err}") from err
    return of_json(row, reading)


def _write_jsonl(file: BinaryIO, records: Iterable[Record], tokenizer: Tokenizer) -> None:
    for record in records:
        file.write(json_line(record))


def json_line(record: Record) -> bytes:
    """A line of JSON Lines, its end included.

    RAISES: ValueError if a value has no place in JSON: a number that is none, half a character.
    """
    return json.dumps(as_json(record), ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _read_parquet(file: BinaryIO, reading: Reading) -> Iterator[Record | BadRecord]:
    pa, parquet = _need("pyarrow"), _need("pyarrow.parquet")
    try:
        table = parquet.ParquetFile(file)
    except pa.ArrowInvalid as err:
        yield BadRecord(f"no Parquet: {err}")
        return
    for batch in table.iter_batches(batch_size=256):
        for row in batch.to_pylist():
            yield _tried(partial(_parquet_row, row, reading))


def _parquet_row(row: dict[str, Any], reading: Reading) -> Record:
    # A null, or in a column of numbers one that equals nothing, is how a table says that there is no value.
    return of_json({name: _plain(v, name) for name, v in row.items() if v is not None and v == v}, reading)


def _plain(value: Any, name: str) -> Any:
    """A value of a column in JSON's types; dates, times and decimals become text."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, bytes):
        raise ValueError(f"column {name!r} holds bytes, which have no place in the output: leave it out")
    if isinstance(value, dict):
        return {str(key): _plain(item, name) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, name) for item in value]
    return str(value)


def _write_parquet(file: BinaryIO, records: Iterable[Record], tokenizer: Tokenizer) -> None:
    """One row a record. A field is a column of the type that all its values have, else of JSON text."""
    pa, parquet = _need("pyarrow"), _need("pyarrow.parquet")
    span = [("start", pa.int64()), ("end", pa.int64())]
    entity = pa.struct([*span, ("label", pa.string()), ("score", pa.float64()), ("text", pa.string())])
    passage = pa.struct([*span, ("infons", pa.map_(pa.string(), pa.string()))])
    types = _column_types(pa, records)
    columns = [(name, pa.string() if kind in (None, pa.null()) else kind) for name, kind in types.items()]
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("text", pa.string()),
            *columns,
            ("passages", pa.list_(passage)),
            ("entities", pa.list_(entity)),
        ]
    )
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        rows = []
        for record in records:
            row = as_json(record)
            for name in (name for name, kind in types.items() if kind is None and name in row):
                row[name] = json.dumps(row[name], ensure_ascii=False)
            parts = [{**part, "infons": list(part["infons"].items())} for part in row.get("passages", [])]
            row["passages"] = parts or None
            rows.append(row)
            if len(rows) == 1024:
                writer.write_table(pa.Table.from_pylist(rows, schema))
                rows.clear()
        writer.write_table(pa.Table.from_pylist(rows, schema))


def _column_types(pa: Any, records: Iterable[Record]) -> dict[str, Any]:
    """The type of each field over all records; None where the values have none in common."""
    types: dict[str, Any] = {}
    for record in records:
        for name, value in record.fields.items():
            if types.get(name, pa.null()) is not None:
                types[name] = _common_type(pa, types.get(name, pa.null()), value)
    return types


def _common_type(pa: Any, known: Any, value: Any) -> Any:
    try:
        kind = pa.infer_type([value])
        if kind == known:
            return kind
        fields = [pa.schema([("x", known)]), pa.schema([("x", kind)])]
        return pa.unify_schemas(fields, promote_options="permissive").field("x").type
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return None


def _read_bioc_xml(file: BinaryIO, reading: Reading) -> Iterator[Record | BadRecord]:
    etree = _need("lxml.etree")
    elements = etree.iterparse(
        file,
        tag="document",
        huge_tree=True,
        remove_comments=True,
        remove_pis=True,
        # A file from elsewhere must not make us read others of this machine.
        resolve_entities="internal",
    )
    try:
        for _, element in elements:
            source = etree.tostring(element, encoding="unicode", with_tail=False)
            yield _tried(partial(_bioc_document, partial(_of_xml, source), reading))
            # iterparse keeps what it has read unless it is taken away.
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
    except etree.XMLSyntaxError as err:
        yield BadRecord(f"no valid XML from here to the file's end: {err}")


def _of_xml(document: str) -> Any:
    return _need("bioc.biocxml").loads(f"<collection>{document}</collection>").documents[0]


def _read_bioc_json(file: BinaryIO, reading: Reading) -> Iterator[Record | BadRecord]:
    ijson, biocjson = _need("ijson"), _need("bioc.biocjson")
    start = file.read(256)
    file.seek(0)
    # A collection; a list of collections as PMC's service gives it; PubTator 3's export.
    path = "documents.item"
    if re.match(rb"\s*\[", start):
        path = "item.documents.item"
    elif re.match(rb'\s*\{\s*"PubTator3"', start):
        path = "PubTator3.item"
    try:
        for row in ijson.items(file, path, use_float=True):
            yield _tried(partial(_bioc_document, partial(biocjson.fromJSON, row, "BioCDocument"), reading))
    except ijson.JSONError as err:
        yield BadRecord(f"no valid JSON from here to the file's end: {err}")


def _bioc_document(parse: Callable[[], Any], reading: Reading) -> Record:
    """The record of a BioC document; line breaks stand where no passage is, so that offsets stay BioC's."""
    bioc = _need("bioc")
    try:
        document = parse()
        parts = [bioc.get_text(passage) for passage in document.passages]
        annotations = [found.annotation for found in bioc.annotations(document)] if reading.entities else []
        entities = [_bioc_annotation(annotation) for annotation in annotations]
    except (KeyError, TypeError, AttributeError, AssertionError) as err:
        raise ValueError(f"no BioC document: {type(err).__name__}: {err}") from err
    text, passages = "", []
    for passage, (offset, own) in zip(document.passages, parts, strict=True):
        gap = offset - len(text)
        if not 0 <= gap <= MAX_GAP:
            raise ValueError(f"a passage begins at {offset}, and the one before it ends at {len(text)}")
        text += "\n" * gap + own
        passages.append(Passage(offset, len(text), _infons(passage)))
    return Record(document.id or "", text, _infons(document), tuple(passages), _in_order(entities, len(text)))


def _infons(element: Any) -> dict[str, str]:
    return {str(key): "" if value is None else str(value) for key, value in element.infons.items()}


def _bioc_annotation(annotation: Any) -> Annotation:
    span = annotation.total_span
    return Annotation(
        span.offset, span.end, str(annotation.infons.get("type", "")), _score(annotation.infons.get("score"))
    )


def _score(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _as_bioc(record: Record, clean: Callable[[str], str]) -> Any:
    """A record as a BioC document. An entity that no passage holds whole is the document's own."""
    bioc = _need("bioc")
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
        annotation = bioc.BioCAnnotation()
        annotation.id = str(number)
        annotation.infons = {"type": clean(entity.label)}
        if entity.score is not None:
            annotation.infons["score"] = str(entity.score)
        annotation.text = clean(record.text[entity.start : entity.end])
        annotation.add_location(bioc.BioCLocation(entity.start, entity.end - entity.start))
        holder = next((p for start, end, p in spans if start <= entity.start and entity.end <= end), document)
        holder.add_annotation(annotation)
    return document


def _write_bioc_xml(file: BinaryIO, records: Iterable[Record], tokenizer: Tokenizer) -> None:
    """Characters that XML cannot hold become U+FFFD, one for one."""
    writer = _need("bioc.biocxml").BioCXMLDocumentWriter(file, encoding="UTF-8")
    writer.write_collection_info(_collection())
    for record in records:
        writer.write_document(_as_bioc(record, partial(_NOT_XML.sub, "\ufffd")))
    writer.close()


def _collection() -> Any:
    collection = _need("bioc").BioCCollection()
    # The library puts today's date, and the same records would not give the same file.
    collection.source, collection.date = "craftner_spacy", ""
    return collection


def _write_bioc_json(file: BinaryIO, records: Iterable[Record], tokenizer: Tokenizer) -> None:
    biocjson = _need("bioc.biocjson")
    head, tail = biocjson.dumps(_collection()).rsplit("[]", 1)
    file.write(f"{head}[".encode())
    for number, record in enumerate(records):
        document = biocjson.dumps(_as_bioc(record, str), ensure_ascii=False)
        file.write(f"{',' if number else ''}\n{document}".encode())
    file.write(f"\n]{tail}\n".encode())


def _read_pubtator(file: BinaryIO, reading: Reading) -> Iterator[Record | BadRecord]:
    block: list[bytes] = []
    for line in file:
        if line.strip():
            block.append(line)
        elif block:
            yield _tried(partial(_pubtator_record, block, reading))
            block = []
    if block:
        yield _tried(partial(_pubtator_record, block, reading))


def _pubtator_record(block: list[bytes], reading: Reading) -> Record:
    """A title line, perhaps an abstract's, and lines of tabs; offsets count the break between the two as one.

    bioc's own reader of documents strips their lines, which moves offsets, and prints what it cannot read.
    """
    parts: dict[str, str] = {}
    number, entities = "", []
    for raw in block:
        line = _decoded(raw).rstrip("\r\n")
        if match := _PUBTATOR_TEXT.fullmatch(line):
            if match[2] in parts:
                raise ValueError(f"two lines with |{match[2]}| and no empty line between them")
            number, parts[match[2]] = match[1], match[3]
        elif (columns := line.split("\t")) and reading.entities:
            if len(columns) < 4:
                raise ValueError(
                    f"{_short(line)} is neither a title, an abstract, an annotation nor a relation"
                )
            if len(columns) > 5:
                entities.append(_pubtator_annotation(columns))
    if "t" not in parts:
        raise ValueError("no line with a title (ID|t|TITLE)")
    title, abstract = parts["t"], parts.get("a", "")
    passages = [Passage(0, len(title), {"type": "title"})]
    text = f"{title}\n{abstract}" if abstract else title
    if abstract:
        passages.append(Passage(len(title) + 1, len(text), {"type": "abstract"}))
    return Record(number, text, {}, tuple(passages), _in_order(entities, len(text)))


def _pubtator_annotation(columns: list[str]) -> Annotation:
    found = _need("bioc.pubtator").loads_ann(columns)
    return Annotation(found.start, found.end, found.type, _score(next(iter(found.others), None)))


def _write_pubtator(file: BinaryIO, records: Iterable[Record], tokenizer: Tokenizer) -> None:
    """Title and abstract are the first passage and the rest, or the first line and the rest.

    Line breaks become spaces, one for one. The score is in a seventh column, behind an empty identifier.
    """
    pubtator = _need("bioc.pubtator")
    for record in records:
        if reason := wrong_id(record.id, _NOT_IN_PUBTATOR_IDS):
            raise ValueError(reason)
        one_line = partial(_LINE_BREAK.sub, " ")
        split = _title_end(record)
        document = pubtator.PubTator(
            record.id, one_line(record.text[:split]), one_line(record.text[split + 1 :])
        )
        for entity in record.entities:
            mention = one_line(record.text[entity.start : entity.end]).replace("\t", " ")
            score = [] if entity.score is None else [str(entity.score)]
            label = one_line(entity.label).replace("\t", " ")
            document.add_annotation(
                pubtator.PubTatorAnn(record.id, entity.start, entity.end, mention, label, "-", score)
            )
        file.write(f"{document}\n".encode())


def _title_end(record: Record) -> int:
    """Where the title ends: a white space and more follow; PubTator's own break stands for the former.

    >>> [_title_end(Record("1", text, {})) for text in ("A title\\nand more", "all in one", "and a break\\n")]
    [7, 10, 12]
    """
    text = record.text
    last = len(text) - 1
    if record.passages and record.passages[0].end < last and text[record.passages[0].end].isspace():
        return record.passages[0].end
    line_end = text.find("\n")
    return line_end if 0 <= line_end < last else len(text)


def _read_docbin(file: BinaryIO, reading: Reading) -> Iterator[Record | BadRecord]:
    try:
        docs = DocBin(store_user_data=True).from_bytes(file.read())
    except (ValueError, KeyError, TypeError, zlib.error) as err:
        yield BadRecord(f"no DocBin: {type(err).__name__}: {err}")
        return
    for doc in docs.get_docs(Vocab()):
        yield _tried(partial(_doc_record, doc, reading))


def _doc_record(doc: Doc, reading: Reading) -> Record:
    row = {key: _plain(value, key) for key, value in doc.user_data.items() if isinstance(key, str)}
    record = of_json({**row, reading.text_field: doc.text}, reading)
    return record._replace(entities=doc_entities(doc, SPANS_KEY)) if reading.entities else record


def doc_entities(doc: Doc, spans_key: str) -> tuple[Annotation, ...]:
    """The entities of a Doc: the span group's, by the characters that the model found, else `doc.ents`.

    The group's entities that have no place on the tokens are among them. Scores have six decimals.
    """
    if spans_key not in doc.spans:
        return tuple(Annotation(ent.start_char, ent.end_char, ent.label_, None) for ent in doc.ents)
    group = doc.spans[spans_key]
    scores = group.attrs.get("scores", [None] * len(group))
    offsets = group.attrs.get("offsets", [(span.start_char, span.end_char) for span in group])
    found = [
        Annotation(start, end, span.label_, score)
        for span, (start, end), score in zip(group, offsets, scores, strict=True)
    ]
    found += [Annotation(**entity) for entity in group.attrs.get("unplaced", [])]
    rounded = (e if e.score is None else e._replace(score=round(float(e.score), 6)) for e in found)
    return _in_order(rounded, len(doc.text))


def _write_docbin(file: BinaryIO, records: Iterable[Record], tokenizer: Tokenizer) -> None:
    """Docs with `doc.ents`, and with scores and exact offsets in the span group; the rest is user data."""
    docs = DocBin(store_user_data=True)
    for record in records:
        doc = tokenizer(record.text)
        found = (doc.char_span(e.start, e.end, e.label, alignment_mode="expand") for e in record.entities)
        # Each has tokens to expand to; spaCy's types do not know that.
        spans = [span for span in found if span is not None]
        attrs = {
            "scores": [e.score for e in record.entities],
            "offsets": [[e.start, e.end] for e in record.entities],
        }
        doc.spans[SPANS_KEY] = SpanGroup(doc, name=SPANS_KEY, spans=spans, attrs=attrs)
        doc.ents = filter_spans(spans)
        row = as_json(record)
        doc.user_data = {name: value for name, value in row.items() if name not in ("text", "entities")}
        docs.add(doc)
    file.write(docs.to_bytes())


FORMATS: tuple[Format, ...] = (
    Format("text", (".txt",), (), _read_text, None),
    Format("jsonl", (".jsonl", ".ndjson"), (), _read_jsonl, _write_jsonl),
    Format("parquet", (".parquet",), ("pyarrow",), _read_parquet, _write_parquet),
    Format("bioc-xml", (".xml",), ("bioc", "lxml"), _read_bioc_xml, _write_bioc_xml),
    Format("bioc-json", (".json",), ("bioc", "ijson"), _read_bioc_json, _write_bioc_json),
    Format("pubtator", (".pubtator",), ("bioc",), _read_pubtator, _write_pubtator, _NOT_IN_PUBTATOR_IDS),
    Format("docbin", (".spacy",), (), _read_docbin, _write_docbin),
)


def format_of(path: Path, name: str | None, setting: str) -> Format:
    """The format of a file, by the name given, or by its own.

    setting (str): what the user would name the format with, for the error.
    RAISES: ValueError if there is no such format; ImportError if it needs a library that is not installed.

    >>> format_of(Path("a/b.jsonl.gz"), None, "--input-format").name
    'jsonl'
    """
    if name is not None:
        rows = [row for row in FORMATS if row.name == name]
        if not rows:
            raise ValueError(f"{setting} {name!r}: allowed are {', '.join(row.name for row in FORMATS)}")
    else:
        suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
        rows = [row for row in FORMATS if suffix in row.suffixes]
        if not rows:
            known = ", ".join(f"{'/'.join(row.suffixes)} ({row.name})" for row in FORMATS)
            raise ValueError(
                f"{path}: the name does not tell the format. Known are {known}; or give {setting}"
            )
    for library in rows[0].libraries:
        _need(library)
    return rows[0]


def wrong_id(name: str, not_in_ids: str) -> str | None:
    """What keeps a format from holding an id, if anything does.

    >>> wrong_id("PMC|7", not_in_ids="|\\t")
    "its id 'PMC|7' has '|' in it, which the output's format cannot hold"
    """
    found = next((character for character in not_in_ids if character in name), None)
    if found is None:
        return None
    return f"its id {name!r} has {found!r} in it, which the output's format cannot hold"


def stem_of(path: Path) -> str:
    """A file's name without ``.gz`` and without its suffix."""
    return Path(path.name.removesuffix(".gz")).stem


def read_file(path: Path, kind: Format, reading: Reading) -> Iterator[Record | BadRecord]:
    """The records of a file, unpacked if its name ends in ``.gz``.

    RAISES: OSError if it cannot be opened or read.
    """
    with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as file:
        try:
            yield from kind.read(file, reading)  # type: ignore[arg-type]
        except (EOFError, zlib.error, gzip.BadGzipFile) as err:
            yield BadRecord(f"no valid gzip from here to the file's end: {err}")


def write_file(
    path: Path, kind: Format, records: Iterable[Record], tokenizer: Tokenizer, packed: bool
) -> None:
    """Write records to a file, with gzip if `packed`; the same records give the same bytes.

    RAISES: OSError if it cannot be written; ValueError if a record does not fit the format.
    """
    if kind.write is None:
        raise ValueError(f"{kind.name} cannot hold entities")
    with path.open("wb") as plain:
        if not packed:
            kind.write(plain, records, tokenizer)
            return
        with gzip.GzipFile(filename="", mode="wb", fileobj=plain, mtime=0) as file:
            kind.write(file, records, tokenizer)  # type: ignore[arg-type]
