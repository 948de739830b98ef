"""Files that are written whole or not at all, and the list of the records that a run left out."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from .inputs import Skipped


def skipped_list(out: Path) -> Path:
    """The list of the records left out, beside an output.

    >>> skipped_list(Path("a/out.jsonl")).as_posix()
    'a/out.jsonl.skipped.jsonl'
    """
    return out.parent / f"{out.name}.skipped.jsonl"


def write_skipped(out: Path, skipped: Iterable[Skipped]) -> None:
    """Write the list of the records left out, if there are any.

    out (Path): the output beside which it stands.
    skipped (Iterable[Skipped]): the records left out.
    RAISES: OSError if it cannot be written.
    """
    rows = [
        json_line({"file": row.file, "record": row.place.record, "reason": row.reason}) for row in skipped
    ]
    if rows:
        write_atomically(skipped_list(out), rows)


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


def json_line(row: object) -> bytes:
    """A line of JSON Lines, with its line break."""
    return json.dumps(row).encode() + b"\n"
