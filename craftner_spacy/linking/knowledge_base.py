"""Reading a knowledge base: names of concepts in one SQLite file, which stays on disk."""

import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from .names import name_keys
from .schema import APPLICATION_ID, KINDS, SCHEMA_VERSION, SCOPES, Concept, SeenMention, key_hash

BUNDLED = Path(__file__).parent / "bundled.sqlite"
"""The knowledge base that comes with the package."""
MAX_ROWS = 2000
"""Names that one key is read for, the stricter and more frequent ones first."""
MAX_IDS = 100
"""Concepts that one id is read for."""

_HEADER = 100
_MAGIC = b"SQLite format 3\0"
_TABLES = frozenset({"meta", "label", "concept", "name", "name_key", "other_id"})
_REBUILD = "build it anew with `craftner_spacy kb build`"


def kb_file(kb: str) -> Path:
    """The file that a setting `kb` names: 'bundled', or a path, in which ``~`` is the home folder.

    >>> kb_file("bundled") == BUNDLED, kb_file("~nobody-has-this-name/a.sqlite").name
    (True, 'a.sqlite')
    """
    # Unlike that of Path, it takes any file whose name begins with a tilde.
    return BUNDLED if kb == "bundled" else Path(os.path.expanduser(kb))


class NameMatch(NamedTuple):
    """A name of a concept that has a key asked for.

    id (str): the concept's id.
    name (str): the concept's name.
    taxon (str | None): the id of the concept's species, if it has one.
    text (str): the name that matched.
    scope (str): what the name is to the concept; one of `schema.SCOPES`.
    frequency (int): how often it was seen in annotated documents.
    kind (str): by which key it was found; one of `schema.KINDS`.
    """

    id: str
    name: str
    taxon: str | None
    text: str
    scope: str
    frequency: int
    kind: str


class LabelInfo(NamedTuple):
    """What a knowledge base has for a label: distinct concepts, names, and mentions counted."""

    label: str
    n_concepts: int
    n_names: int
    n_mentions: int


