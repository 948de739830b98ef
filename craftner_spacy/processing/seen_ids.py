"""The ids of the records that were read, to find an id that is there twice."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SeenIds:
    """Ids and the records that have them, in a database on disk: millions would fill the memory."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Create the table. See `open_seen_ids`.

        database (sqlite3.Connection): an empty one without transactions of Python's.
        RAISES: sqlite3.OperationalError if it cannot be written.
        """
        self._database = database
        database.execute("PRAGMA journal_mode = MEMORY")
        database.execute("PRAGMA synchronous = OFF")
        database.execute("CREATE TABLE ids (id TEXT PRIMARY KEY, file BLOB, record INTEGER) WITHOUT ROWID")
        # One transaction: one for each id would take longer than all the rest of the reading.
        database.execute("BEGIN")

    def add(self, identifier: str, file: str, record: int) -> tuple[str, int] | None:
        """Add the id of a record.

        identifier (str): the id.
        file (str): the record's file.
        record (int): its number in the file, from 1.
        RETURNS (tuple[str, int] | None): file and number of the record that has this id; None if it is new.
        RAISES: sqlite3.OperationalError if the database cannot be written.
        """
        # Bytes: names of files need not be UTF-8.
        row = (identifier, os.fsencode(file), record)
        if self._database.execute("INSERT OR IGNORE INTO ids VALUES (?, ?, ?)", row).rowcount:
            return None
        query = "SELECT file, record FROM ids WHERE id = ?"
        earlier, number = self._database.execute(query, (identifier,)).fetchone()
        return os.fsdecode(earlier), number


@contextmanager
def open_seen_ids(path: Path) -> Iterator[SeenIds]:
    """Ids in a file that exists as long as the context lasts.

    path (Path): of the file, which must not exist.
    RAISES: sqlite3.OperationalError if it cannot be written.
    """
    database = sqlite3.connect(path, isolation_level=None)
    try:
        yield SeenIds(database)
    finally:
        database.close()
        path.unlink(missing_ok=True)
