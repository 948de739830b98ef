"""Records, which are the texts of a file, and what the readers and writers of all formats share."""

import csv
import importlib
import math
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BufferedIOBase
from pathlib import Path
from typing import Any, NamedTuple

from spacy.tokens import Doc

from ..types import NO_ID, Entity, LinkedConcept

_LINE_BREAK = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_NO_CONCEPT = NO_ID | {"-"}
"""In place of an id: "-" is PubTator's."""

MAX_MENTIONS = 16_000_000
"""Characters that all entities of a record may have: files hold the text of each."""
EXTRA = "'.[formats]' in a checkout of craftner_spacy"


class Passage(NamedTuple):
    """A part of a record's text.

    start, end (int): half-open, in characters of the record's text.
    infons (Mapping[str, str]): what BioC says of the passage, such as its type.
    """

    start: int
    end: int
    infons: Mapping[str, str]


class Record(NamedTuple):
    """One text of a file.

    id (str): its name in the file; empty if it has none.
    text (str): its text; all offsets are in characters of this text.
    fields (Mapping[str, Any]): everything else that the file says of it, in JSON's types.
    passages (tuple[Passage, ...]): its parts in order; empty if it is not divided.
    entities (tuple[Entity, ...]): sorted by start, end and label.
    """

    id: str
    text: str
    fields: Mapping[str, Any]
    passages: tuple[Passage, ...] = ()
    entities: tuple[Entity, ...] = ()


class BadRecord(NamedTuple):
    """A record that cannot be read, and the reason."""

    reason: str


class ReadOptions(NamedTuple):
    """What a reader has to know.

    name (str): the file's name without suffix: the id of a text that is a file of its own.
    text_field, id_field (str): the names of these fields in formats whose records have fields.
    entities (bool): whether to read the entities; if not, they are neither read nor checked.
    is_limited (bool): whether a record may take no more than `limits.MAX_RECORD_BYTES`.
    encoding (str | None): of plain text, unless the file's first bytes tell another one; None: UTF-8.
    path (Path | None): of the file, for formats whose records are in several files.
    """

    name: str
    text_field: str = "text"
    id_field: str = "id"
    entities: bool = True
    is_limited: bool = True
    encoding: str | None = None
    path: Path | None = None


class WriteOptions(NamedTuple):
    """What a writer writes of the records, beside their entities.

    text (bool): whether their texts are written, where the format can do without.
    text_field, id_field (str): the names of these fields in formats whose records have fields.
    fields (bool): whether a table of entities has the other fields of their records.
    training (bool): whether a DocBin is training data; see `docbin.write_docbin`.
    """

    text: bool = True
    text_field: str = "text"
    id_field: str = "id"
    fields: bool = False
    training: bool = False


PLAIN = WriteOptions()
"""All that a format can hold, with its own names."""


Reader = Callable[[BufferedIOBase, ReadOptions], Iterator[Record | BadRecord]]
"""Yields the records of a binary file in order, and a `BadRecord` in place of each that cannot be read."""

DAMAGE: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
    csv.Error,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What damaged or hostile bytes make libraries raise, whatever they document."""

Tokenizer = Callable[[str], Doc]

Writer = Callable[[BufferedIOBase, Iterable[Record], Tokenizer, WriteOptions], None]
"""Writes records to a binary file; it may iterate over them more than once.

