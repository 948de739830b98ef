"""What a knowledge base is made of, gathered in a file of its own until it can be put in order."""

import re
import sqlite3
from collections import Counter

from .schema import RELATIONS, SCOPES, Concept, SeenMention

MAX_ID = 200
"""Characters of an id, at most."""
STAGING_TABLES = """
CREATE TABLE staging.concept (
    number INTEGER PRIMARY KEY,
    label TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    taxon TEXT,
    UNIQUE (label, id)
);
CREATE TABLE staging.name (number INTEGER, text TEXT, scope INTEGER, count INTEGER);
CREATE TABLE staging.other_id (
    label TEXT, other TEXT, relation TEXT, number INTEGER,
    PRIMARY KEY (label, other, relation, number)
) WITHOUT ROWID;
CREATE TABLE staging.name_key (hash INTEGER, kind INTEGER, number INTEGER);
"""

_ID = re.compile(rf"[^\s\x00-\x1f\x7f]{{1,{MAX_ID}}}")
_LABEL = re.compile(r"[\w .+/-]+")
_MENTION = SCOPES.index("mention")
_NAME = SCOPES.index("name")
_STAGED = "SELECT number, name FROM staging.concept WHERE label = ? AND id = ?"
_STAGED_OTHER = """
SELECT number FROM staging.other_id WHERE label = ? AND other = ? AND relation <> 'xref'
ORDER BY relation, number LIMIT 1
"""


def stage_concept(connection: sqlite3.Connection, label: str, concept: Concept, counts: Counter[str]) -> None:
    """Gather a concept: its names, and its other ids.

    counts (Counter): what was left out or merged is added to it.
    RAISES: ValueError for a label, scope or relation that is not allowed.
    """
    if not _is_fit(label, concept.id, counts):
        return
    if concept.name or concept.synonyms:
        number, had_name = _stage_id(connection, label, concept.id, concept.name, concept.taxon)
        counts["duplicate ids"] += bool(had_name and concept.name)
    else:
        # Other ids alone: for a concept that has come before, or for none.
        row = connection.execute(_STAGED, (label, concept.id)).fetchone()
        if row is None:
            counts["ids replaced by unknown ones"] += len(concept.other_ids)
            return
        number = row[0]
    names = [(concept.name, "name"), *concept.synonyms]
    rows = [(number, text, _index(SCOPES, "scope", scope), 0) for text, scope in names if text]
    connection.executemany("INSERT INTO staging.name VALUES (?, ?, ?, ?)", rows)
    others = [
        (label, other, relation, number)
        for other, relation in concept.other_ids
        if _index(RELATIONS, "relation", relation) >= 0 and _ID.fullmatch(other) and other != concept.id
    ]
    connection.executemany("INSERT OR IGNORE INTO staging.other_id VALUES (?, ?, ?, ?)", others)


def stage_mention(
    connection: sqlite3.Connection, label: str, mention: SeenMention, counts: Counter[str]
) -> None:
    """Gather a mention, after all concepts: its id may be another one of theirs.

    counts (Counter): what was left out is added to it.
    RAISES: ValueError for a label or frequency that is not allowed.
    """
    if mention.frequency < 1:
        raise ValueError(
            f"frequency = {mention.frequency!r} of {mention.text!r}: allowed are whole numbers from 1"
        )
    if not _is_fit(label, mention.id, counts):
        return
    where = (label, mention.id)
    row = connection.execute(_STAGED, where).fetchone()
    row = row or connection.execute(_STAGED_OTHER, where).fetchone()
    number = row[0] if row else _stage_id(connection, label, mention.id, mention.name, None)[0]
    rows = [(number, mention.text, _MENTION, mention.frequency)]
    if mention.name:
        rows.append((number, mention.name, _NAME, 0))
    connection.executemany("INSERT INTO staging.name VALUES (?, ?, ?, ?)", rows)


def _stage_id(
    connection: sqlite3.Connection, label: str, id_: str, name: str, taxon: str | None
) -> tuple[int, bool]:
    """The concept's number, and whether it had a name. One that was there takes a name or taxon it lacks."""
    row = connection.execute(_STAGED, (label, id_)).fetchone()
    if row is None:
        insert = "INSERT INTO staging.concept (label, id, name, taxon) VALUES (?, ?, ?, ?)"
        number = connection.execute(insert, (label, id_, name, taxon)).lastrowid
        assert number is not None
        return number, False
    number, own_name = row
    if not own_name:
        connection.execute("UPDATE staging.concept SET name = ? WHERE number = ?", (name, number))
    if taxon is not None:
        update = "UPDATE staging.concept SET taxon = coalesce(taxon, ?) WHERE number = ?"
        connection.execute(update, (taxon, number))
    return number, bool(own_name)


def _is_fit(label: str, id_: str, counts: Counter[str]) -> bool:
    if not _LABEL.fullmatch(label):
        raise ValueError(f"label = {label!r}: allowed are letters, digits, space and _ - . / +")
    fit = _ID.fullmatch(id_) is not None
    counts["bad ids"] += not fit
    return fit


def _index(allowed: tuple[str, ...], setting: str, value: str) -> int:
    if value not in allowed:
        raise ValueError(f"{setting} = {value!r}: allowed are {', '.join(allowed)}")
    return allowed.index(value)
