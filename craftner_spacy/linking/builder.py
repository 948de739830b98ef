"""Making a knowledge base: concepts and mentions in, one SQLite file out.

Everything is gathered in a staging file beside the output, sorted there by SQLite, and written in order, so
that memory stays flat, equal input gives equal bytes, and the output is there whole or not at all.
"""

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .names import MAX_NAME, exact_key, name_keys
from .schema import APPLICATION_ID, SCHEMA_VERSION, SCOPES, TABLES, Concept, SeenMention, key_hash
from .staging import STAGING_TABLES, stage_concept, stage_mention

_MENTION = SCOPES.index("mention")


def build(
    path: str | Path,
    concepts: Iterable[tuple[str, Concept]],
    mentions: Iterable[tuple[str, SeenMention]] = (),
    *,
    meta: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> dict[str, int]:
    """Write a knowledge base.

    Names of one concept that have the same exact key become one, with their counts added. Mentions of an id
    that is an alternative of a concept's, or was replaced by it, are the concept's. A concept without a name
    gets its most frequent mention as its name.

    path (str | Path): the file to write; its folder is made if it is not there.
    concepts: each with its label; read once, before the mentions.
    mentions: each with its label; read once.
    meta (Mapping): what to note in the file, as JSON has it.
    overwrite (bool): whether a file that is there is replaced.
    RETURNS (dict[str, int]): counts: "concepts", "names", "mentions"; and what was left out or merged:
        "duplicate ids", "ids replaced by unknown ones", "bad ids", "names without letters", "long names".
    RAISES: FileExistsError if the file is there, ValueError for a label, scope, relation or count that is
        not allowed, or if there is nothing to write.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{str(path)!r} is there already; allowed are a new file, or overwrite = true")
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        new = Path(folder) / "new.sqlite"
        with closing(sqlite3.connect(new, isolation_level=None)) as connection:
            counts = _write(connection, Path(folder) / "staging.sqlite", concepts, mentions, meta or {})
        _to_disk(new)
        os.replace(new, path)
    return counts


def _write(
    connection: sqlite3.Connection,
    staging: Path,
    concepts: Iterable[tuple[str, Concept]],
    mentions: Iterable[tuple[str, SeenMention]],
    meta: Mapping[str, Any],
) -> dict[str, int]:
    connection.execute("PRAGMA page_size = 4096")
    connection.execute("ATTACH ? AS staging", (str(staging),))
    for schema in ("main", "staging"):
        connection.execute(f"PRAGMA {schema}.journal_mode = OFF")
        connection.execute(f"PRAGMA {schema}.synchronous = OFF")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.executescript(TABLES + STAGING_TABLES)
    connection.execute("BEGIN")
    counts: Counter[str] = Counter()
    for label, concept in concepts:
        stage_concept(connection, label, concept, counts)
    for label, mention in mentions:
        stage_mention(connection, label, mention, counts)
    _number(connection)
    _write_names(connection, counts)
    connection.execute(
        "INSERT INTO main.name_key "
        "SELECT hash, kind, number FROM staging.name_key ORDER BY hash, kind, number"
    )
    connection.execute(_WRITE_OTHER_IDS)
    connection.execute(_COUNT_NAMES)
    rows = [(key, json.dumps(meta[key], sort_keys=True)) for key in sorted(meta)]
    connection.executemany("INSERT INTO main.meta VALUES (?, ?)", rows)
    counts["concepts"], counts["mentions"] = connection.execute(
        "SELECT coalesce(sum(n_concepts), 0), coalesce(sum(n_mentions), 0) FROM main.label"
    ).fetchone()
    if not counts["names"]:
        raise ValueError("there is no name to write: give ontologies, names or mentions that have some")
    connection.execute("COMMIT")
    connection.execute("DETACH staging")
    return dict(counts)


def _number(connection: sqlite3.Connection) -> None:
    """Give names to concepts that lack one, and all concepts numbers in order of label and id."""
    connection.execute(
        "CREATE INDEX staging.mention_by_concept ON name (number, count, text) WHERE scope = 0"
    )
    connection.execute(
        "UPDATE staging.concept SET name = coalesce((SELECT text FROM staging.name "
        "WHERE name.number = concept.number AND scope = 0 ORDER BY count DESC, text LIMIT 1), id) "
        "WHERE name = ''"
    )
    connection.execute("DROP INDEX staging.mention_by_concept")
    connection.execute(
        "CREATE TABLE staging.final AS SELECT number, row_number() OVER (ORDER BY label, id) AS concept "
        "FROM staging.concept"
    )
    connection.execute("CREATE UNIQUE INDEX staging.final_by_number ON final (number)")
    connection.execute(
        "INSERT INTO main.label SELECT row_number() OVER (ORDER BY label), label, 0, 0, 0 "
        "FROM (SELECT DISTINCT label FROM staging.concept) ORDER BY label"
    )
    connection.execute(
        "INSERT INTO main.concept SELECT final.concept, label.number, id, name, taxon "
        "FROM staging.concept JOIN staging.final USING (number) JOIN main.label USING (label) "
        "ORDER BY final.concept"
    )


_GROUPED_NAMES = """
SELECT final.concept, label.label, concept.name, staging.name.text, staging.name.scope,
    sum(staging.name.count)
FROM staging.name
JOIN staging.final USING (number)
JOIN main.concept AS concept ON concept.concept = final.concept
JOIN main.label ON label.number = concept.label
GROUP BY final.concept, staging.name.text, staging.name.scope
ORDER BY final.concept, staging.name.scope, staging.name.text
"""
_WRITE_OTHER_IDS = """
INSERT INTO main.other_id
SELECT other, relation, final.concept FROM staging.other_id JOIN staging.final USING (number)
ORDER BY other, relation, final.concept
"""
_COUNT_NAMES = """
UPDATE main.label SET (n_concepts, n_names, n_mentions) = (
    SELECT count(DISTINCT concept.concept), count(name.number), coalesce(sum(name.count), 0)
    FROM main.concept AS concept LEFT JOIN main.name AS name USING (concept)
    WHERE concept.label = label.number
)
"""


def _write_names(connection: sqlite3.Connection, counts: Counter[str]) -> None:
    rows = connection.execute(_GROUPED_NAMES)
    number = 0
    for (concept, label, own_name), group in groupby(rows, key=lambda row: row[:3]):
        for text, scope, count, keys in _merge(own_name, (row[3:] for row in group), counts):
            number += 1
            connection.execute(
                "INSERT INTO main.name VALUES (?, ?, ?, ?, ?)",
                (number, concept, None if text == own_name else text, scope, count),
            )
            hashes = [(key_hash(label, key), kind, number) for key, kind in keys.items()]
            connection.executemany("INSERT INTO staging.name_key VALUES (?, ?, ?)", hashes)
    counts["names"] = number


def _merge(
    own_name: str, names: Iterable[tuple[str, int, int]], counts: Counter[str]
) -> Iterator[tuple[str, int, int, dict[str, int]]]:
    """Make one of a concept's names that have the same exact key.

    own_name (str): the concept's name.
    names: text, scope and count of each, the better scope first.
    YIELDS: the text (the concept's name, else that of the best scope by the ontology, else of the most
        frequent mention), scope and count of each, and its keys with the strictest kind of each.
    """
    by_key: dict[str, list[tuple[str, int, int]]] = {}
    for text, scope, count in names:
        key = exact_key(text)
        if len(text) > MAX_NAME:
            counts["long names"] += 1
        elif not key:
            counts["names without letters"] += 1
        else:
            by_key.setdefault(key, []).append((text, scope, count))
    for variants in by_key.values():
        of_ontology = [variant for variant in variants if variant[1] != _MENTION]
        text, scope, _ = of_ontology[0] if of_ontology else max(variants, key=lambda variant: variant[2])
        text = next((variant[0] for variant in variants if variant[0] == own_name), text)
        keys: dict[str, int] = {}
        for variant, _, _ in variants:
            for kind, key in enumerate(name_keys(variant)):
                if key:
                    keys[key] = min(kind, keys.get(key, kind))
        yield text, scope, sum(variant[2] for variant in variants), keys


def _to_disk(path: Path) -> None:
    """Wait until a file's content is on disk, so that a power cut leaves no torn file under its new name."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
