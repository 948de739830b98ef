"""spaCy's DocBin: each Doc is one record."""

import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from io import BufferedIOBase
from typing import Any, NamedTuple

import numpy as np
import srsly
from numpy.typing import NDArray
from spacy.attrs import ENT_IOB, ENT_KB_ID, ENT_TYPE, ORTH
from spacy.pipeline import Sentencizer
from spacy.tokens import Doc, DocBin
from spacy.util import filter_spans
from spacy.vocab import Vocab
from srsly.msgpack import UnpackException

from ..span_group import SPANS_KEY, read_span_group, write_span_group
from ..splitting import split_tokens
from .conll import SENTENCE
from .jsonl import as_json, from_fields
from .limits import MAX_RECORD_BYTES, MAX_VALUES, check_size
from .message_sizes import check_message
from .records import (
    DAMAGE,
    PLAIN,
    BadRecord,
    Passage,
    ReadOptions,
    Record,
    Tokenizer,
    WriteOptions,
    check_entities,
    explain_damage,
    or_bad_record,
)
from .structure import as_text

CHUNK_BYTES = 65_536
MIN_UNPACKED = 64_000_000
MAX_RATIO = 40
"""A file may be unpacked to so many bytes, or to so many times its own bytes."""
_ENTITY_ATTRS = [ENT_IOB, ENT_TYPE, ENT_KB_ID]


class _Packed(NamedTuple):
    """The content of a file.

    attrs (list[int]): the meaning of the columns of tokens.
    ends (NDArray): (docs,) The number of tokens up to the end of each Doc.
    tokens (NDArray): (tokens, attrs)
    spaces (NDArray): (tokens,) Whether white space follows.
    flags, span_groups, user_data (list[Any]): for each Doc, as spaCy packs them.
    """

    attrs: list[int]
    ends: NDArray[np.int64]
    tokens: NDArray[np.uint64]
    spaces: NDArray[np.bool_]
    flags: list[Any]
    span_groups: list[Any]
    user_data: list[Any]


def read_docbin(file: BufferedIOBase, options: ReadOptions) -> Iterator[Record | BadRecord]:
    """Read a record from each Doc; the whole file is in memory.

    The user data with names that are text are the fields, and hold the id; see `jsonl.from_fields`. Entities
    are those of the span group, else of `doc.ents`; see `span_group.read_span_group`. Nothing else of a Doc
    is looked at.
    """
    vocab = Vocab()
    try:
        packed = _unpack(file, vocab)
    except DAMAGE as err:
        yield BadRecord(f"not a DocBin: {explain_damage(err)}")
        return
    for number in range(len(packed.ends)):
        yield or_bad_record(partial(_parse_doc, packed, number, vocab, options))


def write_docbin(
    file: BufferedIOBase, records: Iterable[Record], tokenizer: Tokenizer, options: WriteOptions = PLAIN
) -> None:
    """Write each record to a Doc; all of them are in memory until the end.

    An entity's tokens are those that it touches. The span group holds all entities with their scores and
    exact offsets, and `doc.ents` those that do not overlap; `kb_id_` is the id of a concept; id, fields and
    passages are user data. A field with a number that takes more than 64 bits becomes JSON as text.

    As training data, a Doc has tokens that are split where entities begin and end, and sentence starts: those
    of the passages if they are sentences, else those of spaCy's `Sentencizer` and of the passages.
    """
    docs = DocBin(store_user_data=True)
    for record in records:
        doc = tokenizer(record.text)
        if options.training:
            split_tokens(doc, [edge for entity in record.entities for edge in (entity.start, entity.end)])
            set_sentence_starts(doc, record.passages)
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
        row = as_json(record, options._replace(text=False))
        doc.user_data = {
            name: value if _has_place(value) else as_text(value)
            for name, value in row.items()
            if name != "entities"
        }
        docs.add(doc)
    file.write(docs.to_bytes())


def set_sentence_starts(doc: Doc, passages: Sequence[Passage]) -> None:
    """Set the sentence starts of a Doc.

    doc (Doc): changed in place.
    passages (Sequence[Passage]): of its text; if they are sentences, no others are looked for.

    >>> doc = Doc(Vocab(), words=["Mice", "ran", ".", "We", "saw"])
    >>> set_sentence_starts(doc, [])
    >>> [sent.text for sent in doc.sents]
    ['Mice ran .', 'We saw']
    """
    if passages and all(passage.infons.get("type") == SENTENCE for passage in passages):
        for token in doc:
            token.is_sent_start = False
    else:
        Sentencizer()(doc)
    starts = {passage.start for passage in passages}
    for token in doc:
        if token.idx in starts:
            token.is_sent_start = True