The tokenizer is for formats that hold tokens. RAISES: ValueError if the format cannot hold a record.
"""


def check_entities(entities: Iterable[Entity], length: int) -> tuple[Entity, ...]:
    """The entities of a text, checked and sorted by start, end and label.

    entities (Iterable[Entity]): as a file gives them, with values of any type.
    length (int): of the text, in characters.
    RAISES: ValueError if an entity is empty or not in the text, its label or score has a wrong type, or its
        score is NaN; or if all of them together have more than `MAX_MENTIONS` characters.

    >>> check_entities([Entity(4, 7, "Gene"), Entity(0, 3, "Cell")], length=7)
    (Entity(start=0, end=3, label='Cell', score=None, concept=None),
     Entity(start=4, end=7, label='Gene', score=None, concept=None))
    """
    checked, n_characters = [], 0
    for e in entities:
        if not isinstance(e.start, int) or not isinstance(e.end, int) or not 0 <= e.start < e.end <= length:
            raise ValueError(
                f"an entity at {e.start!r} to {e.end!r} is not in the text, which ends at {length}"
            )
        is_scored = e.score is None or (isinstance(e.score, int | float) and not math.isnan(e.score))
        if not isinstance(e.label, str) or not is_scored:
            raise ValueError(f"an entity at {e.start} has a label {e.label!r} and a score {e.score!r}")
        n_characters += e.end - e.start
        if n_characters > MAX_MENTIONS:
            raise ValueError(f"its entities have more than {MAX_MENTIONS:,} characters: no record's may")
        checked.append(e)
    return tuple(sorted(checked, key=lambda e: e[:3]))


def parse_concept(id: Any, name: Any = None, score: Any = None) -> LinkedConcept | None:
    """The concept that a file gives an entity; None if it gives none or something else in its place.

    >>> parse_concept("CL:0000540", "neuron", "0.9")
    LinkedConcept(id='CL:0000540', name='neuron', score=0.9)
    >>> [parse_concept(id) for id in ("-", "", None, 9606)]
    [None, None, None, None]
    """
    if not isinstance(id, str) or id in _NO_CONCEPT:
        return None
    return LinkedConcept(id, name if isinstance(name, str) else "", parse_score(score))


def parse_score(value: Any) -> float | None:
    """The score that a file gives an entity; None if it gives none or something else in its place.

    >>> [parse_score(value) for value in ("0.5", "high", "nan", None)]
    [0.5, None, None, None]
    """
    try:
        score = float(value)
    except (TypeError, ValueError):
        return None
    return None if math.isnan(score) else score


def id_problem(name: str, forbidden_id_chars: str) -> str | None:
    """Why a format cannot hold an id; None if it can.

    name (str): the id.
    forbidden_id_chars (str): characters that cannot be part of an id in the format.

    >>> id_problem("PMC|7", forbidden_id_chars="|\\t")
    "its id 'PMC|7' contains '|', which the output's format cannot hold"
    """
    forbidden = next((character for character in forbidden_id_chars if character in name), None)
    if forbidden is None:
        return None
    return f"its id {name!r} contains {forbidden!r}, which the output's format cannot hold"


def or_bad_record(read: Callable[[], Record]) -> Record | BadRecord:
    """The record that `read` returns, or a bad record that says what of `DAMAGE` it raised."""
    try:
        return read()
    except DAMAGE as err:
        return BadRecord(explain_damage(err))


def explain_damage(err: Exception) -> str:
    """An error of `DAMAGE` in a line: its message, and its type if that is no ValueError.

    >>> explain_damage(ValueError("no text")), explain_damage(KeyError("id"))
    ('no text', "KeyError: 'id'")
    """
    message = " ".join(str(err).split())[:500]
    return message if isinstance(err, ValueError) and message else f"{type(err).__name__}: {message}"


def decode_text(raw: bytes, encoding: str | None = None) -> str:
    """The text of a part of a file that `encodings.as_utf8` gives, without a byte order mark.

    raw (bytes): in UTF-8.
    encoding (str | None): of the file, as a user gave it, for the error.
    RAISES: ValueError if the bytes are not UTF-8, as those that were no text in the file's own encoding.
    """
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise ValueError(
            f"not {encoding or 'UTF-8'}: byte 0x{raw[err.start]:02x} at {err.start}; --encoding names "
            "another one, such as cp1252 (of Windows and Excel in the West)"
        ) from err


def one_line(text: str) -> str:
    r"""The text with a space in place of each character that ends a line.

    >>> one_line("two\nlines")
    'two lines'
    """
    return _LINE_BREAK.sub(" ", text)


def shorten(value: Any) -> str:
    """A value as an error message shows it: its repr, cut after 60 characters."""
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def import_extra(module: str) -> Any:
    """Import a module of the extra `formats`.

    RAISES: ImportError if it is not installed; the message names the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError as err:
        raise ImportError(f"this format needs {module.partition('.')[0]}: pip install {EXTRA}") from err
