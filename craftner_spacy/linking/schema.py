"""The records that a knowledge base is made of, and the SQLite file that holds them."""

import hashlib
from typing import NamedTuple

APPLICATION_ID = 0x43524B42
"""In the file's header: "CRKB". It tells a knowledge base from other SQLite files."""
SCHEMA_VERSION = 1
"""In the file's header too; raised with every change that a reader of today could not read."""

TABLES = """
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE label (
    number INTEGER PRIMARY KEY,
    label TEXT NOT NULL UNIQUE,
    n_concepts INTEGER NOT NULL,
    n_names INTEGER NOT NULL,
    n_mentions INTEGER NOT NULL
);
CREATE TABLE concept (
    concept INTEGER PRIMARY KEY,
    label INTEGER NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    taxon TEXT
);
CREATE INDEX concept_by_id ON concept (id);
CREATE TABLE name (
    number INTEGER PRIMARY KEY,
    concept INTEGER NOT NULL,
    text TEXT,
    scope INTEGER NOT NULL,
    count INTEGER NOT NULL
);
CREATE TABLE name_key (
    hash INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (hash, kind, number)
) WITHOUT ROWID;
CREATE TABLE other_id (
    other TEXT NOT NULL,
    relation TEXT NOT NULL,
    concept INTEGER NOT NULL,
    PRIMARY KEY (other, relation, concept)
) WITHOUT ROWID;
"""
"""`name.text` is NULL where it is the concept's own name; `name_key.hash` is that of `key_hash`."""

SCOPES = ("mention", "name", "exact", "narrow", "related", "broad")
"""What a name is to its concept: seen in text, or by the ontology; the better one has the lower number."""
KINDS = ("exact", "words", "loose")
"""The keys of `names.name_keys`; the stricter one has the lower number."""
RELATIONS = ("alternative", "replaced", "xref")
"""What another id is to its concept: a second id, an obsolete id that it replaces, an id elsewhere."""


class Concept(NamedTuple):
    """A concept of an ontology; without name and synonyms, other ids of one that came before.

    id (str): a CURIE, e.g. "CL:0000540".
    name (str): its preferred name; "" if the source has none.
    synonyms (tuple[tuple[str, str], ...]): other names, each with its scope: exact, narrow, related, broad.
    other_ids (tuple[tuple[str, str], ...]): ids and their relation: alternative, replaced, xref.
    taxon (str | None): the id of the species that the concept is of, e.g. "NCBITaxon:9606".
    """

    id: str
    name: str
    synonyms: tuple[tuple[str, str], ...] = ()
    other_ids: tuple[tuple[str, str], ...] = ()
    taxon: str | None = None


class SeenMention(NamedTuple):
    """A text that stands for a concept in annotated documents.

    text (str): the words of the mention.
    id (str): the concept's id.
    frequency (int): how often it was seen.
    name (str): the concept's name where the annotation tells it, else "".
    """

    text: str
    id: str
    frequency: int = 1
    name: str = ""


def key_hash(label: str, key: str) -> int:
    """The number by which a label's key is found: 64 bits, signed, as SQLite has them.

    >>> key_hash("Cell", "neuron") == key_hash("Cell", "neuron")
    True
    >>> key_hash("Cell", "neuron") == key_hash("Taxon", "neuron")
    False
    """
    digest = hashlib.blake2b(f"{label}\0{key}".encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
