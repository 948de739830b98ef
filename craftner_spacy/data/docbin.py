"""spaCy's DocBin: each Doc is one record."""

import zlib
from collections.abc import Iterable, Iterator
from functools import partial
from io import BufferedIOBase

from spacy.tokens import Doc, DocBin
from spacy.util import filter_spans
from spacy.vocab import Vocab

from ..span_group import SPANS_KEY, read_span_group, write_span_group
from .jsonl import as_json, from_json, to_json_types
from .records import BadRecord, ReadOptions, Record, Tokenizer, check_entities, or_bad_record


def read_docbin(file: BufferedIOBase, options: ReadOptions) -> Iterator[Record | BadRecord]:
    """Read a record from each Doc; the whole file is in memory.

    The user data with names that are text are the fields, and hold the id; see `jsonl.from_json`. Entities
    are those of the span group, else of `doc.ents`; see `span_group.read_span_group`.
    """
    try:
        docs = DocBin(store_user_data=True).from_bytes(file.read())
    except (ValueError, KeyError, TypeError, zlib.error) as err:
        yield BadRecord(f"not a DocBin: {type(err).__name__}: {err}")
        return
    for doc in docs.get_docs(Vocab()):
        yield or_bad_record(partial(_parse_doc, doc, options))


def write_docbin(file: BufferedIOBase, records: Iterable[Record], tokenizer: Tokenizer) -> None:
    """Write each record to a Doc; all of them are in memory until the end.

    An entity's tokens are those that it touches. The span group holds all entities with their scores and
    exact offsets, and `doc.ents` those that do not overlap; `kb_id_` is the id of a concept; id, fields and
    passages are user data.
    """
    docs = DocBin(store_user_data=True)
    for record in records:
        doc = tokenizer(record.text)
        aligned = [
            doc.char_span(
                e.start, e.end, e.label, "" if e.concept is None else e.concept.id, alignment_mode="expand"
            )
            for e in record.entities
        ]
        # None for no entity, since each has characters; spaCy's types do not know that.
        spans = [span for span in aligned if span is not None]
        write_span_group(doc, SPANS_KEY, spans, record.entities)
        doc.ents = filter_spans(spans)
        row = as_json(record)
        doc.user_data = {name: value for name, value in row.items() if name not in ("text", "entities")}
        docs.add(doc)
    file.write(docs.to_bytes())


def _parse_doc(doc: Doc, options: ReadOptions) -> Record:
    """The record of a Doc; ValueError if it has none."""
    row = {key: to_json_types(value, key) for key, value in doc.user_data.items() if isinstance(key, str)}
    record = from_json({**row, options.text_field: doc.text}, options)
    if not options.entities:
        return record
    return record._replace(entities=check_entities(read_span_group(doc), len(doc.text)))
