"""Files that are written whole or not at all, and the list of the records that a run left out."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from ..data.file_kinds import is_compressed
from ..data.formats import Format, write_file
from ..data.records import Record, Tokenizer, WriteOptions
from .inputs import Skipped


def skipped_list(out: Path) -> Path:
    """The list of the records left out, beside an output.

    >>> skipped_list(Path("a/out.jsonl")).as_posix()
    'a/out.jsonl.skipped.jsonl'
    """
    return out.parent / f"{out.name}.skipped.jsonl"


def write_skipped(out: Path, skipped: Iterable[Skipped]) -> None:
    """Write the list of the records left out; if there are none, remove that of an earlier run.

    out (Path): the output beside which it stands.
    skipped (Iterable[Skipped]): the records left out.
    RAISES: OSError if it cannot be written or removed.
    """
    rows = [json_row({"file": row.file, "record": row.place.record, "reason": row.reason}) for row in skipped]
    if rows:
        write_atomically(skipped_list(out), rows)
    else:
        skipped_list(out).unlink(missing_ok=True)


def write_unfinished(
    path: Path,
    out: Path,
    fmt: Format,
    records: Iterable[Record],
    tokenizer: Tokenizer,
    options: WriteOptions,
) -> None:
    """Write an output under another name, until all of it is on disk.

    path (Path): the file to write.
    out (Path): the name that it gets later, which tells whether it is compressed.
    fmt (Format): of the output.
    records (Iterable[Record]): may be iterated over more than once.
    tokenizer (Tokenizer): for formats that hold tokens.
    options (WriteOptions): what is written beside the entities.
    RAISES: OSError if the file cannot be written; ValueError if the format cannot hold a record.
    """
    write_file(path, fmt, records, tokenizer, is_compressed(out), options)
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def write_atomically(path: Path, lines: Iterable[bytes]) -> None:
    """Write a file under a temporary name, and rename it when all of it is on disk.

    path (Path): the file; beside it ``PATH.tmp`` is used.
    lines (Iterable[bytes]): its content, each line with its line break.
    RAISES: OSError if it cannot be written; what iterating over the lines raises.
    """
    unfinished = path.with_name(f"{path.name}.tmp")
    with unfinished.open("wb") as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def json_row(row: object) -> bytes:
    """A line of JSON Lines, with its line break."""
    return json.dumps(row).encode() + b"\n"