def _unpack(file: BufferedIOBase, vocab: Vocab) -> _Packed:
    """The content of a file, whose strings are added to the vocabulary; ValueError if it is none."""
    stored = _stored_bytes(file)
    unpacked = _decompress(file, max(MIN_UNPACKED, MAX_RATIO * stored))
    # A value takes a byte or more in the message, and up to a hundred in memory.
    check_message(unpacked, max(MAX_VALUES, stored // 4))
    message = _load_message(unpacked)
    attrs = [int(attr) for attr in message["attrs"]]
    lengths = np.frombuffer(message["lengths"], dtype=np.int32).astype(np.int64)
    tokens = np.frombuffer(message["tokens"], dtype=np.uint64).reshape((-1, len(attrs)))
    spaces = np.frombuffer(message["spaces"], dtype=np.bool_)
    if (lengths < 0).any() or not lengths.sum() == len(tokens) == len(spaces):
        raise ValueError("tokens, spaces and lengths of its documents differ in number")
    if ORTH not in attrs:
        raise ValueError("its tokens have no ORTH")
    for string in message["strings"]:
        vocab.strings.add(string)
    none: list[None] = [None] * len(lengths)
    flags, span_groups, user_data = (message.get(key, none) for key in ("flags", "span_groups", "user_data"))
    return _Packed(attrs, np.cumsum(lengths), tokens, spaces, flags, span_groups, user_data)


def _stored_bytes(file: BufferedIOBase) -> int:
    """The size of a file, compressed if it is; 0 if it is no file of the system."""
    try:
        return os.fstat(file.fileno()).st_size
    except OSError:
        return 0


def _decompress(file: BufferedIOBase, limit: int) -> bytearray:
    """The decompressed content of a file; ValueError if it takes more bytes than the limit."""
    decompressor, unpacked = zlib.decompressobj(), bytearray()
    while not decompressor.eof:
        chunk = decompressor.unconsumed_tail or file.read(CHUNK_BYTES)
        if not chunk:
            raise ValueError("it is not complete")
        unpacked += decompressor.decompress(chunk, CHUNK_BYTES)
        if len(unpacked) > limit:
            raise ValueError(f"unpacked it takes more than {limit:,} bytes")
    return unpacked


def _load_message(message: bytes | bytearray, **options: Any) -> Any:
    """What a message in msgpack holds; ValueError if it is none."""
    try:
        return srsly.msgpack_loads(message, **options)
    except UnpackException as err:
        raise ValueError(f"not msgpack: {err}") from err


def _parse_doc(packed: _Packed, number: int, vocab: Vocab, options: ReadOptions) -> Record:
    """The record of a Doc; ValueError, KeyError or another one of `DAMAGE` if it has none."""
    end = packed.ends[number]
    start = packed.ends[number - 1] if number else 0
    tokens, spaces = packed.tokens[start:end], packed.spaces[start:end]
    if len(tokens) > MAX_VALUES:
        raise ValueError(f"{len(tokens)} tokens: no record may have more than {MAX_VALUES:,}")
    if (packed.flags[number] or {}).get("has_unknown_spaces"):
        spaces = np.ones(len(tokens), dtype=np.bool_)
    words = [vocab.strings[int(orth)] for orth in tokens[:, packed.attrs.index(ORTH)]]
    check_size(sum(map(len, words)) + len(words))
    text = "".join(word + " " if space else word for word, space in zip(words, spaces, strict=True))
    data = packed.user_data[number]
    user_data = {}
    if data is not None:
        check_size(len(data))
        check_message(data, MAX_VALUES)
        user_data = _load_message(data, use_list=False)
    fields = {key: value for key, value in user_data.items() if isinstance(key, str)}
    record = from_fields(text, fields, options.id_field)
    if not options.entities:
        return record
    doc = _make_doc(packed, number, Doc(vocab, words=words, spaces=spaces.tolist()), tokens)
    return record._replace(entities=check_entities(read_span_group(doc), len(text)))


def _make_doc(packed: _Packed, number: int, doc: Doc, tokens: NDArray[np.uint64]) -> Doc:
    """A Doc with the entities of a file."""
    attrs = [attr for attr in _ENTITY_ATTRS if attr in packed.attrs]
    if attrs:
        columns: Any = tokens[:, [packed.attrs.index(attr) for attr in attrs]]
        doc = doc.from_array(attrs, columns)
    groups = packed.span_groups[number]
    if groups:
        check_size(len(groups))
        check_message(groups, MAX_RECORD_BYTES)
        doc.spans.from_bytes(groups)
    return doc


def _has_place(value: Any) -> bool:
    """Whether msgpack has a place for all numbers of a value in JSON's types."""
    if isinstance(value, dict | list):
        return all(map(_has_place, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, int) or -(2**63) <= value < 2**64