class KnowledgeBase:
    """A knowledge base on disk, read only.

    Each process and each thread has a connection of its own, opened at the first question. Nothing but
    SQLite's own cache (2 MB a connection) is held in memory. Copies for other processes have the path alone.
    """

    def __init__(self, path: str | Path) -> None:
        """Check the file; see `check_file`.

        path (str | Path): a file made by `builder.build`.
        RAISES: FileNotFoundError if there is no such file, ValueError if it is no knowledge base that this
            version reads.
        """
        self.path = Path(path)
        check_file(self.path)
        self._local = threading.local()

    def __reduce__(self) -> tuple[Any, ...]:
        return KnowledgeBase, (self.path,)

    def find(self, label: str, key: str, kind: str) -> list[NameMatch]:
        """The names of a label that have a key.

        label (str): the entity's label.
        key (str): a key of `names.name_keys`.
        kind (str): exact, words or loose: which of them it is.
        RETURNS (list[NameMatch]): at most `MAX_ROWS`, those counted most often first.
        RAISES: ValueError if the file is damaged.
        """
        if not key:
            return []
        rows = self._rows(_FIND, (key_hash(label, key), KINDS.index(kind), MAX_ROWS))
        return [
            NameMatch(id_, name, taxon, name if text is None else text, SCOPES[scope], count, kind)
            for id_, name, taxon, text, scope, count in rows
        ]

    def concepts(self, any_id: str) -> list[tuple[str, str, str, str]]:
        """The concepts that have an id, as their own, as an alternative one, or as one that they replace.

        RETURNS: label, id, name and relation ("own" or one of `schema.RELATIONS`) of each.
        RAISES: ValueError if the knowledge base is damaged.
        """
        rows = self._rows(_CONCEPTS, (any_id, any_id, MAX_IDS))
        return [tuple(row) for row in rows]

    def names(self, label: str, id: str) -> list[tuple[str, str, int]]:
        """Text, scope and count of each name of a concept, best scope and highest count first.

        RAISES: ValueError if the knowledge base is damaged.
        """
        return [(text, SCOPES[scope], count) for text, scope, count in self._rows(_NAMES, (id, label))]

    def all_concepts(self) -> Iterator[tuple[str, Concept]]:
        """Each concept with its label, its names by the ontology, and its other ids; in batches from disk.

        RAISES: ValueError if the knowledge base is damaged.
        """
        for label, number, id_, name, taxon in self._stream(_ALL_CONCEPTS):
            names = self._rows(_ONTOLOGY_NAMES, (number,))
            others = self._rows(_OTHER_IDS, (number,))
            own = any(text is None for text, _ in names)
            synonyms = tuple((text, SCOPES[scope]) for text, scope in names if text is not None)
            yield label, Concept(id_, name if own else "", synonyms, tuple(others), taxon)

    def all_mentions(self) -> Iterator[tuple[str, SeenMention]]:
        """Each name that was seen in annotated documents, with its label; in batches from disk.

        RAISES: ValueError if the knowledge base is damaged.
        """
        for label, id_, name, text, count in self._stream(_ALL_MENTIONS):
            yield label, SeenMention(name if text is None else text, id_, count)

    def labels(self) -> list[LabelInfo]:
        """The labels that have a table, in alphabetical order.

        RAISES: ValueError if the knowledge base is damaged.
        """
        return [LabelInfo(*row) for row in self._rows(_LABELS, ())]

    def meta(self) -> dict[str, Any]:
        """What the builder noted: its version, its sources and the calibration of scores.

        RAISES: ValueError if the knowledge base is damaged.
        """
        return {key: json.loads(value) for key, value in self._rows("SELECT * FROM meta ORDER BY key", ())}

    def lookup(self, text: str, label: str) -> list[NameMatch]:
        """All names that share a key with a text, the strictest key first; each name once."""
        matches: dict[tuple[str, str], NameMatch] = {}
        for key, kind in zip(name_keys(text), KINDS, strict=True):
            for match in self.find(label, key, kind):
                matches.setdefault((match.id, match.text), match)
        return list(matches.values())

    def close(self) -> None:
        """Close the connection of this process and thread, if it is open."""
        connection = getattr(self._local, "connection", None)
        if connection is not None and self._local.pid == os.getpid():
            connection.close()
        self._local = threading.local()

    def _rows(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        try:
            return self._connection().execute(query, values).fetchall()
        except sqlite3.DatabaseError as err:
            raise ValueError(f"kb = {str(self.path)!r} is damaged ({err}): {_REBUILD}") from err

    def _stream(self, query: str) -> Iterator[Any]:
        try:
            yield from self._connection().execute(query)
        except sqlite3.DatabaseError as err:
            raise ValueError(f"kb = {str(self.path)!r} is damaged ({err}): {_REBUILD}") from err

    def _connection(self) -> sqlite3.Connection:
        # A connection must not go from one process to its child: there it is opened anew.
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.connection = _open(self.path)
            self._local.pid = os.getpid()
        connection: sqlite3.Connection = self._local.connection
        return connection


_FIND = """
SELECT concept.id, concept.name, concept.taxon, name.text, name.scope, name.count
FROM name_key JOIN name USING (number) JOIN concept USING (concept)
WHERE name_key.hash = ? AND name_key.kind <= ?
ORDER BY name.count DESC, name.scope, concept.id, name.number
LIMIT ?
"""
_CONCEPTS = """
SELECT label.label, id, name, 'own' FROM concept JOIN label ON label.number = concept.label WHERE id = ?
UNION ALL
SELECT label.label, id, name, relation
FROM other_id JOIN concept USING (concept) JOIN label ON label.number = concept.label WHERE other = ?
LIMIT ?
"""
_NAMES = """
SELECT coalesce(name.text, concept.name), name.scope, name.count
FROM concept JOIN name USING (concept) JOIN label ON label.number = concept.label
WHERE concept.id = ? AND label.label = ?
ORDER BY name.scope, name.count DESC, name.text
"""
_ALL_CONCEPTS = """
SELECT label.label, concept, id, name, taxon
FROM concept JOIN label ON label.number = concept.label ORDER BY concept
"""
_ONTOLOGY_NAMES = "SELECT text, scope FROM name WHERE concept = ? AND scope > 0 ORDER BY scope, number"
_OTHER_IDS = "SELECT other, relation FROM other_id WHERE concept = ? ORDER BY other, relation"
_ALL_MENTIONS = """
SELECT label.label, id, concept.name, name.text, name.count
FROM name JOIN concept USING (concept) JOIN label ON label.number = concept.label
WHERE name.count > 0 ORDER BY name.number
"""
_LABELS = "SELECT label, n_concepts, n_names, n_mentions FROM label ORDER BY label"


def check_file(path: Path) -> None:
    """Check that a file is a knowledge base, whole, and of a version that can be read.

    RAISES: FileNotFoundError if there is no such file, ValueError if it is something else, torn, or of
        another version.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"kb = {str(path)!r}: there is no such file; allowed are 'bundled' or a file made by "
            "`craftner_spacy kb build`"
        )
    with path.open("rb") as file:
        header = file.read(_HEADER)
    if len(header) < _HEADER or not header.startswith(_MAGIC):
        raise ValueError(f"kb = {str(path)!r} is no SQLite file: {_REBUILD}")
    page_size = int.from_bytes(header[16:18], "big")
    n_pages = int.from_bytes(header[28:32], "big")
    size = path.stat().st_size
    whole = n_pages * (65536 if page_size == 1 else page_size)
    if int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise ValueError(f"kb = {str(path)!r} is an SQLite file, but no knowledge base: {_REBUILD}")
    if size != whole:
        raise ValueError(f"kb = {str(path)!r} is torn: it has {size} of {whole} bytes; {_REBUILD}")
    version = int.from_bytes(header[60:64], "big")
    if version > SCHEMA_VERSION:
        raise ValueError(
            f"kb = {str(path)!r} has schema version {version}, of a later craftner_spacy; this one reads "
            f"{SCHEMA_VERSION}: update craftner_spacy, or {_REBUILD}"
        )
    if version < SCHEMA_VERSION:
        raise ValueError(
            f"kb = {str(path)!r} has schema version {version}; this craftner_spacy reads {SCHEMA_VERSION}: "
            f"{_REBUILD}"
        )


def _open(path: Path) -> sqlite3.Connection:
    """Open a file to read: no lock, no write, no code that its schema might bring."""
    connection = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1", uri=True)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA query_only = ON")
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        tables = {name for (name,) in rows}
    except sqlite3.DatabaseError:
        connection.close()
        raise
    if not tables >= _TABLES:
        connection.close()
        missing = ", ".join(sorted(_TABLES - tables))
        raise ValueError(f"kb = {str(path)!r} lacks the table {missing}: {_REBUILD}")
    return connection
